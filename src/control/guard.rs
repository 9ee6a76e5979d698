//! Checks that a request for a change comes from the operator.

use session_cookie::control::guard::{
    is_address_or_localhost, is_json, is_own_origin, is_own_site,
};

use crate::conf::Sticky;
use crate::nginx::request::Request;

/// Why a request may not change anything.
pub(crate) enum Forbidden {
    /// Its host may be a name that another site has assigned to this address.
    Host,
    /// It comes from another site.
    Site,
    /// It may come from an HTML form.
    ContentType,
}

/// Checks whether a request may change something.
pub(crate) fn check(request: Request<'_>) -> Result<(), Forbidden> {
    let location = request.location().conf::<Sticky>();
    if !is_address_or_localhost(request.host()) && !location.server_names.have_host_of(request) {
        return Err(Forbidden::Host);
    }
    let is_own = (request.fields(b"origin")).all(|origin| is_of_request(request, origin))
        && (request.fields(b"sec-fetch-site")).all(is_own_site);
    if !is_own {
        return Err(Forbidden::Site);
    }
    let mut types = request.fields(b"content-type");
    match (types.next(), types.next()) {
        (Some(media_type), None) if is_json(media_type) => Ok(()),
        _ => Err(Forbidden::ContentType),
    }
}

/// Returns whether this is the origin to which the request was sent.
fn is_of_request(request: Request<'_>, origin: &[u8]) -> bool {
    match request.host_field() {
        Some(host) => is_own_origin(origin, host, request.is_tls()),
        // HTTP/3, always with TLS. nginx keeps only the host of its authority; a port must be that of the connection.
        None => is_own_authority(origin, request),
    }
}

fn is_own_authority(origin: &[u8], request: Request<'_>) -> bool {
    let Some(authority) = origin.strip_prefix(b"https://") else {
        return false;
    };
    let (host, port) = authority
        .split_at_checked(request.host().len())
        .unwrap_or_default();
    let is_own_port = match port {
        [] => true,
        [b':', digits @ ..] => {
            let port = session_cookie::bytes::decimal(digits);
            port.is_some() && port == request.local_port().map(u64::from)
        }
        _ => false,
    };
    !host.is_empty() && host.eq_ignore_ascii_case(request.host()) && is_own_port
}
