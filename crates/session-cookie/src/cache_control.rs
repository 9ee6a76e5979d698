//! The `Cache-Control` field of a response (RFC 9111, section 5.2): shared caches must not store one that sets the cookie of
//! a session.

use crate::bytes::{trim, Sink};

/// The directive that tells shared caches not to store a response.
const PRIVATE: &[u8] = b"private";

const BETWEEN: &[u8] = b", ";

/// Returns whether a field tells shared caches not to store the response: by `no-store`, or by `private` without names of
/// fields, with which it would only be about these.
pub fn forbids_sharing(field: &[u8]) -> bool {
    directives(field).any(|directive| {
        [PRIVATE, b"no-store"]
            .iter()
            .any(|one| directive.eq_ignore_ascii_case(one))
    })
}

/// Returns the most bytes that [`write_private`] writes for fields of so many bytes each.
pub fn private_len(fields: impl Iterator<Item = usize>) -> usize {
    fields.fold(PRIVATE.len(), |sum, length| {
        sum.saturating_add(length).saturating_add(BETWEEN.len())
    })
}

/// Writes `private` and what else these fields say, without what is for shared caches only: so no browser keeps the response
/// for longer than the upstream server has said.
///
/// ```
/// use session_cookie::bytes::Buffer;
/// use session_cookie::cache_control::write_private;
///
/// let mut field = Buffer::with_capacity(64)?;
/// write_private([&b"public, max-age=600, s-maxage=3600"[..]].into_iter(), &mut field);
/// assert_eq!(field.as_bytes(), b"private, max-age=600");
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub fn write_private<'a>(fields: impl Iterator<Item = &'a [u8]>, out: &mut impl Sink) {
    out.put(PRIVATE);
    for directive in fields
        .flat_map(directives)
        .filter(|one| !is_for_shared(one))
    {
        out.put(BETWEEN);
        out.put(directive);
    }
}

/// Returns whether a directive is for shared caches only, or contradicts `private`.
fn is_for_shared(directive: &[u8]) -> bool {
    let name = directive.split(|byte| *byte == b'=').next();
    let name = trim(name.unwrap_or_default());
    let shared: [&[u8]; 4] = [b"public", b"s-maxage", b"proxy-revalidate", PRIVATE];
    shared.iter().any(|one| name.eq_ignore_ascii_case(one))
}

/// Returns the directives of a field, which commas part that are in no quotes.
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

    fn private(fields: &[&str]) -> String {
        let fields = || fields.iter().map(|field| field.as_bytes());
        let mut out = Buffer::with_capacity(private_len(fields().map(<[u8]>::len))).unwrap();
        write_private(fields(), &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_forbids_sharing() {
        for field in [
            "private",
            "No-Store",
            "max-age=0 , PRIVATE",
            "a=\"b\",no-store",
        ] {
            assert!(forbids_sharing(field.as_bytes()), "{field}");
        }
        for field in [
            "",
            "public",
            "no-cache",
            "private=\"Set-Cookie\"",
            "x-private",
            "a=\"b, private\"",
            "a=\"\\\", no-store\"",
        ] {
            assert!(!forbids_sharing(field.as_bytes()), "{field}");
        }
    }

    #[test]
    fn what_a_browser_is_told_stays() {
        assert_eq!(private(&[]), "private");
        assert_eq!(private(&["", " , "]), "private");
        assert_eq!(private(&["Public,max-age=60"]), "private, max-age=60");
        assert_eq!(
            private(&["public", "s-maxage = 9, no-cache"]),
            "private, no-cache"
        );
        assert_eq!(
            private(&["private=\"a, b\", no-cache=\"c, d\", proxy-revalidate"]),
            "private, no-cache=\"c, d\""
        );
    }

    proptest! {
        #[test]
        fn what_is_written_forbids_sharing(fields: Vec<Vec<u8>>) {
            let values = || fields.iter().map(Vec::as_slice);
            let capacity = private_len(values().map(<[u8]>::len));
            let mut out = Buffer::with_capacity(capacity).unwrap();
            write_private(values(), &mut out);
            prop_assert!(forbids_sharing(out.as_bytes()));
        }
    }
}
