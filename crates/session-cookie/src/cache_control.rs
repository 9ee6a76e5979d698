//! The `Cache-Control` field of a response (RFC 9111, section 5.2). It prevents shared caches from storing responses
//! that set the cookie of a session.

use crate::bytes::{trim, Sink};

/// The value that prevents shared caches from storing a response.
pub const PRIVATE: &[u8] = b"private";

const BETWEEN: &[u8] = b", ";

/// Returns an upper bound for the bytes that [`write_rest`] writes for fields of these lengths.
pub fn rest_len(fields: impl Iterator<Item = usize>) -> usize {
    fields.fold(0, |sum: usize, length| {
        // A space may be added after each comma.
        let most = length.saturating_mul(BETWEEN.len());
        sum.saturating_add(most).saturating_add(BETWEEN.len())
    })
}

/// Writes the directives of these fields that have to be kept along with [`PRIVATE`], so that a browser keeps the response
/// no longer than the upstream server allows. Directives for shared caches are omitted.
///
/// ```
/// use session_cookie::bytes::Buffer;
/// use session_cookie::cache_control::write_rest;
///
/// let mut field = Buffer::with_capacity(64)?;
/// write_rest([&b"public, max-age=600, s-maxage=3600"[..]].into_iter(), &mut field);
/// assert_eq!(field.as_bytes(), b"max-age=600");
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub fn write_rest<'a>(fields: impl Iterator<Item = &'a [u8]>, out: &mut impl Sink) {
    let rest = fields
        .flat_map(directives)
        .filter(|one| !is_for_shared(one));
    let mut between: &[u8] = b"";
    for directive in rest {
        out.put(between);
        out.put(directive);
        between = BETWEEN;
    }
}

/// Returns whether a directive is for shared caches only, contradicts [`PRIVATE`], or repeats it.
fn is_for_shared(directive: &[u8]) -> bool {
    let name = directive.split(|byte| *byte == b'=').next();
    let name = trim(name.unwrap_or_default());
    let shared: [&[u8]; 4] = [b"public", b"s-maxage", b"proxy-revalidate", PRIVATE];
    shared.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Returns the directives of a field, which are separated by commas outside quotes.
fn directives(field: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    field
        .split(move |byte| {
            let was_escaped = core::mem::replace(&mut is_escaped, false);
            match byte {
                b'"' if !was_escaped => is_quoted = !is_quoted,
                b'\\' if is_quoted && !was_escaped => is_escaped = true,
                _ => (),
            }
            *byte == b',' && !is_quoted
        })
        .map(trim)
        .filter(|directive| !directive.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Buffer;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn rest(fields: &[&str]) -> String {
        let fields = || fields.iter().map(|field| field.as_bytes());
        let mut out = Buffer::with_capacity(rest_len(fields().map(<[u8]>::len))).unwrap();
        write_rest(fields(), &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_a_browser_is_told_stays() {
        for (fields, left) in [
            (&[][..], ""),
            (&["", " , "], ""),
            (&["public"], ""),
            (&["Private, PUBLIC"], ""),
            (&["Public,max-age=60"], "max-age=60"),
            (&["public", "s-maxage = 9, no-cache"], "no-cache"),
            (&["No-Store , private"], "No-Store"),
            (
                &["private=\"a, b\", no-cache=\"c, d\", proxy-revalidate"],
                "no-cache=\"c, d\"",
            ),
            (&["a=\"b, private\",public"], "a=\"b, private\""),
            (
                &["a=\"\\\", public\"", "x-private"],
                "a=\"\\\", public\", x-private",
            ),
        ] {
            assert_eq!(rest(fields), left);
        }
    }

    proptest! {
        #[test]
        fn what_is_left_stays_when_it_is_read_again(field: Vec<u8>) {
            let left = left_of(&field);
            prop_assert_eq!(left_of(&left), left);
        }
    }

    fn left_of(field: &[u8]) -> Vec<u8> {
        let mut out = Buffer::with_capacity(rest_len([field.len()].into_iter())).unwrap();
        write_rest([field].into_iter(), &mut out);
        out.as_bytes().to_vec()
    }
}
