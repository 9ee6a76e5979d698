//! The cookie of an application whose session ours follows, in the `Cookie` field.

use super::name::{split_value, Found, Name};
use crate::bytes::{trim, trim_start, unquote};
use crate::memory::OutOfMemory;

/// The cookie of an application whose session ours follows: where it is not there, there is no session.
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
    /// The name, or its beginning.
    name: Name,
    is_beginning: bool,
    /// The attributes that ours takes from it.
    pub copies: Copies,
}

/// The attributes that our cookie takes from that of the application, as the configuration gives no others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Copies {
    /// Whether `Max-Age` and `Expires` are among them.
    pub lifetime: bool,
    /// Whether `Domain` is.
    pub domain: bool,
    /// Whether `Path` is.
    pub path: bool,
    /// Whether `Secure` is.
    pub secure: bool,
    /// Whether `SameSite` is.
    pub same_site: bool,
    /// Whether `Partitioned` is.
    pub partitioned: bool,
}

impl Copies {
    /// All of them.
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
    /// Makes a name ready, which is a token; one that ends in `*` means all names that begin so.
    ///
    /// # Errors
    ///
    /// Memory is short.
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

    /// Returns whether the cookie is in the fields of a request. Without a value it is as good as deleted.
    #[inline(always)]
    pub fn is_in<'a>(&self, mut fields: impl Iterator<Item = &'a [u8]>) -> bool {
        // Nearly every request has one field.
        fields.next().is_some_and(|first| self.is_in_field(first)) || self.is_in_others(fields)
    }

    #[cold]
    #[inline(never)]
    fn is_in_others<'a>(&self, mut fields: impl Iterator<Item = &'a [u8]>) -> bool {
        fields.any(|field| self.is_in_field(field))
    }

    #[inline(always)]
    fn is_in_field(&self, field: &[u8]) -> bool {
        if self.is_beginning {
            return self.cookies_in(field).next().is_some();
        }
        match self.name.find(field, field) {
            Some(Found {
                behind: [first, ..],
                ..
            }) if *first > b' ' && !matches!(first, b';' | b'"') => true,
            Some(_) => self.is_otherwise_in(field),
            None => false,
        }
    }

    #[cold]
    #[inline(never)]
    fn is_otherwise_in(&self, field: &[u8]) -> bool {
        self.cookies_in(field).next().is_some()
    }

    /// Returns the names of such cookies in a field, of those that have a value.
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

/// Parts a pair at its first equals sign, and cuts white space.
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
    fn a_name_may_be_told_by_its_beginning() {
        for field in ["word_1=x", "a=b; word_=x", "a=b;\tword_2 = x"] {
            assert!(is_in("word_*", &[field]), "{field}");
        }
        for field in ["word=x", "aword_1=x", "a=word_1=x", "word_1", "Word_1=x"] {
            assert!(!is_in("word_*", &[field]), "{field}");
        }
    }

    /// The cookies of a field that are followed, byte after byte.
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
    }
}
