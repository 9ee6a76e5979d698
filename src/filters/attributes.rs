//! The attributes of the cookie that vary by request.

use ngx::ffi::time_t;
use session_cookie::bytes::{is_domain, is_path};
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Policy, SameSite, Style};
use session_cookie::set_cookie::{Varying, DATE};

use crate::conf::StickyUpstream;
use crate::log::error;
use crate::nginx::complex_value::ComplexValue;
use crate::nginx::request::Request;
use crate::nginx::time::{write_cookie_date, write_http_date};
use crate::nginx::Printable;

/// Returns the attributes for a request. `date` is the buffer for `Expires`.
pub(super) fn varying<'a>(
    request: Request<'a>,
    sticky: &StickyUpstream,
    now: u64,
    date: &'a mut [u8; DATE],
) -> Result<Varying<'a>, OutOfMemory> {
    let policy = &sticky.policy;
    let expires = policy.max_age.and_then(|max_age| {
        let at = time_t::try_from(now.saturating_add(max_age)).ok()?;
        let at = at.min(LAST_DATE);
        let length = match policy.style {
            Style::Rfc => write_http_date(date, at),
            Style::Nginx => write_cookie_date(date, at),
        };
        date.get(..length)
    });
    Ok(Varying {
        expires,
        domain: DOMAIN.of(request, policy, sticky.domain)?,
        path: PATH.of(request, policy, sticky.path)?,
        secure: is_secure(request, sticky.secure)?,
        same_site: same_site(request, sticky.same_site)?,
    })
}

/// Fri, 31 Dec 9999 23:59:59 GMT, the last second whose HTTP-date has four digits for the year.
const LAST_DATE: time_t = 253_402_300_799;

/// An attribute whose value contains variables. An illegal value omits the attribute.
struct Checked {
    attribute: &'static str,
    legal: &'static str,
    is_legal: fn(&[u8]) -> bool,
}

/// A client that sends `Host: a;Secure` adds no attribute.
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
    /// Returns the attribute, evaluated for this request.
    #[inline]
    fn of<'r>(
        &self,
        request: Request<'r>,
        policy: &Policy,
        compiled: Option<ComplexValue>,
    ) -> Result<Option<&'r [u8]>, OutOfMemory> {
        compiled.map_or(Ok(None), |compiled| {
            self.evaluate(request, policy, compiled)
        })
    }

    #[cold]
    #[inline(never)]
    fn evaluate<'r>(
        &self,
        request: Request<'r>,
        policy: &Policy,
        compiled: ComplexValue,
    ) -> Result<Option<&'r [u8]>, OutOfMemory> {
        let value = compiled.evaluate(request)?;
        if (self.is_legal)(value) {
            return Ok(Some(value));
        }
        if !value.is_empty() {
            error!(
                request,
                "session_sticky: {} \"{}\" of cookie \"{}\" is not a valid {}, the cookie is set without it",
                self.attribute,
                Printable(value),
                Printable(&policy.cookie),
                self.legal
            );
        }
        Ok(None)
    }
}

/// Returns whether the cookie is `Secure`: by the variable, which is for TLS terminated in front of nginx, or else if the
/// request uses TLS.
fn is_secure(request: Request<'_>, compiled: Option<ComplexValue>) -> Result<bool, OutOfMemory> {
    match compiled {
        Some(compiled) => compiled.is_true(request),
        None => Ok(request.is_tls()),
    }
}

/// Returns the `SameSite` attribute if it is a variable. An unknown word becomes `Strict`, the most restrictive value; an
/// empty value omits the attribute.
fn same_site(
    request: Request<'_>,
    compiled: Option<ComplexValue>,
) -> Result<Option<SameSite>, OutOfMemory> {
    let Some(compiled) = compiled else {
        return Ok(None);
    };
    let word = compiled.evaluate(request)?;
    let same_site = SameSite::parse(word).unwrap_or(SameSite::Strict);
    Ok((!word.is_empty()).then_some(same_site))
}
