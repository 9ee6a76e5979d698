//! The header filter: adds the cookie to the response, or edits the one of the upstream server.

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_header_filter, ngx_int_t,
};
use session_cookie::action::Settled;

use super::chain;
use super::respond::answer;
use crate::nginx::headers_out::sets_any;
use crate::upstream::visit::Visit;

/// The filter after us. nginx sets the chain anew for each configuration.
static mut NEXT: ngx_http_output_header_filter_pt = None;

/// Takes our place in the chain of header filters.
///
/// # Safety
///
/// Called once a configuration, from `postconfiguration`.
pub(crate) unsafe fn install() {
    // SAFETY: nginx has one thread, and reads the chain only when it serves requests.
    unsafe {
        NEXT = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(filter);
    }
}

unsafe extern "C" fn filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this with a live request whose header is about to be sent.
    unsafe {
        if let Some(visit) = Visit::of(r) {
            visit.note_header();
            if visit.settled() != Settled::Yes {
                return filter_unsettled(r, visit);
            }
        }
        pass_on(r)
    }
}

/// The same if it is not known that the session needs nothing. Apart, so that what mostly happens takes no
/// registers.
#[inline(never)]
unsafe fn filter_unsettled(r: *mut ngx_http_request_t, visit: &Visit) -> ngx_int_t {
    // SAFETY: as above.
    unsafe {
        let needs_nothing = visit.settled() == Settled::UnlessSet && !sets_any(r);
        if !needs_nothing {
            let answered = if chain::may_have_gone_on(r) {
                chain::answer_all(r, visit)
            } else {
                answer(r, visit)
            };
            if answered.is_err() {
                return Status::NGX_ERROR.into();
            }
        }
        pass_on(r)
    }
}

/// Calls the filter after us.
unsafe fn pass_on(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: as above; only the start of a configuration writes to it.
    unsafe { NEXT.map_or(Status::NGX_OK.into(), |next| next(r)) }
}
