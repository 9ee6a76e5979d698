//! Variables specified in a directive.

use core::cell::Cell;

use ngx::ffi::{ngx_http_core_main_conf_t, ngx_http_get_flushed_variable, ngx_uint_t};
use session_cookie::bytes::is_token;
use session_cookie::cookie::{values, Name};
use session_cookie::memory::OutOfMemory;

use super::cookies::{Cookies, Values};
use super::exchange::Exchange;
use super::remembered::aside;
use super::request::Request;
use super::variables::is_undefined;

/// A variable of the configuration.
pub(crate) struct Variable {
    index: ngx_uint_t,
    /// What its name refers to.
    shows: Shows,
    /// Whether `shows` applies because the configuration does not define the variable; known once all directives have been read.
    is_nginxs: Cell<bool>,
}

/// What a variable's name refers to, if the configuration does not define it.
enum Shows {
    /// A cookie of the request.
    Cookie(Name),
    /// A cookie that the upstream server sets.
    UpstreamCookie,
    Other,
}

impl Shows {
    /// Derives this from the name of the variable in the directive.
    fn of(name: &[u8]) -> Result<Self, OutOfMemory> {
        if name.starts_with(b"upstream_cookie_") {
            return Ok(Shows::UpstreamCookie);
        }
        let cookie = name.strip_prefix(b"cookie_").filter(|name| is_token(name));
        Ok(match cookie {
            Some(cookie) => Shows::Cookie(Name::new(cookie)?),
            None => Shows::Other,
        })
    }
}

impl Variable {
    /// Creates the handle of the variable with this index.
    pub(super) fn new(index: ngx_uint_t, name: &[u8]) -> Result<Self, OutOfMemory> {
        Ok(Variable {
            index,
            shows: Shows::of(name)?,
            is_nginxs: Cell::new(false),
        })
    }

    /// Determines whether the configuration defines the variable, after all directives have been read.
    pub(super) fn complete(&self, core: &ngx_http_core_main_conf_t) {
        self.is_nginxs.set(is_undefined(core, self.index));
    }

    /// Returns the current value of the variable for a request, unless it is empty. It lives as long as the request.
    #[inline(always)]
    pub(crate) fn value<'r>(&self, request: Request<'r>) -> Option<&'r [u8]> {
        match &self.shows {
            Shows::Cookie(name) if self.is_nginxs.get() => {
                cookie_value(name, request).or_else(|| self.evaluated(request))
            }
            Shows::UpstreamCookie if self.is_nginxs.get() && sets_none(request) => None,
            _ => self.evaluated(request),
        }
    }

    /// Returns the value as nginx evaluates it.
    #[inline(never)]
    fn evaluated<'r>(&self, request: Request<'r>) -> Option<&'r [u8]> {
        // SAFETY: the request is live, and the index is one of its configuration. The text of a value is in memory of the request
        // or of the cycle, and nginx does not modify it afterwards.
        unsafe {
            let value = ngx_http_get_flushed_variable(request.as_ptr(), self.index).as_ref()?;
            if value.not_found() != 0 || value.len() == 0 {
                return None;
            }
            Some(core::slice::from_raw_parts(
                value.data,
                value.len() as usize,
            ))
        }
    }
}

/// Returns the value of the first cookie with exactly this name. nginx's own lookup ignores case: it takes ten times as long and
/// may find a different cookie.
#[inline(never)]
fn cookie_value<'r>(name: &Name, request: Request<'r>) -> Option<&'r [u8]> {
    let mut fields = Cookies::current(request).values();
    let value = match values(fields.next()?, name).next() {
        Some(value) => value,
        None => cookie_value_of_others(name, fields)?,
    };
    (!value.is_empty()).then_some(value)
}

/// Searches the fields after the first. This is a separate function because a loop around the search costs registers.
#[cold]
#[inline(never)]
fn cookie_value_of_others<'r>(name: &Name, mut fields: Values<'r>) -> Option<&'r [u8]> {
    fields.find_map(|field| values(field, name).next())
}

/// Returns whether the upstream server's response sets no cookies, which is the most common case.
#[inline(always)]
fn sets_none(request: Request<'_>) -> bool {
    Exchange::of(request).is_none_or(|exchange| !exchange.sets_cookies())
}

/// Returns the first value found among several variables.
#[inline(always)]
pub(crate) fn first_value<'r>(variables: &[Variable], request: Request<'r>) -> Option<&'r [u8]> {
    (variables.iter()).find_map(|variable| variable.value(request))
}

/// [`first_value`] for use while the request may be evaluating other variables.
pub(crate) fn first_value_aside<'r>(
    variables: &[Variable],
    request: Request<'r>,
) -> Result<Option<&'r [u8]>, OutOfMemory> {
    aside(request, || first_value(variables, request))
}
