//! The attributes of a `Set-Cookie` field, as user agents read them (RFC 6265, section 5.2, and RFC 6265bis).

use super::date;
use crate::bytes::trim;
use crate::policy::SameSite;

/// The attributes of a field. If one occurs several times, the last one is used; malformed `Max-Age` and `Expires` are ignored.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Attributes<'a> {
    pub(super) domain: Option<&'a [u8]>,
    pub(super) path: Option<&'a [u8]>,
    /// The value, and whether it makes the cookie expire immediately.
    pub(super) max_age: Option<(&'a [u8], bool)>,
    /// The value, and the time in seconds since the epoch.
    pub(super) expires: Option<(&'a [u8], u64)>,
    pub(super) secure: bool,
    pub(super) same_site: Option<SameSite>,
    pub(super) partitioned: bool,
}

/// The maximum length of an attribute value that user agents accept.
const LONGEST: usize = 1024;

impl<'a> Attributes<'a> {
    /// Parses the part of a field that follows the value.
    pub(super) fn of(text: &'a [u8]) -> Self {
        let mut attributes = Attributes::default();
        for attribute in text.split(|byte| *byte == b';') {
            let mut halves = attribute.splitn(2, |byte| *byte == b'=').map(trim);
            let name = halves.next().unwrap_or_default();
            let value = halves.next().unwrap_or_default();
            if value.len() <= LONGEST {
                attributes.take(name, value);
            }
        }
        attributes
    }

    fn take(&mut self, name: &[u8], value: &'a [u8]) {
        let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
        if is(b"max-age") {
            let max_age = is_spent(value).map(|is_spent| (value, is_spent));
            self.max_age = max_age.or(self.max_age);
        } else if is(b"expires") {
            self.expires = date::read(value).map(|at| (value, at)).or(self.expires);
        } else if is(b"domain") {
            // An empty value means the host of the request, as does a missing attribute.
            self.domain = (!value.is_empty()).then_some(value);
        } else if is(b"path") {
            // Any other value means the directory of the request, as does a missing attribute.
            self.path = value.starts_with(b"/").then_some(value);
        } else if is(b"samesite") {
            self.same_site = SameSite::parse(value);
        } else if is(b"secure") {
            self.secure = true;
        } else if is(b"partitioned") {
            self.partitioned = true;
        }
    }

    /// Returns `true` if the attributes delete the cookie: by `Max-Age`, otherwise by `Expires` (RFC 6265, section 5.3, point 3).
    pub(super) fn are_over(&self, now: u64) -> bool {
        match (self.max_age, self.expires) {
            (Some((_, is_spent)), _) => is_spent,
            (None, Some((_, at))) => at <= now,
            (None, None) => false,
        }
    }
}

/// Returns whether a `Max-Age` makes a cookie expire immediately (RFC 6265, section 5.2.2), or `None` if it is not a number.
fn is_spent(value: &[u8]) -> Option<bool> {
    let (is_negative, digits) = match value {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    is_number.then(|| is_negative || digits.iter().all(|digit| *digit == b'0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Attributes<'_> {
        Attributes::of(text.as_bytes())
    }

    #[test]
    fn each_attribute_is_read_in_any_case() {
        let all = of(
            "; domain=.a.test; PATH = /p ;Max-Age=9; expires=1 Jan 1970 00:00:09; SECURE; samesite=LAX; partitioned; HttpOnly",
        );
        assert_eq!(all.domain, Some(&b".a.test"[..]));
        assert_eq!(all.path, Some(&b"/p"[..]));
        assert_eq!(all.max_age, Some((&b"9"[..], false)));
        assert_eq!(all.expires, Some((&b"1 Jan 1970 00:00:09"[..], 9)));
        assert_eq!(all.same_site, Some(SameSite::Lax));
        assert!(all.secure && all.partitioned);
    }

    #[test]
    fn the_last_one_counts_that_can_be_read() {
        let twice = of("; Path=/a; Path=/b; Max-Age=1; Max-Age=x; Expires=x; Domain=a; Domain=b");
        assert_eq!(twice.path, Some(&b"/b"[..]));
        assert_eq!(twice.max_age, Some((&b"1"[..], false)));
        assert_eq!(twice.expires, None);
        assert_eq!(twice.domain, Some(&b"b"[..]));
        let none = of("; Path=/a; Path=b; Domain=a; Domain=; SameSite=Lax; SameSite=x; Path");
        assert_eq!((none.path, none.domain, none.same_site), (None, None, None));
    }

    #[test]
    fn what_is_too_long_is_none() {
        for (length, is_read) in [(LONGEST, true), (LONGEST + 1, false)] {
            let path = alloc::format!("; Path=/{}", "a".repeat(length - 1));
            assert_eq!(of(&path).path.is_some(), is_read);
        }
    }
}
