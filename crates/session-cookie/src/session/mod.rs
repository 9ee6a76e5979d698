//! The value of a cookie: the ID of a server and, if sessions are limited, two timestamps.
//!
//! ```text
//! d349ca31adc862f4d7e6faa19e516d6d                              no limits
//! d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556447041        id|last seen|first seen
//! d349ca31adc862f4d7e6faa19e516d6d~value of the application     prefix mode
//! d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556447041|MDEyMzQ1Njc4OWFiY2RlZg    signed
//! ```
//!
//! ```
//! use session_cookie::bytes::Buffer;
//! use session_cookie::policy::Mode;
//! use session_cookie::session::{decode, encode, encoded_len, Session, Stamps};
//!
//! let stamps = Stamps { last_seen: 1_556_447_041, first_seen: 1_556_440_041 };
//! let session = Session { id: b"a", stamps: Some(stamps) };
//!
//! let mut value = Buffer::with_capacity(encoded_len(&session))?;
//! encode(&session, &mut value);
//! assert_eq!(value.as_bytes(), b"a|1556447041|1556440041");
//! assert_eq!(decode(value.as_bytes(), Mode::Insert), Ok(session));
//! # Ok::<(), session_cookie::memory::OutOfMemory>(())
//! ```

pub mod haproxy;
pub mod signed;
mod stamps;

use arrayvec::ArrayVec;

use crate::bytes::{
    contains, decimal, find, leading_decimal, to_ten_digits, unquote, Sink, DECIMAL,
};
use crate::id::{split_prefix, MD5_HEX, PREFIX_END};
use crate::keys::Signed;
use crate::policy::Mode;

pub(crate) use stamps::STAMPS;
pub use stamps::{Stamps, STAMP};

/// The session stored in the value of a cookie.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Session<'a> {
    /// The ID of the server.
    pub id: &'a [u8],
    /// The timestamps; absent if the cookie was set under a configuration without limits.
    pub stamps: Option<Stamps>,
}

/// Returns `true` if a byte is allowed in an ID, that is, if it does not delimit the ID in a value.
pub fn may_stand_in_id(byte: u8) -> bool {
    byte != STAMP && byte != PREFIX_END
}

/// The reason why a value cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undecodable {
    /// In prefix mode, the value has no ID prefix yet: it is the application's own.
    Unmarked,
    /// The ID is empty or the timestamps are malformed.
    Malformed,
}

/// Decodes the value of a cookie.
///
/// Timestamps are decoded whether or not the policy has limits, so sessions survive a change of the limits.
///
/// # Errors
///
/// Returns [`Undecodable`] if the value does not contain a session.
pub fn decode(value: &[u8], mode: Mode) -> Result<Session<'_>, Undecodable> {
    match mode {
        Mode::Prefix => {
            let (id, _) = split_prefix(value).ok_or(Undecodable::Unmarked)?;
            not_empty(Session { id, stamps: None })
        }
        Mode::Insert | Mode::Repeat | Mode::Rewrite | Mode::Route | Mode::Learn => {
            let value = unquote(value);
            decode_text(value).or_else(|why| without_signature(value).ok_or(why))
        }
    }
}

/// Decodes an unquoted value without a signature.
pub(crate) fn decode_text(text: &[u8]) -> Result<Session<'_>, Undecodable> {
    not_empty(stamped(text).ok_or(Undecodable::Malformed)?)
}

/// Decodes a signed value, ignoring the signature. Used if the policy no longer signs values.
fn without_signature(value: &[u8]) -> Option<Session<'_>> {
    let signed = Signed::parse(value).filter(Signed::is_well_formed)?;
    let session = decode_text(signed.text).ok();
    session.filter(|session| session.stamps.is_some())
}

fn not_empty(session: Session) -> Result<Session, Undecodable> {
    if session.id.is_empty() {
        return Err(Undecodable::Malformed);
    }
    Ok(session)
}

/// Decodes a value of the most common form other than a bare ID. Returns `None` for any other form; such a value may still be
/// decoded by [`decode`].
#[inline(always)]
pub fn decode_usual(value: &[u8], mode: Mode) -> Option<Session<'_>> {
    let session = match mode {
        Mode::Prefix => {
            let (id, _) = split_prefix(value)?;
            Session { id, stamps: None }
        }
        Mode::Insert | Mode::Repeat | Mode::Rewrite | Mode::Route | Mode::Learn => {
            let (id, stamps) = as_written(value)?;
            Session {
                id,
                stamps: Some(stamps),
            }
        }
    };
    (!session.id.is_empty()).then_some(session)
}

/// Splits a value whose timestamps have ten digits each, as [`encode`] writes them from 2001 to 2286.
#[inline(always)]
pub(crate) fn as_written(value: &[u8]) -> Option<(&[u8], Stamps)> {
    let (id, text) = value.split_last_chunk()?;
    let stamps = stamps::read(text)?;
    (!contains(STAMP, id)).then_some((id, stamps))
}

fn stamped(value: &[u8]) -> Option<Session<'_>> {
    let Some(end) = find(STAMP, value) else {
        return Some(Session {
            id: value,
            stamps: None,
        });
    };
    let (id, stamps) = value.split_at_checked(end)?;
    let (last_seen, rest) = leading_decimal(stamps.strip_prefix(&[STAMP])?)?;
    let first_seen = decimal(rest.strip_prefix(&[STAMP])?)?;
    let stamps = Stamps {
        last_seen,
        first_seen,
    };
    Some(Session {
        id,
        stamps: Some(stamps),
    })
}

/// The length of nearly every value with timestamps.
pub(crate) const STAMPED: usize = MD5_HEX + STAMPS;

/// Returns the text of timestamps that have ten digits each, or `None` for others.
#[inline(always)]
pub(crate) fn stamps_text(stamps: Stamps) -> Option<[u8; STAMPS]> {
    let mut text = [STAMP; STAMPS];
    let (last_seen, first_seen) = text.split_at_mut(STAMPS / 2);
    *last_seen.last_chunk_mut()? = to_ten_digits(stamps.last_seen)?;
    *first_seen.last_chunk_mut()? = to_ten_digits(stamps.first_seen)?;
    Some(text)
}

/// Returns the maximum number of bytes that [`encode`] writes.
#[inline]
pub fn encoded_len(session: &Session) -> usize {
    let stamps = match session.stamps {
        Some(_) => ANY_STAMPS,
        None => 0,
    };
    session.id.len().saturating_add(stamps)
}

/// Writes the value of a cookie in insert mode.
#[inline(always)]
pub fn encode(session: &Session, out: &mut impl Sink) {
    // Most IDs have this length, for which the compiler copies both halves without a call.
    match <&[u8; MD5_HEX]>::try_from(session.id) {
        Ok(id) => {
            let (start, end) = id.split_at(MD5_HEX / 2);
            out.put(start);
            out.put(end);
        }
        Err(_) => out.put(session.id),
    }
    if let Some(stamps) = session.stamps {
        match stamps_text(stamps) {
            Some(text) => out.put(&text),
            None => out.put(&any_stamps_text(stamps)),
        }
    }
}

/// Returns the text of any timestamps. A separate, cold function: inlined, it would force the sink into memory on the usual path.
#[cold]
#[inline(never)]
pub(crate) fn any_stamps_text(stamps: Stamps) -> ArrayVec<u8, ANY_STAMPS> {
    let mut text = ArrayVec::new();
    for stamp in [stamps.last_seen, stamps.first_seen] {
        text.put(&[STAMP]);
        text.put_decimal(stamp);
    }
    text
}

/// The maximum length of two timestamps, each preceded by its separator.
pub(crate) const ANY_STAMPS: usize = 2 * (1 + DECIMAL);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Buffer;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const ID: &[u8] = b"d349ca31adc862f4d7e6faa19e516d6d";

    #[test]
    fn a_published_value() {
        let value = b"d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556447041";
        let stamps = Some(Stamps {
            last_seen: 1_556_447_041,
            first_seen: 1_556_447_041,
        });
        assert_eq!(decode(value, Mode::Insert), Ok(Session { id: ID, stamps }));
    }

    #[test]
    fn stamps_of_any_length_are_written() {
        for (last_seen, first_seen) in [
            (9_999_999_999, 1_000_000_000),
            (10_000_000_000, 1_556_447_041),
            (1_556_447_041, 999_999_999),
            (u64::MAX, 0),
        ] {
            let session = Session {
                id: b"x",
                stamps: Some(Stamps {
                    last_seen,
                    first_seen,
                }),
            };
            let mut value = Buffer::with_capacity(encoded_len(&session)).unwrap();
            encode(&session, &mut value);
            let value = value.as_bytes();
            let expected = alloc::format!("x|{last_seen}|{first_seen}");
            assert_eq!(value, expected.as_bytes());
            assert_eq!(decode(value, Mode::Insert), Ok(session));
        }
    }

    #[test]
    fn quotes_are_optional() {
        assert_eq!(
            decode(b"\"x\"", Mode::Insert),
            Ok(Session {
                id: b"x",
                stamps: None
            })
        );
        assert_eq!(
            decode(b"\"x~v\"", Mode::Prefix),
            Ok(Session {
                id: b"x",
                stamps: None
            })
        );
    }

    #[test]
    fn malformed() {
        for value in [
            "",
            "\"\"",
            "|1|1",
            "x|",
            "x|1",
            "x|1|",
            "x|1|-1",
            "x|1|1|1",
            "x|1|99999999999999999999",
            "|1556447041|1556447041",
            "x|1|1556447041|1556447041",
            "x|155644704x|1556447041",
            "x|1556447041:1556447041",
            "x|1|1|01234567890123456789-",
            "x|1|1|01234567890123456789-+",
            "x|1|1|0|23456789012345678901",
            "x|1|1|0123456789012345678901,0123456789012345678901",
            "x|1|1|0123456789012345678901.012345678901234567890.",
            "x|0123456789012345678901",
            "|1|1|0123456789012345678901",
        ] {
            assert_eq!(
                decode(value.as_bytes(), Mode::Insert),
                Err(Undecodable::Malformed),
                "{value}"
            );
        }
        assert_eq!(decode(b"~v", Mode::Prefix), Err(Undecodable::Malformed));
    }

    #[test]
    fn a_signature_counts_for_nothing_where_none_is_looked_for() {
        let session = Session {
            id: b"x",
            stamps: Some(Stamps {
                last_seen: 2,
                first_seen: 1,
            }),
        };
        for value in [
            &b"x|2|1|0123456789abcdefXYZ_-0"[..],
            b"x|2|1|0123456789abcdefXYZ_-0.0123456789012345678901",
            b"\"x|2|1|0123456789abcdefXYZ_-0\"",
        ] {
            assert_eq!(decode(value, Mode::Insert), Ok(session));
        }
    }

    #[test]
    fn a_value_without_a_prefix_is_the_applications_own() {
        assert_eq!(decode(b"abc", Mode::Prefix), Err(Undecodable::Unmarked));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_or_refused(value: Vec<u8>) {
            for mode in [Mode::Insert, Mode::Rewrite, Mode::Prefix] {
                let _ = decode(&value, mode);
                if let Some(session) = decode_usual(&value, mode) {
                    prop_assert_eq!(decode(&value, mode), Ok(session));
                }
            }
        }

        #[test]
        fn what_is_encoded_is_decoded(id in "[!#-{}]{1,40}", stamps: Option<(u64, u64)>) {
            prop_assert!(id.bytes().all(may_stand_in_id));
            let stamps = stamps.map(|(last_seen, first_seen)| Stamps { last_seen, first_seen });
            let session = Session { id: id.as_bytes(), stamps };
            let mut value = Buffer::with_capacity(encoded_len(&session)).unwrap();
            encode(&session, &mut value);
            prop_assert_eq!(decode(value.as_bytes(), Mode::Insert), Ok(session));
        }

        #[test]
        fn what_is_decoded_at_once_is_what_is_decoded(
            id in "[|\"a]{0,3}|[a-f]{32}",
            mut stamps in "\\|[0-9]{10}\\|[0-9]{10}",
            at in 0..STAMPS,
            other: u8,
        ) {
            stamps.insert_str(0, &id);
            let mut value = stamps.into_bytes();
            let is_id = !id.is_empty() && !id.contains('|');
            prop_assert_eq!(decode_usual(&value, Mode::Insert).is_some(), is_id);
            prop_assert_eq!(decode_usual(&value, Mode::Prefix), None);
            prop_assert_eq!(decode_usual(&value, Mode::Insert), decode(&value, Mode::Insert).ok());
            value[id.len() + at] = other;
            if let Some(session) = decode_usual(&value, Mode::Insert) {
                prop_assert_eq!(decode(&value, Mode::Insert), Ok(session));
            }
        }
    }
}
