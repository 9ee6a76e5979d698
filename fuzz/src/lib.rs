//! What the fuzz targets share: text that looks like header fields, and reading it back the slow way.

use session_cookie::bytes::Sink;

/// Words of the grammars, of which random bytes alone would make few.
const WORDS: [&[u8]; 20] = [
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
];

/// Cookies' names, as a configuration may give them: tokens.
pub const NAMES: [&[u8]; 6] = [b"route", b"s", b"a", b"__Host-s", b"~", b"|"];

/// Where words begin among the bytes.
const FIRST_WORD: u8 = 0xc0;

/// The byte after this one stands for itself.
const ESCAPE: u8 = 0xff;

/// Text from the fuzzer's bytes: some stand for a word, the others for themselves.
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

/// A text of any length.
#[derive(Default)]
pub struct Text(Vec<u8>);

impl Sink for Text {
    fn put(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }
}

/// Returns what `write` writes; it must need no more than `capacity`.
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

/// White space cut at both ends.
pub fn trimmed(text: &[u8]) -> &[u8] {
    let solid = |byte: &u8| *byte != b' ' && *byte != b'\t';
    match (text.iter().position(solid), text.iter().rposition(solid)) {
        (Some(first), Some(last)) => &text[first..=last],
        _ => b"",
    }
}

/// `NAME=VALUE` without the white space around both, or `None` without an equals sign.
pub fn parted(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    Some((trimmed(&pair[..equals]), trimmed(&pair[equals + 1..])))
}

/// A decimal number by the standard library's rules, less its plus sign.
pub fn number(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.starts_with('+') {
        return None;
    }
    digits.parse().ok()
}
