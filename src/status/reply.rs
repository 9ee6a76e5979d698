//! Short responses, and the header fields of all responses.

use ngx::core::Status;
use ngx::ffi::ngx_int_t;
use session_cookie::bytes::Sink;

use super::json;
use crate::nginx::pieces::Pieces;
use crate::nginx::request::Request;
use crate::nginx::response::Head;

pub(super) const JSON: &str = "application/json";
pub(super) const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// The fields of every response: it must not be cached, and browsers must not guess its type.
const FIELDS: [(&str, &str); 2] = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
];

/// An error in a request.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Fault {
    NoResource,
    NoUpstream,
    NoServer,
    /// With the allowed methods.
    Method(&'static str),
    Encoding,
    Format,
    NoValue,
    TooLong,
    ContentType,
    Balancer,
    /// The media type of a `PATCH` request is not JSON.
    NotJson,
    ForeignHost,
    ForeignSite,
    Nonsense,
    Configured,
    Changing,
    Full,
    Unsaved,
}

impl Fault {
    fn status(self) -> usize {
        match self {
            Fault::NoResource | Fault::NoUpstream | Fault::NoServer => 404,
            Fault::Method(_) => 405,
            Fault::Encoding | Fault::Format | Fault::NoValue | Fault::Nonsense => 400,
            Fault::ForeignHost | Fault::ForeignSite => 403,
            Fault::TooLong => 413,
            Fault::ContentType | Fault::NotJson => 415,
            Fault::Balancer | Fault::Configured => 409,
            Fault::Unsaved => 500,
            Fault::Changing => 503,
            Fault::Full => 507,
        }
    }

    fn text(self) -> &'static str {
        match self {
            Fault::NoResource => "no such resource",
            Fault::NoUpstream => "no such sticky upstream",
            Fault::NoServer => "the upstream has no such server",
            Fault::Method(_) => "the resource does not support this method",
            Fault::Encoding => "a percent sign must be followed by two hexadecimal digits",
            Fault::Format => "format must be html, json or prometheus",
            Fault::NoValue => "the value is missing",
            Fault::TooLong => "the body is too long",
            Fault::ContentType => {
                "the body must be application/x-www-form-urlencoded or text/plain"
            }
            Fault::Balancer => "the balancer of the upstream is not supported",
            Fault::NotJson => "the body must be application/json",
            Fault::ForeignHost => {
                "the host must be a server_name of the server, localhost or an address"
            }
            Fault::ForeignSite => "cross-site requests are not allowed",
            Fault::Nonsense => {
                "the body must be {\"state\":\"up\"}, {\"state\":\"drain\"} or {\"state\":\"down\"}, the last two \
                 optionally with \"for\" and a time such as \"30m\", or {\"drain\":true} or {\"drain\":false}"
            }
            Fault::Configured => "the server is down or draining in the configuration",
            Fault::Changing => "the servers of the upstream are changing, try again",
            Fault::Full => "there is no room for the state of another server",
            Fault::Unsaved => {
                "the change is in effect until nginx stops, but could not be saved: see the error log"
            }
        }
    }
}

/// The body of an error response.
#[derive(serde::Serialize)]
struct Error {
    error: &'static str,
}

/// Returns the header of a successful response.
pub(super) fn head(content_type: &'static str, length: Option<usize>) -> Head<'static> {
    Head {
        status: 200,
        content_type,
        length,
        fields: &FIELDS,
    }
}

/// Sends an error response. Returns the return code for the content handler.
pub(crate) fn refuse<'r>(request: Request<'r>, fault: Fault) -> ngx_int_t {
    let mut body = Pieces::new(request.pool());
    json::write(
        &Error {
            error: fault.text(),
        },
        &mut body,
    );
    body.put(b"\n");
    let [first, second] = FIELDS;
    let allow = match fault {
        Fault::Method(allowed) => Some(("Allow", allowed)),
        _ => None,
    };
    let fields = [first, second, allow.unwrap_or(first)];
    let head = Head {
        status: fault.status(),
        content_type: JSON,
        length: None,
        fields: fields
            .get(..if allow.is_some() { 3 } else { 2 })
            .unwrap_or(&FIELDS),
    };
    send(request, head, body)
}

/// Sends the page.
pub(super) fn page(request: Request<'_>) -> ngx_int_t {
    const PAGE: &str = include_str!("page.html");
    const POLICY: (&str, &str) = (
        "Content-Security-Policy",
        env!("SESSION_STICKY_PAGE_POLICY"),
    );
    let mut body = Pieces::new(request.pool());
    body.put(PAGE.as_bytes());
    let [first, second] = FIELDS;
    let head = Head {
        status: 200,
        content_type: HTML,
        length: None,
        fields: &[first, second, POLICY],
    };
    send(request, head, body)
}

/// Sends a JSON value.
pub(super) fn value(request: Request<'_>, value: &impl serde::Serialize) -> ngx_int_t {
    let mut body = Pieces::new(request.pool());
    json::write(value, &mut body);
    body.put(b"\n");
    send(request, head(JSON, None), body)
}

fn send<'r>(request: Request<'r>, head: Head<'_>, mut body: Pieces<'r>) -> ngx_int_t {
    if body.lacks_memory() {
        return Status::NGX_ERROR.into();
    }
    let length = Some(body.length());
    match request.send_header(&Head { length, ..head }) {
        Err(rc) => rc,
        Ok(()) if request.wants_header_only() => Status::NGX_OK.into(),
        Ok(()) => body.send(request, true),
    }
}
