//! Keys: ids that reveal nothing about servers ([`Keys`]), and signatures that clients cannot forge ([`Signer`]).
//!
//! A key file has several keys while one key replaces another. Proxies do not get the new file at the same moment. Cookies are
//! therefore written with the first two keys of the file, and accepted with any of its keys: a proxy understands what another
//! has written if its own file contains one of the first two keys of the other's. A cookie that was written with other keys is
//! written again with the next response, however fresh it is. If the new key is put on top on one proxy after the other, and
//! then the old one is removed on one after the other, clients that come in between lose no session.
//!
//! Keys, and states that are derived from them, are wiped from memory when they are dropped, and [`Debug`] does not show them.

mod file;
mod hmac;
mod signed;
mod signer;

use core::fmt::{self, Debug, Formatter};

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use self::hmac::{Key, TRUNCATED};
use self::signed::BETWEEN;
use crate::bytes::{Sink, USUAL_LENGTH};
use crate::id::{Id, LONGEST};

pub use file::{Fault, Read, Unusable, LEAST_KEY, MOST_KEYS};
pub use signed::Signed;
pub(crate) use signed::MARK;
pub(crate) use signer::SIGNATURES;
pub use signer::{Signature, Signer};

/// How many of the keys say what a cookie says.
const WRITING: usize = 2;

/// The length of an id by one key, in hexadecimal.
pub const ID: usize = 2 * TRUNCATED;

/// The length of an id by the keys that write.
const IDS: usize = WRITING * (ID + 1) - 1;

// One by one key is where searches look first.
const _: () = assert!(ID == USUAL_LENGTH && IDS <= LONGEST);

/// The longest id in a value that is signed.
pub const LONGEST_ID: usize = 200;

/// The keys of a file, the newest first.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl Debug for Keys {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.len())
    }
}

impl Keys {
    /// Returns how many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the id of a server by the key of this number: the HMAC-SHA-256 of its address (RFC 2104), the first 128 bits,
    /// in lower-case hexadecimal. It is empty if there is no such key.
    ///
    /// ```
    /// use session_cookie::keys::Keys;
    ///
    /// // printf %s 192.0.2.1:80 | openssl dgst -sha256 -hmac 'a key for examples'
    /// let keys = Keys::read(b"a key for examples\n")?.keys;
    /// assert_eq!(*keys.id(0, b"192.0.2.1:80"), *b"8d42d8703ee2637cf64c1a3d82f1b196");
    /// # Ok::<(), session_cookie::keys::Unusable>(())
    /// ```
    pub fn id(&self, number: usize, address: &[u8]) -> Id<'static> {
        self.0
            .get(number)
            .map_or(Id::short(&[]), |key| Id::short(&hex(&key.mac(&[address]))))
    }

    /// Returns the id that a cookie has of a server: by each of the keys that write.
    pub fn own_id(&self, address: &[u8]) -> Id<'static> {
        let mut ids = ArrayVec::<u8, IDS>::new();
        for (number, key) in self.0.iter().take(WRITING).enumerate() {
            if number != 0 {
                ids.put(&[BETWEEN]);
            }
            ids.put(&hex(&key.mac(&[address])));
        }
        Id::short(&ids)
    }
}

/// Returns the ids by single keys in an id that a proxy with several has made.
pub fn ids_in(id: &[u8]) -> impl Iterator<Item = &[u8]> {
    let parts = match id.len() {
        IDS => id.split_at_checked(ID),
        _ => None,
    };
    let parts = parts.and_then(|(first, rest)| Some([first, rest.strip_prefix(&[BETWEEN])?]));
    parts.into_iter().flatten()
}

fn hex(mac: &[u8; TRUNCATED]) -> [u8; ID] {
    let mut text = [0; ID];
    // It is twice as long.
    let _ = base16ct::lower::encode(mac, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231, section 4.3.
    const JEFE: &[u8] = b"5bdcc146bf60754e6a042426089575c7";

    #[test]
    fn ids_are_hmacs() {
        let keys = Keys(alloc::vec![Key::new(b"Jefe").unwrap()]);
        let address = b"what do ya want for nothing?";
        assert_eq!(*keys.id(0, address), *JEFE);
        assert_eq!(*keys.own_id(address), *JEFE);
        assert!(keys.id(1, address).is_empty());
    }

    #[test]
    fn two_keys_write_and_no_more() {
        let keys = Keys::read(b"the first of three\nthe second of three\nthe third of three\n");
        let keys = keys.unwrap().keys;
        let own = keys.own_id(b"192.0.2.1:80");
        assert_eq!(own.len(), IDS);
        let parts: Vec<_> = ids_in(&own).collect();
        let single = [0, 1].map(|number| keys.id(number, b"192.0.2.1:80"));
        assert_eq!(parts, single.each_ref().map(|id| &**id));
    }

    #[test]
    fn other_ids_have_no_parts() {
        let dot = [[b'a'; ID].as_slice(), b".", &[b'b'; ID]].concat();
        assert_eq!(ids_in(&dot).count(), 2);
        for other in [&dot[1..], &dot[..ID], b"", b".", &[b'a'; IDS]] {
            assert_eq!(ids_in(other).count(), 0);
        }
    }
}
