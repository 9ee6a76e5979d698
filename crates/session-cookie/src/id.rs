//! Ids: what a cookie names a server by.

use alloc::vec::Vec;

use hmac::{Hmac, Mac};
use md5::{Digest as _, Md5};
use sha1::Sha1;

use crate::bytes::{find, USUAL_LENGTH};

/// Length of [`md5_hex`].
pub const MD5_HEX: usize = 32;

// It is where searches look first.
const _: () = assert!(MD5_HEX == USUAL_LENGTH);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn hex(bytes: &[u8]) -> impl Iterator<Item = u8> + '_ {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default())
}

/// MD5 of a server's name, as nginx prints its address, in lower-case hexadecimal.
///
/// The same id as Tengine's `hash=md5` and nginx's own `sticky cookie`
/// (`ngx_http_upstream_init_round_robin_sid`), so that sessions survive a move between them.
pub fn md5_hex(name: &[u8]) -> [u8; MD5_HEX] {
    let mut text = [0; MD5_HEX];
    text.iter_mut()
        .zip(hex(&Md5::digest(name)))
        .for_each(|(place, digit)| *place = digit);
    text
}

/// What is made of an address before it is written into a cookie; all but the first in hexadecimal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Digest {
    /// Nothing.
    Raw,
    /// Its MD5.
    Md5,
    /// Its SHA-1.
    Sha1,
    /// An HMAC with MD5 (RFC 2104).
    HmacMd5,
    /// An HMAC with SHA-1.
    HmacSha1,
}

/// The id that nginx-sticky-module-ng makes of an address: the one in a `server` line, or in its releases that of
/// the system. `key` is that of an HMAC.
pub fn of_address(address: &[u8], digest: Digest, key: &[u8]) -> Vec<u8> {
    match digest {
        Digest::Raw => Vec::from(address),
        Digest::Md5 => hex(&Md5::digest(address)).collect(),
        Digest::Sha1 => hex(&Sha1::digest(address)).collect(),
        Digest::HmacMd5 => Hmac::<Md5>::new_from_slice(key)
            .map(|mac| hex(&mac.chain_update(address).finalize().into_bytes()).collect())
            .unwrap_or_default(),
        Digest::HmacSha1 => Hmac::<Sha1>::new_from_slice(key)
            .map(|mac| hex(&mac.chain_update(address).finalize().into_bytes()).collect())
            .unwrap_or_default(),
    }
}

/// Ends the id in the value of a cookie in prefix mode.
pub const PREFIX_END: u8 = b'~';

/// Splits `ID~value` at the first tilde: the id, and the value as the application gave it.
///
/// A user agent may have put the whole in double quotes; the opening quote then belongs to the value.
#[inline(always)]
pub fn split_prefix(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = value.strip_prefix(b"\"").unwrap_or(value);
    let (id, rest) = inner.split_at_checked(find(PREFIX_END, inner)?)?;
    Some((id, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_the_seed() {
        assert_eq!(
            &md5_hex(b"127.0.0.3:821"),
            b"d349ca31adc862f4d7e6faa19e516d6d"
        );
    }

    #[test]
    fn ids_of_an_address() {
        let id = |digest, key: &[u8]| {
            alloc::string::String::from_utf8(of_address(b"127.0.0.3:821", digest, key)).unwrap()
        };
        assert_eq!(id(Digest::Raw, b""), "127.0.0.3:821");
        assert_eq!(id(Digest::Md5, b""), "d349ca31adc862f4d7e6faa19e516d6d");
        assert_eq!(
            id(Digest::Sha1, b""),
            "d3c8732f14aa413ae1846a9c15c3299fdb38a7fd"
        );
        assert_eq!(
            id(Digest::HmacMd5, b"key"),
            "938a58d87e78c67aa1f459897937da38"
        );
        assert_eq!(
            id(Digest::HmacSha1, &[b'k'; 100]),
            "6af4d49283f5a8632cc8ecb8e9275660f8c51872"
        );
        // What that module's own tests expect of 127.0.0.1:1984.
        let address = b"\x02\0\x07\xc0\x7f\0\0\x01\0\0\0\0\0\0\0\0";
        assert_eq!(
            of_address(address, Digest::Md5, b""),
            b"908c1a9fb15095f454c085282da20d92"
        );
        assert_eq!(
            of_address(address, Digest::HmacSha1, b"secret"),
            b"34734c8d4b451151897b62db281c0b055e035adc"
        );
    }
}
