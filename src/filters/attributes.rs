//! The attributes of the cookie that differ from request to request.

use ngx::ffi::time_t;
use session_cookie::bytes::{is_domain, is_path};
use session_cookie::policy::{Policy, SameSite, Style};
use session_cookie::set_cookie::{Varying, DATE};

use crate::conf::UpstreamConf;
use crate::log::error;
use crate::nginx::complex_value::ComplexValue;
use crate::nginx::request::Request;
use crate::nginx::time::{write_cookie_date, write_http_date};
use crate::nginx::Printable;

/// What they are for a request; `date` is room for one of them.
pub(super) fn varying<'a>(
    request: Request<'a>,
    policy: &Policy,
    conf: &UpstreamConf,
    now: u64,
    date: &'a mut [u8; DATE],
) -> Varying<'a> {
    let expires = policy.max_age.and_then(|max_age| {
        let at = time_t::try_from(now.saturating_add(max_age)).ok()?;
        let at = at.min(LAST_DATE);
        let length = match policy.style {
            Style::Rfc => write_http_date(date, at),
            Style::Nginx => write_cookie_date(date, at),
        };
        date.get(..length)
    });
    Varying {
        expires,
        domain: conf
            .domain
            .and_then(|compiled| DOMAIN.of(request, policy, compiled)),
        path: conf
            .path
            .and_then(|compiled| PATH.of(request, policy, compiled)),
        tls: request.is_tls(),
        same_site: conf
            .same_site
            .and_then(|compiled| same_site(request, compiled)),
    }
}

/// Fri, 31 Dec 9999 23:59:59 GMT, the last second whose HTTP-date has four digits for the year.
const LAST_DATE: time_t = 253_402_300_799;

/// An attribute whose value variables say: what is not legal leaves it out.
struct Checked {
    attribute: &'static str,
    legal: &'static str,
    is_legal: fn(&[u8]) -> bool,
}

/// A client that says `Host: a;Secure` adds nothing.
const DOMAIN: Checked = Checked {
    attribute: "domain",
    legal: "host name",
    is_legal: is_domain,
};

const PATH: Checked = Checked {
    attribute: "path",
    legal: "path",
    is_legal: is_path,
};

impl Checked {
    /// The attribute, evaluated for this request.
    #[cold]
    #[inline(never)]
    fn of<'r>(
        &self,
        request: Request<'r>,
        policy: &Policy,
        compiled: ComplexValue,
    ) -> Option<&'r [u8]> {
        let value = compiled.evaluate(request)?;
        if (self.is_legal)(value) {
            return Some(value);
        }
        if !value.is_empty() {
            error!(
                request,
                "session_sticky: {} \"{}\" of cookie \"{}\" is no {}, the cookie is set without it",
                self.attribute,
                Printable(value),
                Printable(&policy.cookie),
                self.legal
            );
        }
        None
    }
}

/// `SameSite` where it is a variable, evaluated for this request. What is no such word becomes `Strict`,
/// the value that exposes least; an empty value leaves the attribute out.
#[cold]
#[inline(never)]
fn same_site(request: Request<'_>, compiled: ComplexValue) -> Option<SameSite> {
    match compiled.evaluate(request) {
        None => Some(SameSite::Strict),
        Some(b"") => None,
        Some(word) => Some(SameSite::parse(word).unwrap_or(SameSite::Strict)),
    }
}
