//! Whether a request is one that the operator meant to send. A browser sends requests for any page, and a page of another
//! site must not change anything: neither by a form, nor by a script, nor by a name of its own that leads to this address
//! (DNS rebinding).

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::bytes::trim;

/// Returns whether a media type is that of JSON. No form can send it, and no script to another site without asking.
pub fn is_json(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|byte| *byte == b';');
    let essence = media_type.get(..end.unwrap_or(media_type.len()));
    essence.is_some_and(|essence| trim(essence).eq_ignore_ascii_case(b"application/json"))
}

/// Returns whether the `Sec-Fetch-Site` field of a request tells that no other site has made it.
pub fn is_own_site(sec_fetch_site: &[u8]) -> bool {
    matches!(sec_fetch_site, b"same-origin" | b"none")
}

/// Returns whether a host, without its port, can be no name of another site: an address, in brackets where it has colons,
/// or `localhost`.
pub fn is_address_or_localhost(host: &[u8]) -> bool {
    if host.eq_ignore_ascii_case(b"localhost") {
        return true;
    }
    let Ok(host) = core::str::from_utf8(host) else {
        return false;
    };
    let in_brackets = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    match in_brackets {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => host.parse::<Ipv4Addr>().is_ok(),
    }
}

/// Returns whether a `server_name` that is no regular expression names a host, as nginx looks it up: `*.example.org` what
/// ends so, `.example.org` that and itself, `www.example.*` what begins so.
pub fn is_named(server_name: &[u8], host: &[u8]) -> bool {
    if host.is_empty() {
        return false;
    }
    match server_name {
        [b'*', b'.', ..] => server_name.get(1..).is_some_and(|end| ends(host, end)),
        [b'.', name @ ..] => host.eq_ignore_ascii_case(name) || ends(host, server_name),
        [start @ .., b'.', b'*'] => {
            let (begin, rest) = host.split_at_checked(start.len()).unwrap_or_default();
            begin.eq_ignore_ascii_case(start) && matches!(rest, [b'.', _, ..])
        }
        _ => host.eq_ignore_ascii_case(server_name),
    }
}

/// Returns whether a host has something before this end.
fn ends(host: &[u8], end: &[u8]) -> bool {
    let at = host.len().checked_sub(end.len()).filter(|at| *at > 0);
    let tail = at.and_then(|at| host.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Returns whether the `Origin` field of a request is the origin that it was sent to: `host` is its `Host` field. TLS may end
/// before nginx, so `https` is taken for what came without; but not the other way round.
pub fn is_own_origin(origin: &[u8], host: &[u8], is_tls: bool) -> bool {
    let authority = match origin.strip_prefix(b"https://") {
        Some(authority) => Some(authority),
        None if is_tls => None,
        None => origin.strip_prefix(b"http://"),
    };
    authority.is_some_and(|authority| !authority.is_empty() && authority.eq_ignore_ascii_case(host))
}
