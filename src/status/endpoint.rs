//! `session_sticky_status`: the content handler, which selects the resource that a request asks for.

use core::ffi::{c_char, c_void};

use ngx::core::Status as Code;
use ngx::ffi::{ngx_command_t, ngx_conf_t, ngx_http_request_t, ngx_int_t};
use ngx::http::HttpModuleMainConf;
use session_cookie::endpoint::{decode, parameter, Format, Resource, Undecodable};

use super::document::Document;
use super::explain;
use super::exposition::Exposition;
use super::listing::{Listing, Selection, ShownUpstream};
use super::reply::{self, Fault};
use super::stream::{self, Content};
use crate::conf::{LocationConf, Sticky};
use crate::control::guard::{self, Forbidden};
use crate::control::patch::patch;
use crate::nginx::body::{Body, WithBody};
use crate::nginx::conf::{self, Conf};
use crate::nginx::request::Request;
use crate::nginx::request_line::Method;
use crate::nginx::upstream::Upstream;

/// `session_sticky_status`
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn session_sticky_status(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this while it reads the http block, and `conf` is the module's configuration of the location. No
    // other reference to it or to the configuration of the http block exists.
    let (cf, main, location) = unsafe {
        (
            Conf::new(cf),
            Sticky::main_conf_mut(&*cf),
            &mut *conf.cast::<LocationConf>(),
        )
    };
    if core::mem::replace(&mut location.shows_status, true) {
        return c"is duplicate".as_ptr().cast_mut();
    }
    if let Some(main) = main {
        main.counts = true;
    }
    cf.handle_content(handler);
    conf::OK
}

/// Handles a request.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request, in a location whose content handler this is.
    answer(unsafe { Request::new(r) })
}

fn answer(request: Request<'_>) -> ngx_int_t {
    let Some(asked) = Asked::of(request) else {
        return discarded(request, |request| reply::refuse(request, Fault::NoResource));
    };
    match (request.method(), asked.resource) {
        (Method::Get | Method::Head, _) => discarded(request, |_| asked.get()),
        (Method::Patch, Resource::Server { upstream, server }) if is_controlled(request) => {
            match asked.patch(upstream, server) {
                Ok(rc) => rc,
                Err(Unanswered::Refused(fault)) => {
                    discarded(request, |request| reply::refuse(request, fault))
                }
                Err(Unanswered::OutOfMemory) => Code::NGX_ERROR.into(),
            }
        }
        (_, Resource::Server { .. }) if is_controlled(request) => discarded(request, |request| {
            reply::refuse(request, Fault::Method("GET, HEAD, PATCH"))
        }),
        (Method::Post, Resource::Explain(_)) if explain::Body::of(request).is_some() => {
            request.read_body::<Posted>()
        }
        (Method::Post, Resource::Explain(_)) => discarded(request, |request| {
            reply::refuse(request, Fault::ContentType)
        }),
        (_, Resource::Explain(_)) => discarded(request, |request| {
            reply::refuse(request, Fault::Method("GET, HEAD, POST"))
        }),
        _ => discarded(request, |request| {
            reply::refuse(request, Fault::Method("GET, HEAD"))
        }),
    }
}

/// Returns whether servers can be controlled through the location.
fn is_controlled(request: Request<'_>) -> bool {
    request.location().conf::<Sticky>().control == Some(true)
}

impl From<Forbidden> for Unanswered {
    fn from(forbidden: Forbidden) -> Self {
        Unanswered::Refused(match forbidden {
            Forbidden::Host => Fault::ForeignHost,
            Forbidden::Site => Fault::ForeignSite,
            Forbidden::ContentType => Fault::NotJson,
        })
    }
}

/// Explains a value that was sent in a body, which keeps it out of access logs.
struct Posted;

impl WithBody for Posted {
    /// Twice the size of the cookies that browsers accept, which is 4 kB.
    const MOST: usize = 8192;

    fn go_on(request: Request<'_>, body: Body<'_>) -> ngx_int_t {
        let text = match body {
            Body::Whole(text) => text,
            Body::TooLong => return reply::refuse(request, Fault::TooLong),
            Body::Unreadable => return Code::NGX_ERROR.into(),
        };
        let Some(asked) = Asked::of(request) else {
            return reply::refuse(request, Fault::NoResource);
        };
        asked.answered(match explain::Body::of(request) {
            Some(explain::Body::Form) => asked.explain_parameter(text),
            _ => asked.explain(text.trim_ascii()),
        })
    }
}

/// Discards the body of a request, and handles the request.
fn discarded<'r>(request: Request<'r>, answer: impl FnOnce(Request<'r>) -> ngx_int_t) -> ngx_int_t {
    match request.discard_body() {
        Ok(()) => answer(request),
        Err(rc) => rc,
    }
}

/// A request and the resource that it asks for.
#[derive(Clone, Copy)]
struct Asked<'r> {
    request: Request<'r>,
    resource: Resource<'r>,
    /// Whether names in the resource are percent-encoded.
    is_encoded: bool,
}

/// The reason why a request fails.
enum Unanswered {
    Refused(Fault),
    OutOfMemory,
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Unanswered::Refused(fault)
    }
}

impl<'r> Asked<'r> {
    /// Returns what a request asks for, or `None` if there is no such resource.
    fn of(request: Request<'r>) -> Option<Self> {
        // A subrequest has no request line, and nginx has already decoded its path.
        let (path, is_encoded) = match request.target() {
            Some(target) => (target, true),
            None => (request.path(), false),
        };
        Some(Asked {
            request,
            resource: Resource::of(path)?,
            is_encoded,
        })
    }

    fn get(self) -> ngx_int_t {
        if let Resource::Explain(_) = self.resource {
            return self.answered(self.explain_parameter(self.request.query()));
        }
        self.answered(self.content().map(|content| match content {
            Some(content) => stream::begin(self.request, content),
            None => reply::page(self.request),
        }))
    }

    /// Sends the error response if the request has failed.
    fn answered(self, answer: Result<ngx_int_t, Unanswered>) -> ngx_int_t {
        match answer {
            Ok(rc) => rc,
            Err(Unanswered::Refused(fault)) => reply::refuse(self.request, fault),
            Err(Unanswered::OutOfMemory) => Code::NGX_ERROR.into(),
        }
    }

    /// Changes the state of a server.
    fn patch(self, upstream: &'r [u8], server: &'r [u8]) -> Result<ngx_int_t, Unanswered> {
        guard::check(self.request)?;
        let upstream = self.upstream(upstream)?;
        Ok(patch(self.request, upstream, self.name(server)?))
    }

    /// Explains the value in a parameter of a query string or form.
    fn explain_parameter(self, parameters: &'r [u8]) -> Result<ngx_int_t, Unanswered> {
        let value = parameter(parameters, b"value").ok_or(Fault::NoValue)?;
        self.explain(self.decoded(value)?)
    }

    /// Explains a value.
    fn explain(self, value: &'r [u8]) -> Result<ngx_int_t, Unanswered> {
        let Resource::Explain(name) = self.resource else {
            return Err(Fault::NoResource.into());
        };
        let shown = ShownUpstream::of(self.upstream(name)?);
        let shown = shown.ok_or(Unanswered::Refused(Fault::NoUpstream))?;
        Ok(explain::answer(self.request, shown, value))
    }

    /// Returns the content of the response, or `None` for the page.
    fn content(self) -> Result<Option<Content<'r>>, Unanswered> {
        let selection = match self.resource {
            Resource::Root | Resource::Upstreams => Selection::All,
            Resource::Upstream(name) | Resource::Servers(name) => {
                Selection::Upstream(self.upstream(name)?)
            }
            Resource::Server { upstream, server } => {
                Selection::Server(self.upstream(upstream)?, self.name(server)?)
            }
            Resource::Explain(_) => return Err(Fault::NoResource.into()),
        };
        let format = match self.resource {
            Resource::Root => self.format()?,
            _ => Format::Json,
        };
        let listing = || {
            let listing = Listing::new(self.request, selection);
            listing.map_err(|_| Unanswered::OutOfMemory)
        };
        Ok(match format {
            Format::Page => None,
            Format::Json => Some(Content::Json(Document::new(
                listing()?,
                is_controlled(self.request),
            ))),
            Format::Prometheus => Some(Content::Prometheus(Exposition::new(listing()?))),
        })
    }

    /// Returns the format that the request asks for.
    fn format(self) -> Result<Format, Fault> {
        match parameter(self.request.query(), b"format") {
            Some(name) => Format::of_name(name).ok_or(Fault::Format),
            None => Ok(Format::accepted(self.request.fields(b"accept"))),
        }
    }

    /// Returns the sticky upstream with a name.
    fn upstream(self, name: &'r [u8]) -> Result<Upstream<'r>, Unanswered> {
        let upstream = self.request.upstreams().find(self.name(name)?);
        let is_sticky = |upstream: &Upstream<'r>| ShownUpstream::of(*upstream).is_some();
        (upstream.filter(is_sticky)).ok_or(Unanswered::Refused(Fault::NoUpstream))
    }

    /// Returns a name, decoded if it is percent-encoded.
    fn name(self, name: &'r [u8]) -> Result<&'r [u8], Unanswered> {
        if self.is_encoded {
            self.decoded(name)
        } else {
            Ok(name)
        }
    }

    /// Returns a percent-decoded text.
    fn decoded(self, text: &'r [u8]) -> Result<&'r [u8], Unanswered> {
        match decode(text) {
            Ok(decoded) => {
                let kept = self.request.pool().copy(&decoded);
                kept.ok_or(Unanswered::OutOfMemory)
            }
            Err(Undecodable::Malformed) => Err(Fault::Encoding.into()),
            Err(Undecodable::OutOfMemory) => Err(Unanswered::OutOfMemory),
        }
    }
}
