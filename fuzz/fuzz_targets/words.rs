//! Words of the configuration that become parts of header fields.

#![cfg_attr(feature = "libfuzzer", no_main)]

use session_cookie::bytes::{
    decimal, find, is_attribute_value, is_cookie_value, is_domain, is_token, trim, trim_end,
    trim_start, unquote, Sink, DECIMAL,
};
use session_cookie::policy::SameSite;
use session_cookie_fuzz::{fuzz_target, number, text, trimmed, written};

fuzz_target!(|seed: &[u8]| {
    let word = text(seed);

    assert_eq!(decimal(&word), number(&word));
    if let Some(number) = decimal(&word) {
        let digits = written(DECIMAL, |out| out.put_decimal(number));
        assert!(word.ends_with(&digits));
        assert!(word[..word.len() - digits.len()]
            .iter()
            .all(|digit| *digit == b'0'));
    }

    assert_eq!(trim(&word), trimmed(&word));
    assert_eq!(trim_start(trim_end(&word)), trimmed(&word));
    assert!(word.ends_with(trim_start(&word)) && word.starts_with(trim_end(&word)));

    for byte in [b';', b'=', b'|', b'~', 0, 255] {
        assert_eq!(
            find(byte, &word),
            word.iter().position(|other| *other == byte)
        );
    }

    let inner = unquote(&word);
    assert!(inner == word || [b"\"", inner, b"\""].concat() == word);

    // An accepted word must be valid at its place in a header field, and must not contain a delimiter.
    for (taken, breaks) in [
        (is_domain(&word), &b" \t;,\"\\=/:@"[..]),
        (is_token(&word), b" \t;,\"\\=/:@()<>?[]{}"),
        (is_cookie_value(&word), b" \t;,\"\\"),
        (is_attribute_value(&word), b"\t;"),
    ] {
        if taken {
            assert!(word.iter().all(|byte| matches!(byte, b' '..=b'~')));
            assert!(!word.iter().any(|byte| breaks.contains(byte)));
        }
    }
    assert!(!is_domain(&word) || is_token(&word));
    assert!(!is_token(&word) || is_cookie_value(&word));
    assert!(!is_cookie_value(&word) || is_attribute_value(&word));

    if let Some(same_site) = SameSite::parse(&word) {
        assert!(same_site.as_bytes().eq_ignore_ascii_case(&word));
        assert_eq!(SameSite::parse(same_site.as_bytes()), Some(same_site));
    }
});
