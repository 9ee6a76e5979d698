//! Cookie values written by HAProxy.

use super::{Session, Stamps, STAMP};
use crate::bytes::unquote;

/// Decodes a value with dates: `id|last seen` or `id|last seen|first seen`.
pub fn decode(value: &[u8]) -> Option<Session<'_>> {
    let mut parts = unquote(value).split(|byte| *byte == STAMP);
    let id = parts.next().filter(|id| !id.is_empty())?;
    let last_seen = haproxy_date(parts.next()?)?;
    let first_seen = match parts.next() {
        Some(date) => haproxy_date(date)?,
        None => last_seen,
    };
    let stamps = Stamps {
        last_seen,
        first_seen,
    };
    parts.next().is_none().then_some(Session {
        id,
        stamps: Some(stamps),
    })
}

/// Decodes a date, five base64 digits (RFC 4648, section 4) that count in units of four seconds. Returns seconds since the epoch.
fn haproxy_date(digits: &[u8]) -> Option<u64> {
    let digits: &[u8; 5] = digits.try_into().ok()?;
    let mut date = 0u64;
    for digit in digits {
        let (first, value) = match digit {
            b'A'..=b'Z' => (b'A', 0),
            b'a'..=b'z' => (b'a', 26),
            b'0'..=b'9' => (b'0', 52),
            b'+' => (b'+', 62),
            b'/' => (b'/', 63),
            _ => return None,
        };
        date = date << 6 | u64::from(digit.wrapping_sub(first).wrapping_add(value));
    }
    Some(date << 2)
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_haproxy_have_dates() {
        let decoded = |value: &'static str| {
            decode(value.as_bytes()).map(|session| {
                let stamps = session.stamps.unwrap();
                (session.id, stamps.last_seen, stamps.first_seen)
            })
        };
        assert_eq!(
            decoded("a|X14QA|X14P/"),
            Some((&b"a"[..], 1_600_000_000, 1_599_999_996))
        );
        assert_eq!(decoded("a|AAAAB"), Some((&b"a"[..], 4, 4)));
        assert_eq!(
            decoded("a|/////|+++++"),
            Some((&b"a"[..], 4_294_967_292, 4_226_793_208))
        );
        for bad in [
            "a",
            "a|",
            "|X14QA",
            "a|X14Q",
            "a|X14QA|",
            "a|X14QA|X14P-",
            "a|X14QA|X14P/|X14P/",
        ] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
