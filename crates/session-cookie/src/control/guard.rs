//! Checks whether the operator intended a request. Any page can make a browser send requests. A page of another site must not
//! change anything, whether by a form, by a script, or by a host name of its own that resolves to this address (DNS rebinding).

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::bytes::trim;

/// Returns whether a media type is that of JSON. A form cannot send it, and a script can send it to another site only
/// after a CORS preflight.
pub fn is_json(media_type: &[u8]) -> bool {
    let end = media_type.iter().position(|byte| *byte == b';');
    let essence = media_type.get(..end.unwrap_or(media_type.len()));
    essence.is_some_and(|essence| trim(essence).eq_ignore_ascii_case(b"application/json"))
}

/// Returns whether the `Sec-Fetch-Site` field of a request shows that no other site has initiated the request.
pub fn is_own_site(sec_fetch_site: &[u8]) -> bool {
    matches!(sec_fetch_site, b"same-origin" | b"none")
}

/// Returns whether a host, without its port, cannot be a host name of another site: an IPv4 address, an IPv6 address in
/// brackets, or `localhost`.
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

/// Returns whether a `server_name` that is not a regular expression matches a host, as in nginx: `*.example.org`
/// matches subdomains, `.example.org` the domain as well, and `www.example.*` any ending.
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

/// Returns whether a host ends in `end` and is longer than it.
fn ends(host: &[u8], end: &[u8]) -> bool {
    let at = host.len().checked_sub(end.len()).filter(|at| *at > 0);
    let tail = at.and_then(|at| host.get(at..));
    tail.is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

/// Returns whether the `Origin` field of a request equals the origin that the request was sent to. `host` is the `Host`
/// field of the request. Since TLS may be terminated before nginx, `https` is also accepted for a request without TLS;
/// `http` is not accepted for a request with TLS.
pub fn is_own_origin(origin: &[u8], host: &[u8], is_tls: bool) -> bool {
    let authority = match origin.strip_prefix(b"https://") {
        Some(authority) => Some(authority),
        None if is_tls => None,
        None => origin.strip_prefix(b"http://"),
    };
    authority.is_some_and(|authority| !authority.is_empty() && authority.eq_ignore_ascii_case(host))
}
