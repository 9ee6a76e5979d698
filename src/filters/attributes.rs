//! The attributes of our cookie that differ from request to request.

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_complex_value, ngx_http_cookie_time, ngx_http_request_t, ngx_http_time, ngx_str_t,
    time_t, NGX_LOG_ERR,
};
use ngx::ngx_log_error;
use session_cookie::bytes::{is_domain, is_path};
use session_cookie::policy::{Policy, SameSite, Style};
use session_cookie::set_cookie::{Varying, DATE};

use crate::conf::UpstreamConf;
use crate::nginx::complex_value::ComplexValue;
use crate::nginx::{bytes, log, Printable};

/// What they are for a request; `date` is room for one of them.
///
/// # Safety
///
/// `r` is live, and outlives `'a`.
pub(super) unsafe fn varying<'a>(
    r: *mut ngx_http_request_t,
    policy: &Policy,
    conf: &UpstreamConf,
    now: u64,
    date: &'a mut [u8; DATE],
) -> Varying<'a> {
    let expires = policy.max_age.and_then(|max_age| {
        let at = time_t::try_from(now.saturating_add(max_age)).ok()?;
        let at = at.min(LAST_DATE);
        // SAFETY: ngx_http_time() writes an HTTP-date, which has exactly this length until the year 9999;
        // ngx_http_cookie_time() the same with hyphens, and until 2037 with two digits for the year.
        let end = unsafe {
            match policy.style {
                Style::Rfc => ngx_http_time(date.as_mut_ptr(), at),
                Style::Nginx => ngx_http_cookie_time(date.as_mut_ptr(), at),
            }
        };
        date.get(..(end as usize).wrapping_sub(date.as_ptr() as usize))
    });
    // SAFETY: the request is live.
    unsafe {
        Varying {
            expires,
            domain: conf
                .domain
                .and_then(|compiled| DOMAIN.of(r, policy, compiled)),
            path: conf.path.and_then(|compiled| PATH.of(r, policy, compiled)),
            tls: is_tls(r),
            same_site: conf.same_site.and_then(|compiled| same_site(r, compiled)),
        }
    }
}

/// Fri, 31 Dec 9999 23:59:59 GMT, the last second whose HTTP-date has four digits for the year.
const LAST_DATE: time_t = 253_402_300_799;

/// Did the request come over TLS?
unsafe fn is_tls(r: *mut ngx_http_request_t) -> bool {
    #[cfg(ngx_feature = "http_ssl")]
    // SAFETY: a live request has a connection.
    unsafe {
        !(*(*r).connection).ssl.is_null()
    }
    #[cfg(not(ngx_feature = "http_ssl"))]
    {
        let _ = r;
        false
    }
}

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
    unsafe fn of<'a>(
        &self,
        r: *mut ngx_http_request_t,
        policy: &Policy,
        compiled: ComplexValue,
    ) -> Option<&'a [u8]> {
        // SAFETY: the request is live, and the compiled value lives as long as the cycle.
        unsafe {
            let value = evaluate(r, compiled)?;
            if (self.is_legal)(value) {
                return Some(value);
            }
            if !value.is_empty() {
                ngx_log_error!(
                    NGX_LOG_ERR,
                    log(r),
                    "session_sticky: {} \"{}\" of cookie \"{}\" is no {}, the cookie is set without it",
                    self.attribute,
                    Printable(value),
                    Printable(&policy.cookie),
                    self.legal
                );
            }
        }
        None
    }
}

/// `SameSite` where it is a variable, evaluated for this request. What is no such word becomes `Strict`,
/// the value that exposes least; an empty value leaves the attribute out.
#[cold]
#[inline(never)]
unsafe fn same_site(r: *mut ngx_http_request_t, compiled: ComplexValue) -> Option<SameSite> {
    // SAFETY: as above.
    match unsafe { evaluate(r, compiled) } {
        None => Some(SameSite::Strict),
        Some(b"") => None,
        Some(word) => Some(SameSite::parse(word).unwrap_or(SameSite::Strict)),
    }
}

/// What a text with variables says for this request.
unsafe fn evaluate<'a>(r: *mut ngx_http_request_t, compiled: ComplexValue) -> Option<&'a [u8]> {
    // SAFETY: as above.
    unsafe {
        let mut value = ngx_str_t::empty();
        let rc = ngx_http_complex_value(r, compiled.as_ptr(), &raw mut value);
        (rc == Status::NGX_OK.into()).then(|| bytes(value))
    }
}
