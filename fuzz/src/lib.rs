//! Shared by the fuzz targets: generating text that looks like header fields, and simple reference parsers.

use hmac::{Hmac, KeyInit, Mac};
use session_cookie::bytes::Sink;
use session_cookie::session::{Session, Stamps};
use sha2::Sha256;

#[cfg(feature = "libfuzzer")]
pub use libfuzzer_sys::fuzz_target;

/// Replaces libFuzzer's macro: the target becomes a function `run` that takes the fuzzer's bytes.
#[cfg(not(feature = "libfuzzer"))]
#[macro_export]
macro_rules! fuzz_target {
    (|$input:ident: &[u8]| $body:block) => {
        pub fn run($input: &[u8]) $body
    };
    (|$input:ident: $type:ty| $body:block) => {
        pub fn run(bytes: &[u8]) {
            let bytes = ::arbitrary::Unstructured::new(bytes);
            if let Ok($input) = <$type as ::arbitrary::Arbitrary>::arbitrary_take_rest(bytes) {
                $body
            }
        }
    };
}

/// Words of the grammars, which random bytes alone would rarely form.
const WORDS: [&[u8]; 26] = [
    b"; ",
    b";",
    b"=",
    b"|",
    b"~",
    b"\"",
    b" ",
    b"\t",
    b"route",
    b"s",
    b"a=b",
    b"route=",
    b"s=",
    b"d349ca31adc862f4d7e6faa19e516d6d",
    b"ID~",
    b"|1600000000|1600000000",
    b"18446744073709551615",
    b"; Path=/; HttpOnly",
    b"-1",
    b",",
    b"\n",
    b"the key of a fuzzer\n",
    b"# a comment of a fuzzer\n",
    b"|0123456789012345678901",
    b"; Max-Age=",
    b"; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
];

/// Names of cookies that are allowed in a configuration: tokens.
pub const NAMES: [&[u8]; 6] = [b"route", b"s", b"a", b"__Host-s", b"~", b"|"];

/// The first byte that represents a word.
const FIRST_WORD: u8 = 0xc0;

/// The byte after this one is taken literally.
const ESCAPE: u8 = 0xff;

/// Returns the text for the fuzzer's bytes: some represent a word, the others are taken literally.
pub fn text(seed: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(seed.len());
    let mut bytes = seed.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == ESCAPE {
            text.extend(bytes.next());
            continue;
        }
        let word = byte
            .checked_sub(FIRST_WORD)
            .and_then(|number| WORDS.get(usize::from(number)));
        match word {
            Some(word) => text.extend_from_slice(word),
            None => text.push(byte),
        }
    }
    text
}

/// A text of unlimited length.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl Sink for Text {
    fn put(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }
}

impl Text {
    /// Returns the written text.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Returns the text that `write` writes, which must not be longer than `capacity`.
pub fn written(capacity: usize, write: impl FnOnce(&mut Text)) -> Vec<u8> {
    let mut text = Text::default();
    write(&mut text);
    let length = text.0.len();
    assert!(
        length <= capacity,
        "{length} bytes written, {capacity} promised"
    );
    text.0
}

/// Returns a text without surrounding white space.
pub fn trimmed(text: &[u8]) -> &[u8] {
    let solid = |byte: &u8| *byte != b' ' && *byte != b'\t';
    match (text.iter().position(solid), text.iter().rposition(solid)) {
        (Some(first), Some(last)) => &text[first..=last],
        _ => b"",
    }
}

/// Splits `NAME=VALUE` and removes white space around both. Returns `None` without an equals sign.
pub fn parted(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((trimmed(&pair[..equals]), trimmed(&pair[equals + 1..])))
}

/// Parses a decimal number as the standard library does, but without a plus sign.
pub fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.starts_with('+') {
        return None;
    }
    digits.parse().ok()
}

/// Returns an HMAC-SHA-256 computed by the crate `hmac`.
pub fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mac = Hmac::<Sha256>::new_from_slice(key).expect("any key will do");
    mac.chain_update(text).finalize().into_bytes().to_vec()
}

/// Returns the signature of a text, made with one key for a cookie with this name.
pub fn signature(key: &[u8], name: &[u8], text: &[u8]) -> String {
    let derived = hmac(key, &[b"\0signature of cookie ", name].concat());
    base64url(&hmac(&derived, text)[..16])
}

/// Encodes bytes in base64url without padding (RFC 4648, section 5), bit by bit.
fn base64url(bytes: &[u8]) -> String {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = bytes
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let bits: Vec<_> = bits.collect();
    let number = |group: &[u8]| (0..6).fold(0, |all, at| all << 1 | group.get(at).unwrap_or(&0));
    bits.chunks(6)
        .map(|group| char::from(digits[usize::from(number(group))]))
        .collect()
}

/// Splits a value before its signatures: one of 22 bytes, or two separated by a dot.
pub fn signed(value: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let place = |length: usize| {
        let (text, rest) = value.split_at_checked(value.len().checked_sub(length)?)?;
        Some((text, rest.strip_prefix(b"|")?))
    };
    if let Some((text, one)) = place(23) {
        return Some((text, vec![one]));
    }
    let (text, two) = place(46)?;
    (two[22] == b'.').then(|| (text, vec![&two[..22], &two[23..]]))
}

/// Parses `ID` or `ID|LASTSEEN|FIRSTSEEN`.
pub fn session(text: &[u8]) -> Option<Session<'_>> {
    let parts: Vec<&[u8]> = text.split(|byte| *byte == b'|').collect();
    let session = match parts[..] {
        [id] => Some(Session { id, stamps: None }),
        [id, last, first] => number(last)
            .zip(number(first))
            .map(|(last_seen, first_seen)| Session {
                id,
                stamps: Some(Stamps {
                    last_seen,
                    first_seen,
                }),
            }),
        _ => None,
    };
    session.filter(|session| !session.id.is_empty())
}

/// Removes one pair of double quotes.
pub fn unquoted(value: &[u8]) -> &[u8] {
    let quoted = value.len() > 1 && value.starts_with(b"\"") && value.ends_with(b"\"");
    if quoted {
        &value[1..value.len() - 1]
    } else {
        value
    }
}
