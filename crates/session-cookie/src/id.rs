//! The IDs that name servers in cookies.

use core::ops::Deref;

use arrayvec::ArrayVec;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest as _, Md5};
use sha1::Sha1;

use crate::bytes::{find, Sink, USUAL_LENGTH};

/// The length of the text that [`md5_hex`] returns.
pub const MD5_HEX: usize = 32;

// Searches look at this place first.
const _: () = assert!(MD5_HEX == USUAL_LENGTH);

/// The length of the longest generated ID: that of a server by two keys.
pub(crate) const LONGEST: usize = 65;

/// Returns the MD5 of a server's address, as nginx prints it, in lower-case hexadecimal.
///
/// Tengine's `hash=md5` and nginx's own `sticky cookie` (`ngx_http_upstream_init_round_robin_sid`) generate the same
/// IDs, so sessions survive a migration between them.
///
/// ```
/// use session_cookie::id::md5_hex;
///
/// assert_eq!(&md5_hex(b"127.0.0.3:821"), b"d349ca31adc862f4d7e6faa19e516d6d");
/// ```
pub fn md5_hex(name: &[u8]) -> [u8; MD5_HEX] {
    md5_hex_of(&[name])
}

/// Returns the MD5 of the concatenated pieces, in lower-case hexadecimal.
pub(crate) fn md5_hex_of(pieces: &[&[u8]]) -> [u8; MD5_HEX] {
    let mut md5 = Md5::new();
    pieces.iter().for_each(|piece| md5.update(piece));
    let mut text = [0; MD5_HEX];
    // The encoding cannot fail: the text is twice as long as the digest.
    let _ = base16ct::lower::encode(&md5.finalize(), &mut text);
    text
}

/// How an address is written into a cookie. Digests are in hexadecimal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Digest {
    /// The address itself.
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

impl Digest {
    /// Returns the name of the digest in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Digest::Raw => "raw",
            Digest::Md5 => "md5",
            Digest::Sha1 => "sha1",
            Digest::HmacMd5 => "hmac-md5",
            Digest::HmacSha1 => "hmac-sha1",
        }
    }
}

/// The ID of a server: a slice of the configuration, or a short text derived from it. It allocates no memory.
#[derive(Debug)]
pub struct Id<'a>(Text<'a>);

#[derive(Debug)]
enum Text<'a> {
    Borrowed(&'a [u8]),
    Short(ArrayVec<u8, LONGEST>),
}

impl Id<'_> {
    /// Returns the [`md5_hex`] of a server's address.
    pub fn md5(name: &[u8]) -> Self {
        Id::short(&md5_hex(name))
    }

    /// Returns the ID that consists of a number in decimal.
    pub fn number(number: u64) -> Self {
        let mut text = ArrayVec::new();
        text.put_decimal(number);
        Id(Text::Short(text))
    }

    /// Returns the ID that consists of a short text.
    pub(crate) fn short(text: &[u8]) -> Self {
        let mut id = ArrayVec::new();
        id.put(text);
        Id(Text::Short(id))
    }

    fn hex(digest: &[u8]) -> Self {
        let mut text = [0; LONGEST];
        Id::short(base16ct::lower::encode(digest, &mut text).unwrap_or_default())
    }
}

impl<'a> Id<'a> {
    /// Returns the ID that nginx-sticky-module-ng generates from an address: the text in a `server` line or, for its
    /// releases, the `struct sockaddr`. `key` is the key of an HMAC.
    pub fn of_address(address: &'a [u8], digest: Digest, key: &[u8]) -> Self {
        match digest {
            Digest::Raw => Id::from(address),
            Digest::Md5 => Id::md5(address),
            Digest::Sha1 => Id::hex(&Sha1::digest(address)),
            // This cannot fail: a key may have any length.
            Digest::HmacMd5 => Hmac::<Md5>::new_from_slice(key).map_or(Id::from(&[][..]), |mac| {
                Id::hex(&mac.chain_update(address).finalize().into_bytes())
            }),
            Digest::HmacSha1 => Hmac::<Sha1>::new_from_slice(key)
                .map_or(Id::from(&[][..]), |mac| {
                    Id::hex(&mac.chain_update(address).finalize().into_bytes())
                }),
        }
    }
}

impl<'a> From<&'a [u8]> for Id<'a> {
    fn from(text: &'a [u8]) -> Self {
        Id(Text::Borrowed(text))
    }
}

impl Deref for Id<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Text::Borrowed(text) => text,
            Text::Short(text) => text,
        }
    }
}

/// The byte that ends the ID in the value of a cookie in prefix mode.
pub const PREFIX_END: u8 = b'~';

/// Splits `ID~value` at the first tilde into the ID and the value set by the application.
///
/// A user agent may have enclosed the whole value in double quotes; the opening quote is removed, the closing quote
/// remains in the application's value.
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
    fn a_published_id() {
        assert_eq!(
            &md5_hex(b"127.0.0.3:821"),
            b"d349ca31adc862f4d7e6faa19e516d6d"
        );
    }

    #[test]
    fn ids_of_an_address() {
        let id = |digest, key: &[u8]| {
            alloc::string::String::from_utf8(Id::of_address(b"127.0.0.3:821", digest, key).to_vec())
                .unwrap()
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
        // The module's own tests expect these values for 127.0.0.1:1984.
        let address = b"\x02\0\x07\xc0\x7f\0\0\x01\0\0\0\0\0\0\0\0";
        assert_eq!(
            *Id::of_address(address, Digest::Md5, b""),
            *b"908c1a9fb15095f454c085282da20d92"
        );
        assert_eq!(
            *Id::of_address(address, Digest::HmacSha1, b"secret"),
            *b"34734c8d4b451151897b62db281c0b055e035adc"
        );
    }
}
