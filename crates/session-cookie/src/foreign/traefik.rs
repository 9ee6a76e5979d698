//! Cookies of Traefik, which are derived from the URL of a server.
//!
//! | since | the value |
//! | --- | --- |
//! | 3.3.4 | the first 16 digits of the URL's SHA-256 |
//! | 3.0 | FNV-1 of the 16 digits of the URL's FNV-1a |
//! | 2.5 | the URL's FNV-1a |
//! | 1.0 | the URL itself |
//!
//! All digits are hexadecimal. FNV hashes have 64 bits and are written without leading zeros, except for an inner hash.
//! Traefik itself no longer accepts the values of 3.0 to 3.3.3, because it compares them with FNV-1 of FNV-1.

use arrayvec::ArrayVec;
use sha2::{Digest as _, Sha256};

use crate::bytes::Sink;
use crate::memory::OutOfMemory;

/// The possible beginnings of a server's URL.
const SCHEMES: [&[u8]; 3] = [b"http://", b"https://", b"h2c://"];

/// The possible ends of a server's URL, after the address.
const ENDS: [&[u8]; 2] = [b"", b"/"];

/// The number of digits of a hash.
const DIGITS: usize = 16;

/// The length of the longest URL that is also accepted in plain text.
const LONGEST: usize = 128;

/// Passes the values for the server at an address to `add`, for every way in which its URL may be written.
pub(super) fn each_id(
    address: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let ends = |scheme| ENDS.map(|end| [scheme, address, end]);
    (SCHEMES.into_iter().flat_map(ends)).try_for_each(|url| each_of_url(&url, add))
}

fn each_of_url(
    url: &[&[u8]; 3],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let mut sha256 = Sha256::new();
    url.iter().for_each(|piece| sha256.update(piece));
    let start = <[u8; 32]>::from(sha256.finalize()).first_chunk().copied();
    add(&hex(start.unwrap_or_default()))?;

    let bytes = || url.iter().copied().flatten().copied();
    let fnv_1a = hex(fnv_1a(bytes()).to_be_bytes());
    let twice = hex(fnv_1(fnv_1a.into_iter()).to_be_bytes());
    add(without_zeros(&twice))?;
    add(without_zeros(&fnv_1a))?;

    let length = url
        .iter()
        .map(|piece| piece.len())
        .fold(0, usize::saturating_add);
    if length > LONGEST {
        return Ok(());
    }
    let mut text = ArrayVec::<u8, LONGEST>::new();
    url.iter().for_each(|piece| text.put(piece));
    add(&text)
}

/// The initial value and the multiplier of both hashes.
const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// Returns the 64-bit FNV-1 hash.
fn fnv_1(text: impl Iterator<Item = u8>) -> u64 {
    text.fold(BASIS, |hash, byte| {
        hash.wrapping_mul(PRIME) ^ u64::from(byte)
    })
}

/// Returns the 64-bit FNV-1a hash.
fn fnv_1a(text: impl Iterator<Item = u8>) -> u64 {
    text.fold(BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    })
}

fn hex(bytes: [u8; DIGITS / 2]) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    // The encoding cannot fail: the text is twice as long.
    let _ = base16ct::lower::encode(&bytes, &mut text);
    text
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let mut rest = digits;
    while let [b'0', after @ ..] = rest {
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn ids(address: &[u8]) -> Vec<String> {
        let mut ids = Vec::new();
        let mut add = |id: &[u8]| {
            ids.push(String::from_utf8(id.to_vec()).unwrap());
            Ok(())
        };
        each_id(address, &mut add).unwrap();
        ids
    }

    /// From draft-eastlake-fnv. Go's hash/fnv has the same vectors.
    #[test]
    fn published_hashes() {
        for (text, one, other) in [
            (&b""[..], BASIS, BASIS),
            (b"a", 0xaf63_bd4c_8601_b7be, 0xaf63_dc4c_8601_ec8c),
            (b"foobar", 0x340d_8765_a4dd_a9c2, 0x8594_4171_f739_67e8),
        ] {
            assert_eq!(fnv_1(text.iter().copied()), one);
            assert_eq!(fnv_1a(text.iter().copied()), other);
        }
    }

    /// Computed with Python for http://10.1.1.100:8080: hashlib.sha256(url).hexdigest()[:16], and FNV in a loop.
    #[test]
    fn values_of_a_server() {
        let ids = ids(b"10.1.1.100:8080");
        assert_eq!(
            ids[..4],
            [
                "abfb85b9e97cca07",
                "1778d62f8e466b11",
                "f7a304e6dea2c203",
                "http://10.1.1.100:8080"
            ]
        );
        assert_eq!(ids.len(), 24);
        for url in ["https://10.1.1.100:8080/", "h2c://10.1.1.100:8080"] {
            assert!(ids.iter().any(|id| id == url));
        }
    }

    #[test]
    fn hashes_have_no_leading_zeros() {
        assert_eq!(without_zeros(b"00a0"), b"a0");
        assert_eq!(without_zeros(b"0000"), b"0");
        assert_eq!(without_zeros(b"1000"), b"1000");
    }

    #[test]
    fn a_long_name_is_hashed_alone() {
        let all = ids(&[b'a'; LONGEST]);
        assert_eq!(all.len(), 18);
        assert!(all.iter().all(|id| id.len() <= DIGITS));
    }
}
