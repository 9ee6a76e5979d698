//! The header filter: adds the cookie to the response, or edits the one of the upstream server.

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t};
use session_cookie::action::Settled;
use session_cookie::memory::OutOfMemory;

use super::chain;
use super::respond::answer;
use crate::nginx::header_filters::HeaderFilters;
use crate::nginx::request::Request;
use crate::upstream::visit::Visit;

/// The filters after this one.
static NEXT: HeaderFilters = HeaderFilters::new();

/// Takes the filter's place in the chain. Called once a configuration.
pub(crate) fn install() {
    NEXT.stand_before(filter);
}

unsafe extern "C" fn filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this with a live request whose header is about to be sent.
    let request = unsafe { Request::new(r) };
    if let Some(visit) = Visit::of(request) {
        visit.note_header();
        if visit.settled() != Settled::Yes && answer_unsettled(request, visit).is_err() {
            return Status::NGX_ERROR.into();
        }
    }
    NEXT.call(request)
}

/// Does what the response calls for where it is not known that the session needs nothing. Apart, so that what mostly
/// happens takes no registers.
#[inline(never)]
fn answer_unsettled<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> Result<(), OutOfMemory> {
    if visit.settled() == Settled::UnlessSet && !request.sets_cookies() {
        return Ok(());
    }
    if request.upstream_states().len() > 1 {
        chain::answer_all(request, visit)
    } else {
        answer(request, visit)
    }
}
