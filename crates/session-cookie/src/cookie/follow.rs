//! Finds the application's cookie that the module's cookie follows (`follow=`) in the `Cookie` field.

use super::name::{split_value, Name};
use super::values;
use crate::bytes::{trim, trim_start, trimmed, unquote};
use crate::memory::OutOfMemory;

/// The application's cookie that the module's cookie follows: a request without it has no session.
///
/// ```
/// use session_cookie::cookie::{Copies, Follow};
///
/// let follow = Follow::new(b"wordpress_logged_in_*", Copies::ALL)?;
/// assert!(follow.is_in([&b"route=a; wordpress_logged_in_1=x"[..]].into_iter()));
/// assert!(!follow.is_in([&b"route=a"[..]].into_iter()));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Follow {
    /// The name, or its prefix.
    name: Name,
    is_beginning: bool,
    /// The attributes that the module's cookie copies.
    pub copies: Copies,
}

/// The attributes that the module's cookie copies from the application's cookie, because the configuration does not set them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copies {
    /// Whether `Max-Age` and `Expires` are copied.
    pub lifetime: bool,
    /// Whether `Domain` is copied.
    pub domain: bool,
    /// Whether `Path` is copied.
    pub path: bool,
    /// Whether `Secure` is copied.
    pub secure: bool,
    /// Whether `SameSite` is copied.
    pub same_site: bool,
    /// Whether `Partitioned` is copied.
    pub partitioned: bool,
}

impl Copies {
    /// All attributes.
    pub const ALL: Self = Copies {
        lifetime: true,
        domain: true,
        path: true,
        secure: true,
        same_site: true,
        partitioned: true,
    };
}

impl Follow {
    /// Prepares a name, which must be a token. A name that ends in `*` matches all names with this prefix.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn new(name: &[u8], copies: Copies) -> Result<Self, OutOfMemory> {
        let beginning = name.strip_suffix(b"*");
        Ok(Follow {
            name: Name::new(beginning.unwrap_or(name))?,
            is_beginning: beginning.is_some(),
            copies,
        })
    }

    /// Returns whether a cookie of this name is followed.
    pub fn matches(&self, name: &[u8]) -> bool {
        if self.is_beginning {
            name.starts_with(&self.name)
        } else {
            *name == *self.name
        }
    }

    /// Returns the first value of the module's cookie in the fields of a request, or `Some(None)` if the request has no
    /// such cookie. Returns `None` if the request has no cookie of the application.
    #[inline(always)]
    pub fn own_value<'a>(
        &self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        own: &Name,
    ) -> Option<Option<&'a [u8]>> {
        #[allow(clippy::disallowed_methods)] // cloning this iterator allocates nothing
        let first = fields.clone().next()?;
        if let Some(value) = self.usual_value(first, own) {
            return Some(Some(value));
        }
        // Destructured, so that the result can be returned in registers.
        match self.own_value_otherwise(fields, own)? {
            Some(value) => Some(Some(value)),
            None => Some(None),
        }
    }

    /// Returns the first value of the module's cookie in a field if both cookies are in the usual form. `None` does not
    /// mean that a cookie is missing.
    #[inline(always)]
    fn usual_value<'h>(&self, field: &'h [u8], own: &Name) -> Option<&'h [u8]> {
        // If the name is a prefix, a cookie with exactly this name matches as well.
        let theirs = self.name.find_usual(field)?;
        let first = *theirs.get(self.name.len().wrapping_add(1))?;
        if first <= b'"' || first == b';' {
            return None;
        }
        let ours = own.find_usual(field)?;
        let (value, _) = split_value(ours.get(own.len().wrapping_add(1)..)?)?;
        Some(trimmed(value))
    }

    #[cold]
    #[inline(never)]
    fn own_value_otherwise<'a>(
        &self,
        mut fields: impl Iterator<Item = &'a [u8]> + Clone,
        own: &Name,
    ) -> Option<Option<&'a [u8]>> {
        #[allow(clippy::disallowed_methods)] // cloning this iterator allocates nothing
        let is_in = self.is_in(fields.clone());
        is_in.then(|| fields.find_map(|field| values(field, own).next()))
    }

    /// Returns whether the fields of a request contain the cookie. A cookie with an empty value counts as deleted.
    pub fn is_in<'a>(&self, mut fields: impl Iterator<Item = &'a [u8]>) -> bool {
        fields.any(|field| {
            // If the name does not occur, the pairs need not be examined.
            let may_be_in = self.is_beginning || self.name.find(field, field).is_some();
            may_be_in && self.cookies_in(field).next().is_some()
        })
    }

    /// Returns the names of the followed cookies in a field that have a value.
    pub(crate) fn cookies_in<'h>(&self, field: &'h [u8]) -> CookiesIn<'h, '_> {
        CookiesIn {
            follow: self,
            rest: field,
        }
    }
}

/// See [`Follow::cookies_in`].
pub(crate) struct CookiesIn<'h, 'f> {
    follow: &'f Follow,
    rest: &'h [u8],
}

impl<'h> Iterator for CookiesIn<'h, '_> {
    type Item = &'h [u8];

    fn next(&mut self) -> Option<&'h [u8]> {
        while !self.rest.is_empty() {
            let (pair, rest) = split_value(self.rest)?;
            self.rest = rest.get(1..).unwrap_or_default();
            if self.follow.name.strip(trim_start(pair)).is_none() {
                continue;
            }
            let Some((name, value)) = halves(pair) else {
                continue;
            };
            if self.follow.matches(name) && !unquote(value).is_empty() {
                return Some(name);
            }
        }
        None
    }
}

/// Splits a pair at its first equals sign, and removes white space.
pub(crate) fn halves(pair: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut halves = pair.splitn(2, |byte| *byte == b'=');
    Some((trim(halves.next()?), trim(halves.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn is_in(name: &str, fields: &[&str]) -> bool {
        let follow = Follow::new(name.as_bytes(), Copies::ALL).unwrap();
        follow.is_in(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn the_name_is_exact() {
        for field in [
            "s=1",
            "route=a; s=1",
            "a=b;s=1;c=d",
            " s = 1",
            "s=; s=1",
            "s=\"1\"",
        ] {
            assert!(is_in("s", &[field]), "{field}");
        }
        for field in [
            "", "ss=1", "S=1", "as=1", "a=s=1", "s", "s; a=b", "a=b; x=s",
        ] {
            assert!(!is_in("s", &[field]), "{field}");
        }
        assert!(is_in("__Host-SID", &["route=a", "__Host-SID=1"]));
        assert!(!is_in("__Host-SID", &["SID=1; __Host-SI=1"]));
    }

    #[test]
    fn a_cookie_without_a_value_is_none() {
        for name in ["sid", "s*"] {
            for field in ["sid=", "sid=; a=b", "sid=\"\"", "sid= ;a=b", "a=b; sid=\t"] {
                assert!(!is_in(name, &[field]), "{name} {field}");
            }
            let long = "other=0123456789012345678901234567890123456789; sid=; a=b";
            assert!(!is_in(name, &[long]));
            assert!(is_in(name, &[long, "sid=1"]));
        }
    }

    #[test]
    fn the_first_of_ours_counts_where_theirs_is_there() {
        let follow = Follow::new(b"sid", Copies::ALL).unwrap();
        let own = Name::new(b"route").unwrap();
        let value = |fields: &[&'static str]| {
            let fields: Vec<_> = fields.iter().map(|field| field.as_bytes()).collect();
            follow.own_value(fields.into_iter(), &own)
        };
        let long = "theme=0123456789012345678901234567890123456789";
        for (field, expected) in [
            ("sid=1; route=2; route=3", &b"2"[..]),
            ("route=2; route=3; sid=1", b"2"),
            ("route = 2; route=3; sid=1", b"2"),
            ("aroute=1; route=; sid=1; route=3", b""),
        ] {
            assert_eq!(value(&[field]), Some(Some(expected)), "{field}");
            for both in [[long, field].join("; "), [field, long].join("; ")] {
                let both: &'static str = both.leak();
                assert_eq!(value(&[both]), Some(Some(expected)), "{both}");
            }
            assert_eq!(value(&[long, field]), Some(Some(expected)), "{field}");
        }
        let elsewhere = "theme=0123456789012345678901234567890123456789; sid=1";
        assert_eq!(value(&[elsewhere]), Some(None));
        assert_eq!(value(&[elsewhere, "route=1"]), Some(Some(&b"1"[..])));
        for deleted in ["sid=", "sid=; a=b", "sid=\"\"", "sid= ; a=b", "sid"] {
            let field: &'static str = ["route=1", long, deleted].join("; ").leak();
            assert_eq!(value(&[field]), None, "{field}");
        }
        assert_eq!(value(&[]), None);
    }

    #[test]
    fn a_name_may_be_told_by_its_beginning() {
        for field in ["word_1=x", "a=b; word_=x", "a=b;\tword_2 = x"] {
            assert!(is_in("word_*", &[field]), "{field}");
        }
        for field in ["word=x", "aword_1=x", "a=word_1=x", "word_1", "Word_1=x"] {
            assert!(!is_in("word_*", &[field]), "{field}");
        }
    }

    /// Reference implementation, which examines byte after byte.
    fn naive(name: &str, field: &str) -> bool {
        let white = |letter| letter == ' ' || letter == '\t';
        field.split(';').any(|pair| {
            let Some((other, value)) = pair.split_once('=') else {
                return false;
            };
            let (other, value) = (other.trim_matches(white), value.trim_matches(white));
            let is_named = match name.strip_suffix('*') {
                Some(start) => other.starts_with(start),
                None => other == name,
            };
            is_named && !value.is_empty() && value != "\"\""
        })
    }

    proptest! {
        #[test]
        fn it_is_found_wherever_it_stands(
            fields in proptest::collection::vec("[ab=;* \t\"]{0,50}|[ab]{1,40}; ?(ab|a)=[b\"]{0,3}", 0..4),
        ) {
            let fields: Vec<_> = fields.iter().map(alloc::string::String::as_str).collect();
            for name in ["a", "ab", "aba", "a*", "ab*", "a**"] {
                let expected = fields.iter().any(|field| naive(name, field));
                prop_assert_eq!(is_in(name, &fields), expected, "{}", name);
            }
        }

        #[test]
        fn our_first_value_is_found_where_theirs_is_there(
            fields in proptest::collection::vec("(y|[xy]{2,9})=[xy\"]{0,3}(; ([xy]{1,9}=[xy\"; ]{0,40}|xy=x|yx=y)){0,6}", 0..3),
        ) {
            let fields = || fields.iter().map(|field| field.as_bytes());
            for name in ["x", "xy", "xxyyxxyy", "x*", "xy*"] {
                let follow = Follow::new(name.as_bytes(), Copies::ALL).unwrap();
                for own in ["y", "yx", "yxy", "xyxyxyxy"] {
                    let own = Name::new(own.as_bytes()).unwrap();
                    let first = fields().find_map(|field| values(field, &own).next());
                    let expected = follow.is_in(fields()).then_some(first);
                    prop_assert_eq!(follow.own_value(fields(), &own), expected, "{}", name);
                }
            }
        }
    }
}
