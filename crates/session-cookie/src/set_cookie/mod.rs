//! The `Set-Cookie` field of a response (RFC 6265, section 4.1): editing an upstream server's field, and writing the policy's.

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

/// A `Set-Cookie` field split into three parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts<'a> {
    /// The part before the value: name, equals sign, white space.
    pub before: &'a [u8],
    /// The value, including double quotes.
    pub value: &'a [u8],
    /// The part after the value: white space and attributes.
    pub after: &'a [u8],
}

/// Splits a field at its value (RFC 6265, section 5.2). Returns `None` if it does not set the cookie with exactly this name.
#[inline]
pub fn parse<'a>(field: &'a [u8], name: &Name) -> Option<Parts<'a>> {
    let rest = name.value_of(field)?;
    let pair = rest.get(..find(b';', rest).unwrap_or(rest.len()))?;
    let trimmed = trim_start(pair);
    let value = trim_end(trimmed);

    // Each slice is a part of the previous one, so differences cannot wrap. White space around an empty value belongs to `after`.
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

/// Returns `true` if a field sets the cookie with exactly this name.
pub fn sets(field: &[u8], name: &Name) -> bool {
    name.value_of(field).is_some()
}

/// Returns `true` if a field deletes the cookie with exactly this name or empties its value: by an empty value, by `Max-Age` or,
/// in its absence, by `Expires` (RFC 6265, section 5.3, point 3).
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

/// Returns `true` if a cookie with this value and these attributes is deleted or empty.
fn ends(value: &[u8], attributes: &Attributes<'_>, now: u64) -> bool {
    unquote(value).is_empty() || attributes.are_over(now)
}

/// Replaces the value of a field by an ID and returns the pieces, or `None` if it does not set the cookie with exactly this name.
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

/// Prefixes the value of a field with an ID and returns the pieces, or `None` if it does not set the cookie with exactly this
/// name.
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
    // White space around an empty value follows it, as in `parse`.
    let value = match value {
        [] | [b';', ..] => rest,
        _ => value,
    };
    // The value ends the field, so the difference cannot wrap.
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
