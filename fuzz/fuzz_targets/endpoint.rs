//! Requests to `session_sticky_status`: the path and the names in it, the query, and `Accept`.

#![cfg_attr(feature = "libfuzzer", no_main)]

use session_cookie::endpoint::{decode, parameter, Format, Resource};
use session_cookie_fuzz::fuzz_target;

/// Names must be parts of the path without slashes, and the query must not affect which resource is requested.
fn check_path(target: &[u8]) {
    let resource = Resource::of(target);
    let path = target.split(|byte| matches!(byte, b'?' | b'#')).next();
    assert_eq!(Resource::of(path.unwrap_or_default()), resource);
    let names = match resource {
        None | Some(Resource::Root | Resource::Upstreams) => return,
        Some(Resource::Upstream(name) | Resource::Servers(name) | Resource::Explain(name)) => {
            [name, name]
        }
        Some(Resource::Server { upstream, server }) => [upstream, server],
    };
    for name in names {
        assert!(!name.contains(&b'/'));
    }
}

/// Decoding must reverse encoding, and must not change text without percent signs.
fn check_encoding(text: &[u8]) {
    let encoded: String = text.iter().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(&*decode(encoded.as_bytes()).unwrap(), text);
    match decode(text) {
        Ok(decoded) if text.contains(&b'%') => assert!(decoded.len() < text.len()),
        Ok(decoded) => assert_eq!(&*decoded, text),
        Err(_) => assert!(text.contains(&b'%')),
    }
}

fuzz_target!(|text: &[u8]| {
    check_path(text);
    check_encoding(text);
    if let Some(value) = parameter(text, b"value") {
        assert!(!value.contains(&b'&'));
        let again = [b"value=", value].concat();
        assert_eq!(parameter(&again, b"value"), Some(value));
    }
    Format::accepted(text.split(|byte| *byte == 0));
    let _ = Format::of_name(text);
});
