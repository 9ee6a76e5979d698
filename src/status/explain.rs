//! `explain`: shows how a request with a given cookie value would be handled.

use ngx::core::Status as Code;
use ngx::ffi::ngx_int_t;
use serde::Serialize;
use session_cookie::bytes::trim;
use session_cookie::memory::OutOfMemory;

use super::document::{self, Lingering, Server, VERSION};
use super::listing::{show_member, ShownUpstream};
use super::reply::{self, Fault};
use super::text::Text;
use crate::control::apply::refresh;
use crate::nginx::request::Request;
use crate::upstream::explain::{explain, Explained};

/// The response.
#[derive(Serialize)]
struct Explanation<'a> {
    version: u32,
    upstream: Text<'a>,
    value: Text<'a>,
    verdict: &'static str,
    scheme: Option<&'static str>,
    server: Option<&'a Server<'a>>,
    lingering: Option<Lingering<'a>>,
    first_seen: Option<u64>,
    last_seen: Option<u64>,
    would: &'static str,
}

/// The media type of a request body.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Body {
    Form,
    Text,
}

impl Body {
    /// Returns the media type of a request, if it is supported.
    pub(super) fn of(request: Request<'_>) -> Option<Self> {
        let field = request.fields(b"content-type").next()?;
        let name = trim(field.split(|byte| *byte == b';').next()?);
        if name.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
            Some(Body::Form)
        } else if name.eq_ignore_ascii_case(b"text/plain") {
            Some(Body::Text)
        } else {
            None
        }
    }
}

/// Sends the explanation of a session. Returns the return code for the content handler.
pub(super) fn answer<'r>(
    request: Request<'r>,
    shown: ShownUpstream<'r>,
    value: &'r [u8],
) -> ngx_int_t {
    if !shown.has_peers() {
        return reply::refuse(request, Fault::Balancer);
    }
    refresh(shown.upstream, shown.conf);
    match explain(request, shown.upstream, shown.conf, shown.sticky, value) {
        Ok(Some(explained)) => match tell(request, shown, value, &explained) {
            Ok(rc) => rc,
            Err(OutOfMemory) => Code::NGX_ERROR.into(),
        },
        Ok(None) => reply::refuse(request, Fault::Changing),
        Err(OutOfMemory) => Code::NGX_ERROR.into(),
    }
}

fn tell<'r>(
    request: Request<'r>,
    shown: ShownUpstream<'r>,
    value: &'r [u8],
    explained: &Explained<'r>,
) -> Result<ngx_int_t, OutOfMemory> {
    let own = shown.sticky.policy.hash.as_str();
    let stamps = explained.reading.session.stamps;
    let lingering = explained.lingering;
    let address = lingering.map(|server| server.address());
    let lingering = lingering.zip(address.as_ref());
    let answer = |server: Option<&Server<'_>>| {
        let explanation = Explanation {
            version: VERSION,
            upstream: Text(shown.upstream.host()),
            value: Text(value),
            verdict: explained.reading.verdict.as_str(),
            scheme: (explained.scheme).map(|scheme| scheme.map_or(own, |scheme| scheme.as_str())),
            server,
            lingering: lingering.map(|(server, address)| Lingering::of(server, address)),
            first_seen: stamps.map(|stamps| stamps.first_seen),
            last_seen: stamps.map(|stamps| stamps.last_seen),
            would: explained.would.as_str(),
        };
        reply::value(request, &explanation)
    };
    let Some(member) = &explained.member else {
        return Ok(answer(None));
    };
    show_member(shown, member, explained.generation, |server| match server {
        Some(server) => document::tell(server, |server| answer(Some(server))),
        None => reply::refuse(request, Fault::Changing),
    })
}
