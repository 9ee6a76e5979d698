//! The `Set-Cookie` field of a response (RFC 6265, section 4.1): editing that of an upstream server, writing one of the policy.

mod attributes;
mod date;
mod followed;
mod mirrored;
mod template;

use attributes::Attributes;

use crate::bytes::{find, trim_end, trim_start, unquote};
use crate::cookie::Name;
use crate::id::PREFIX_END;

pub use followed::{is_followed, Followed};
pub use mirrored::Mirrored;
pub use template::{ByVariables, Template, Varying, DATE};

/// A `Set-Cookie` field in three parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts<'a> {
    /// The part up to the value: name, equals sign, white space.
    pub before: &'a [u8],
    /// The value, double quotes and all.
    pub value: &'a [u8],
    /// The part after the value: white space and attributes.
    pub after: &'a [u8],
}

/// Splits a field around the value (RFC 6265, section 5.2), if it sets the cookie of exactly this name.
#[inline]
pub fn parse<'a>(field: &'a [u8], name: &Name) -> Option<Parts<'a>> {
    let rest = name.value_of(field)?;
    let pair = rest.get(..find(b';', rest).unwrap_or(rest.len()))?;
    let trimmed = trim_start(pair);
    let value = trim_end(trimmed);

    // Each is a part of the one before it. Without a value, white space stands behind it.
    let start = field.len().wrapping_sub(if value.is_empty() {
        rest.len()
    } else {
        rest.len()
            .wrapping_sub(pair.len().wrapping_sub(trimmed.len()))
    });
    let (before, rest) = field.split_at_checked(start)?;
    let (value, after) = rest.split_at_checked(value.len())?;
    Some(Parts {
        before,
        value,
        after,
    })
}

/// Returns whether a field sets the cookie of exactly this name.
pub fn sets(field: &[u8], name: &Name) -> bool {
    name.value_of(field).is_some()
}

/// Returns whether a field deletes the cookie of exactly this name, or leaves nothing of its value: by an empty value, by
/// `Max-Age` or, where that is not there, by `Expires` (RFC 6265, section 5.3, point 3).
///
/// `now` is in seconds since the epoch.
///
/// ```
/// use session_cookie::cookie::Name;
/// use session_cookie::set_cookie::deletes;
///
/// let field = b"s=deleted; Expires=Thu, 01-Jan-1970 00:00:00 GMT; Path=/";
/// assert!(deletes(field, &Name::new(b"s")?, 1_600_000_000));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub fn deletes(field: &[u8], name: &Name, now: u64) -> bool {
    parse(field, name).is_some_and(|parts| ends(parts.value, &Attributes::of(parts.after), now))
}

/// Returns whether a cookie with this value and these attributes is deleted, or nothing is left of it.
fn ends(value: &[u8], attributes: &Attributes<'_>, now: u64) -> bool {
    unquote(value).is_empty() || attributes.are_over(now)
}

/// Returns a field with the id in place of the value, in pieces, if it sets the cookie of exactly this name.
///
/// ```
/// use session_cookie::cookie::Name;
/// use session_cookie::set_cookie::rewrite;
///
/// let edited = rewrite(b"s=value; Path=/", &Name::new(b"s")?, b"id");
/// assert_eq!(edited.map(|pieces| pieces.concat()).as_deref(), Some(&b"s=id; Path=/"[..]));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[inline]
pub fn rewrite<'a>(field: &'a [u8], name: &Name, id: &'a [u8]) -> Option<[&'a [u8]; 3]> {
    let parts = parse(field, name)?;
    Some([parts.before, id, parts.after])
}

/// Returns a field with the id before the value, in pieces, if it sets the cookie of exactly this name.
///
/// ```
/// use session_cookie::cookie::Name;
/// use session_cookie::set_cookie::prefix;
///
/// let edited = prefix(b"s=value; Path=/", &Name::new(b"s")?, b"id");
/// assert_eq!(edited.map(|pieces| pieces.concat()).as_deref(), Some(&b"s=id~value; Path=/"[..]));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[inline(always)]
pub fn prefix<'a>(field: &'a [u8], name: &Name, id: &'a [u8]) -> Option<[&'a [u8]; 4]> {
    let rest = name.value_of(field)?;
    let value = trim_start(rest);
    // Without a value, white space stands behind it: as in `parse`.
    let value = match value {
        [] | [b';', ..] => rest,
        _ => value,
    };
    // It is the end of the field.
    let before = field.get(..field.len().wrapping_sub(value.len()))?;
    Some([before, id, &[PREFIX_END], value])
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn rewritten(field: &str) -> String {
        let pieces = rewrite(field.as_bytes(), &Name::new(b"s").unwrap(), b"ID").unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    fn prefixed(field: &str) -> String {
        let pieces = prefix(field.as_bytes(), &Name::new(b"s").unwrap(), b"ID").unwrap();
        String::from_utf8(pieces.concat()).unwrap()
    }

    #[test]
    fn the_name_is_exact() {
        let test = &Name::new(b"test").unwrap();
        assert!(sets(b"test=1; Path=/", test));
        assert!(sets(b" test = 1", test));
        for other in [
            "mytest=abc",
            "latest=42",
            "x=test=1",
            "a=b; test=1",
            "Test=1",
            "test",
            "test; a=b",
        ] {
            assert!(!sets(other.as_bytes(), test), "{other}");
        }
    }

    #[test]
    fn attributes_stay_untouched() {
        assert_eq!(rewritten("s=v; Path=/a;HttpOnly"), "s=ID; Path=/a;HttpOnly");
        assert_eq!(
            prefixed("s=v; Path=/a;HttpOnly"),
            "s=ID~v; Path=/a;HttpOnly"
        );
        assert_eq!(rewritten("s = \"v\" ; Secure"), "s = ID ; Secure");
        assert_eq!(prefixed("s=\"v\""), "s=ID~\"v\"");
        assert_eq!(prefixed("s=; Max-Age=0"), "s=ID~; Max-Age=0");
        assert_eq!(rewritten("s=  ; a"), "s=ID  ; a");
        assert_eq!(rewritten(" s =v=w"), " s =ID");
    }

    #[test]
    fn a_cookie_is_deleted_by_its_value_or_by_its_attributes() {
        let name = Name::new(b"s").unwrap();
        let deletes = |field: &str| deletes(field.as_bytes(), &name, 100);
        for field in [
            "s=",
            "s=; Path=/",
            "s=\"\"",
            "s=v; Max-Age=0",
            "s=v; Path=/; max-age = -1 ",
            "s=v; MAX-AGE=00",
            "s=v; Expires=1 Jan 1970 00:01:40",
            "s=v; Expires=1 Jan 1970 00:00:09; Max-Age=x",
            "s=v; Max-Age=5; Max-Age=0",
        ] {
            assert!(deletes(field), "{field}");
        }
        for field in [
            "s=v",
            "s=v; Max-Age=1",
            "s=v; Max-Age=",
            "s=v; Max-Age=-",
            "s=v; Max-Age",
            "s=v; Expires=1 Jan 1970 00:01:41",
            "s=v; Expires=x",
            "s=v; Expires=1 Jan 1970 00:00:09; Max-Age=5",
            "s=v; X-Max-Age=0",
            "t=; Max-Age=0",
        ] {
            assert!(!deletes(field), "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_field_is_its_parts(field in "[ \t]?(s|ss|t)[ \t]?=?[ \t]?[s;=~ \t]{0,5}.{0,9}") {
            let field = field.into_bytes();
            let name = Name::new(b"s").unwrap();
            let parts = parse(&field, &name);
            let before = prefix(&field, &name, b"ID").map(|[before, ..]| before);
            prop_assert_eq!(before, parts.map(|parts| parts.before));
            if let Some(parts) = parts {
                prop_assert_eq!([parts.before, parts.value, parts.after].concat(), field);
            }
        }
    }
}
