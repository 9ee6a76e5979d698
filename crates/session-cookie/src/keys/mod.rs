//! Server IDs that do not reveal the server ([`Keys`]), and signatures that clients cannot forge ([`Signer`]).
//!
//! A key file contains several keys while one key is being replaced, because proxies do not receive the new file at the same
//! moment. Cookies are written with the first two keys of the file and accepted with any of its keys. A proxy accepts the cookies
//! of another proxy if its file contains one of the first two keys of the other file. A cookie written with other keys is
//! rewritten in the next response, even if it is fresh. To replace a key, the new one is first added at the top on all proxies,
//! one at a time, and the old one is then removed on all of them. Clients that make a request in between lose no session.
//!
//! Keys, and the states derived from them, are wiped from memory when they are dropped. [`Debug`] does not show them.

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

/// The number of keys with which cookies are written.
const WRITING: usize = 2;

/// The length of an ID made with one key, in hexadecimal digits.
pub const ID: usize = 2 * TRUNCATED;

/// The length of an ID made with all writing keys.
const IDS: usize = WRITING * (ID + 1) - 1;

// The search functions check first for an ID of this length.
const _: () = assert!(ID == USUAL_LENGTH && IDS <= LONGEST);

/// The maximum length of an ID in a signed value.
pub const LONGEST_ID: usize = 200;

/// The keys of a key file, newest first.
#[derive(Default)]
pub struct Keys(Vec<Key>);

impl Debug for Keys {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.len())
    }
}

impl Keys {
    /// Returns the number of keys.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the ID of a server, made with the key at this index: the first 128 bits of the HMAC-SHA-256 (RFC 2104) of its
    /// address, in lowercase hexadecimal. It is empty if there is no such key.
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

    /// Returns the ID of a server as written to cookies: the IDs made with each of the writing keys.
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

/// Returns the single-key IDs in an ID written by a proxy with several keys.
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
    // The buffer has exactly the required length, so this cannot fail.
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
