//! The grammar of header fields and cookies: white space, tokens and values.

/// Returns whether a byte is optional white space (OWS, RFC 9110, section 5.6.3).
pub const fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Removes white space at both ends.
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// Removes white space at the start.
#[inline]
pub fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_ows(*first) {
            break;
        }
        text = rest;
    }
    text
}

/// Removes white space at the end.
#[inline]
pub fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_ows(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Removes the double quotes around a value (RFC 6265, section 4.1.1).
pub fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// Returns whether a text is a token (RFC 9110, section 5.6.2). The name of a cookie must be one.
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Returns whether every byte is a cookie-octet (RFC 6265, section 4.1.1), as in the value of a cookie.
pub fn is_cookie_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\'))
}

/// Returns whether a text is a valid attribute value (RFC 6265, section 4.1.1): no control characters and no semicolons.
pub fn is_attribute_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b' '..=b'~') && *byte != b';')
}

/// Returns whether a text is a valid host name for the `Domain` attribute, with or without a leading dot.
///
/// Labels consist of letters, digits, hyphens and underscores. User agents ignore the leading dot (RFC 6265, section 5.2.3).
pub fn is_domain(text: &[u8]) -> bool {
    let name = text.strip_prefix(b".").unwrap_or(text);
    name.split(|byte| *byte == b'.').all(|label| {
        !label.is_empty()
            && label
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

/// Returns whether user agents accept a text as the `Path` attribute (RFC 6265, section 5.2.4). They replace any other
/// value with the default path (section 5.1.4).
pub fn is_path(text: &[u8]) -> bool {
    text.starts_with(b"/") && is_attribute_value(text)
}
/// Removes white space at both ends. Most texts have none, which is the fast path.
#[inline(always)]
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => trimmed_slowly(text),
    }
}

#[cold]
#[inline(never)]
fn trimmed_slowly(text: &[u8]) -> &[u8] {
    trim(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_cut_at_both_ends() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b"  "), b"");
    }

    #[test]
    fn only_a_whole_pair_of_quotes_is_taken_off() {
        assert_eq!(unquote(b"\"a\""), b"a");
        assert_eq!(unquote(b"\"a"), b"\"a");
        assert_eq!(unquote(b"\""), b"\"");
    }

    #[test]
    fn domains() {
        for good in ["www.xxx.com", ".taobao.com", "localhost", "a-b.c_d.e"] {
            assert!(is_domain(good.as_bytes()), "{good}");
        }
        for bad in ["", ".", "a..b", "a;Secure", "a b", "..a"] {
            assert!(!is_domain(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_path_begins_with_a_slash() {
        for good in ["/", "/app", "/a b/%20"] {
            assert!(is_path(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "app",
            " /app",
            "/a;Secure",
            "/a\r\nX: y",
            "/\u{e9}",
            "/\0",
            "$x",
        ] {
            assert!(!is_path(bad.as_bytes()), "{bad}");
        }
    }
}
