//! Parsing of key files: one key per line, newest first. Empty lines and lines that begin with `#` are ignored.

use subtle::ConstantTimeEq;

use super::hmac::{wipe_stack, Key};
use super::{Keys, WRITING};
use crate::memory::{self, OutOfMemory};

/// The minimum length of a key, in bytes.
pub const LEAST_KEY: usize = 16;

/// The maximum number of keys in a file. Verifying a forged cookie computes a signature with each of them.
pub const MOST_KEYS: usize = 8;

/// The result of reading a key file.
#[derive(Debug)]
pub struct Read {
    /// The keys.
    pub keys: Keys,
    /// The number of the first line, if any, whose key repeats that of an earlier line; such lines are ignored.
    pub repeated: Option<usize>,
}

/// The reason why a key file cannot be used. It does not reveal the keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    /// An invalid line: its number, counted from 1, and what is wrong with it.
    #[error("line {0}: {1}")]
    Line(usize, Fault),
    /// The file contains no keys.
    #[error("it has no key")]
    Empty,
    /// Memory allocation failed.
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// The key is too short.
    #[error("a key must have at least {LEAST_KEY} bytes")]
    Short,
    /// The line contains control characters, or is a PEM boundary line of a certificate or private key.
    #[error("this is not a key, but part of another kind of file")]
    Foreign,
    /// The key is followed by a comment, or by what looks like one.
    #[error("a comment must be on its own line")]
    Comment,
    /// There are too many keys.
    #[error("there must be no more than {MOST_KEYS} keys")]
    Many,
}

impl Keys {
    /// Parses the text of a key file. White space around a key is ignored.
    ///
    /// # Errors
    ///
    /// Returns an error if the text contains no keys or an invalid line, or if memory allocation fails.
    ///
    /// ```
    /// use session_cookie::keys::{Fault, Keys, Unusable};
    ///
    /// let read = Keys::read(b"# since May\nqIVs0Vb0e8kq3lV2\n\n# before\n7uUwGUEx4cRT4bYH\n")?;
    /// assert_eq!(read.keys.len(), 2);
    /// assert_eq!(Keys::read(b"secret\n").unwrap_err(), Unusable::Line(1, Fault::Short));
    /// # Ok::<(), Unusable>(())
    /// ```
    pub fn read(text: &[u8]) -> Result<Read, Unusable> {
        let read = Keys::read_lines(text);
        wipe_stack();
        read
    }

    #[inline(never)]
    fn read_lines(text: &[u8]) -> Result<Read, Unusable> {
        // Has its full capacity from the start: a growing vector would leave copies of the keys in freed memory.
        let mut keys = Keys(memory::with_capacity(MOST_KEYS)?);
        let mut repeated = None;
        // Some editors write a UTF-8 byte order mark, with which a comment in the first line would be taken for a key.
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let lines = (1usize..).zip(lines);
        for (number, key) in lines.filter(|(_, line)| !matches!(line, [] | [b'#', ..])) {
            if key
                .windows(2)
                .any(|pair| matches!(pair, [b' ' | b'\t', b'#']))
            {
                return Err(Unusable::Line(number, Fault::Comment));
            }
            if is_foreign(key) {
                return Err(Unusable::Line(number, Fault::Foreign));
            }
            if key.len() < LEAST_KEY {
                return Err(Unusable::Line(number, Fault::Short));
            }
            let Some(key) = Key::new(key) else {
                continue;
            };
            if keys.has(&key) {
                repeated = repeated.or(Some(number));
            } else if keys.len() == MOST_KEYS {
                return Err(Unusable::Line(number, Fault::Many));
            } else {
                memory::push(&mut keys.0, key)?;
            }
        }
        if keys.is_empty() {
            return Err(Unusable::Empty);
        }
        Ok(Read { keys, repeated })
    }

    /// Returns `true` if these keys include `key`.
    fn has(&self, key: &Key) -> bool {
        let mac = key.mac(&[]);
        let is_same = |other: &Key| other.mac(&[]).ct_eq(&mac).into();
        self.0.iter().any(is_same)
    }

    /// Returns `true` if a proxy with these keys accepts the cookies written by a proxy with the `other` keys.
    pub fn understand(&self, other: &Keys) -> bool {
        let mut writing = other.0.iter().take(WRITING);
        writing.any(|key| self.has(key))
    }
}

/// Returns `true` if a line belongs to a file of another type, whose lines may be public knowledge: a line with control
/// characters, as in UTF-16 and binary files, or the first or last line of a PEM block (RFC 7468).
fn is_foreign(line: &[u8]) -> bool {
    line.starts_with(b"-----") || line.iter().any(u8::is_ascii_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<(usize, Option<usize>), Unusable> {
        Keys::read(text.as_bytes()).map(|read| (read.keys.len(), read.repeated))
    }

    #[test]
    fn a_key_a_line() {
        assert_eq!(read("0123456789abcdef"), Ok((1, None)));
        let text = "# new\r\n  0123456789abcdef \r\n\n\t# old\nfedcba9876543210\n";
        assert_eq!(read(text), Ok((2, None)));
        assert_eq!(read("0123456789abcdef#"), Ok((1, None)));
    }

    #[test]
    fn white_space_belongs_to_no_key() {
        let id = |text: &[u8]| Keys::read(text).unwrap().keys.id(0, b"a").to_vec();
        assert_eq!(id(b" 0123456789 abcdef\t\r\n"), id(b"0123456789 abcdef"));
    }

    #[test]
    fn what_is_no_key_file() {
        for empty in ["", "\n", "# 0123456789abcdef", " \r\n"] {
            assert_eq!(read(empty), Err(Unusable::Empty));
        }
        let short = "0123456789abcdef\n0123456789abcde\n";
        assert_eq!(read(short), Err(Unusable::Line(2, Fault::Short)));
        let many: String = (0..=MOST_KEYS)
            .map(|n| alloc::format!("#\nkey number {n:09}\n"))
            .collect();
        let last = 2 * (MOST_KEYS + 1);
        assert_eq!(read(&many), Err(Unusable::Line(last, Fault::Many)));
    }

    #[test]
    fn files_of_other_kinds_have_no_keys() {
        let pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIIGlVmYQaXRfWdCvlxFNYyQb\n";
        let utf_16 = "\0#\0 \0n\0e\0w\0 \0k\0e\0y\0\n";
        for (text, line) in [
            (pem, 1),
            ("0123456789abcdef\n0123456789\x1babcdef", 2),
            (utf_16, 1),
        ] {
            assert_eq!(read(text), Err(Unusable::Line(line, Fault::Foreign)));
        }
    }

    #[test]
    fn a_comment_is_no_part_of_a_key() {
        for text in ["0123456789abcdef # since May", "0123456789abcdef\t#"] {
            assert_eq!(read(text), Err(Unusable::Line(1, Fault::Comment)));
        }
    }

    #[test]
    fn the_mark_of_an_editor_belongs_to_no_line() {
        let text = "\u{feff}# the first of them\n0123456789abcdef\n";
        assert_eq!(read(text), Ok((1, None)));
        let id = |text: &str| {
            Keys::read(text.as_bytes())
                .unwrap()
                .keys
                .id(0, b"a")
                .to_vec()
        };
        assert_eq!(id("\u{feff}0123456789abcdef"), id("0123456789abcdef"));
    }

    #[test]
    fn a_key_that_is_repeated_counts_once() {
        let text = "0123456789abcdef\nfedcba9876543210\n0123456789abcdef\n";
        assert_eq!(read(text), Ok((2, Some(3))));
    }

    #[test]
    fn keys_understand_what_is_written_with_one_of_them() {
        let [a, b, c] = [
            "the first of three",
            "the second of three",
            "the third of three",
        ];
        let keys = |lines: &[&str]| Keys::read(lines.join("\n").as_bytes()).unwrap().keys;
        let understand = |own: &[&str], other: &[&str]| keys(own).understand(&keys(other));
        assert!(understand(&[a], &[a]));
        assert!(understand(&[b], &[a, b]));
        assert!(understand(&[a, b, c], &[c]));
        assert!(!understand(&[c], &[a, b, c]));
        assert!(!understand(&[a, b], &[c]));
        assert!(!Keys::default().understand(&keys(&[a])));
        assert!(!keys(&[a]).understand(&Keys::default()));
    }

    proptest! {
        #[test]
        fn no_error_shows_a_key(key in "[a-z]{12,15}") {
            let unusable = Keys::read(key.as_bytes()).unwrap_err();
            let told = alloc::format!("{unusable} {unusable:?}");
            prop_assert!(!told.contains(&key));
        }

        #[test]
        fn any_text_is_read_or_refused(text: alloc::vec::Vec<u8>) {
            if let Ok(read) = Keys::read(&text) {
                prop_assert!((1..=MOST_KEYS).contains(&read.keys.len()));
            }
        }
    }
}
