//! The header filter: adds the cookie to the response, or edits the upstream server's cookie.

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t};
use session_cookie::foreknown::Settled;
use session_cookie::memory::OutOfMemory;

use super::act::act;
use super::chain;
use crate::conf::Sticky;
use crate::log::debug;
use crate::nginx::header_filters::HeaderFilters;
use crate::nginx::request::Request;
use crate::upstream::counting::{count_all, count_settled, counts};
use crate::upstream::visit::Visit;

/// The filters after this one.
static NEXT: HeaderFilters = HeaderFilters::new();

/// Installs the filter in the chain. Called once per configuration.
pub(crate) fn install() {
    NEXT.stand_before(filter);
}

#[allow(unsafe_code)]
unsafe extern "C" fn filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls a header filter with a request that is live at least until the filter returns.
    let request = unsafe { Request::new(r) };
    match request.context::<Sticky>() {
        Some(visit) => pass(request, visit),
        None => pass_without_context(request),
    }
}

/// Handles a request without a context, which an internal redirect may have cleared. Out of line, so that the common path
/// saves no registers.
#[inline(never)]
fn pass_without_context(request: Request<'_>) -> ngx_int_t {
    match Visit::of(request) {
        Some(visit) => pass(request, visit),
        None => NEXT.call(request),
    }
}

#[inline(always)]
fn pass<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> ngx_int_t {
    visit.note_header();
    let settled = visit.settled();
    debug!(
        request,
        "session_sticky: header filter, settled:{settled:?}"
    );
    if settled == Settled::Yes {
        NEXT.call(request)
    } else if counts(visit) {
        pass_counted(request, visit)
    } else if settled == Settled::UnlessSet && !visit.exchange.sets_cookies() {
        NEXT.call(request)
    } else {
        act_only(request, visit)
    }
}

/// Changes the response, and calls the next filter. Out of line, so that the common path saves no registers.
#[inline(never)]
fn act_only<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> ngx_int_t {
    if act_unless_settled(request, visit).is_err() {
        return Status::NGX_ERROR.into();
    }
    NEXT.call(request)
}

/// Like [`act_only`], and counts the request.
#[inline(never)]
fn pass_counted<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> ngx_int_t {
    if visit.settled() == Settled::Counted && count_settled(visit) {
        NEXT.call(request)
    } else {
        act_and_count(request, visit)
    }
}

#[inline(never)]
fn act_and_count<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> ngx_int_t {
    let done = act_unless_settled(request, visit);
    count_all(request, visit);
    if done.is_err() {
        return Status::NGX_ERROR.into();
    }
    NEXT.call(request)
}

#[inline(always)]
fn act_unless_settled<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> Result<(), OutOfMemory> {
    if visit.settled() == Settled::UnlessSet {
        act_if_set(request, visit)
    } else {
        act_for_each(request, visit)
    }
}

/// Changes the response if it sets a cookie.
#[inline(never)]
fn act_if_set<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> Result<(), OutOfMemory> {
    if request.sets_cookies() {
        act_for_each(request, visit)
    } else {
        Ok(())
    }
}

/// Changes the response for each upstream that it has passed through.
#[inline(never)]
fn act_for_each<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> Result<(), OutOfMemory> {
    if request.upstream_states().len() > 1 {
        chain::act_for_all(request, visit)
    } else {
        act(request, visit)
    }
}
