//! Requests for which something else is read before the cookie: `if=` and `postonly`, or the application's cookie.

use session_cookie::memory::OutOfMemory;
use session_cookie::verdict::Verdict;

use super::lookup::read_cookie;
use super::source;
use super::visit::Visit;
use crate::conf::ReadsFirst;
use crate::nginx::request_line::Method;

/// Reads the cookie, route or session; returns `false` if persistence is switched off for the request.
#[inline(always)]
pub(super) fn read(visit: &mut Visit<'_>, first: ReadsFirst) -> Result<bool, OutOfMemory> {
    match first {
        ReadsFirst::Application => read_followed(visit).map(|()| true),
        ReadsFirst::Switches => read_with_switches(visit),
    }
}

#[inline(never)]
fn read_with_switches(visit: &mut Visit<'_>) -> Result<bool, OutOfMemory> {
    let (request, sticky) = (visit.request, visit.sticky);
    if let Some(condition) = sticky.condition {
        if !condition.is_true(request)? {
            visit.reading.verdict = Verdict::Unused;
            return Ok(false);
        }
    }
    // An internal redirect may change the method.
    visit.is_silent = sticky.policy.post_only && request.method() != Method::Post;
    match sticky.source {
        Some(source) => source::read(visit, source),
        None if sticky.policy.follow.is_some() => read_followed(visit),
        None => read_cookie::<false>(visit),
    }?;
    Ok(true)
}

#[inline(never)]
fn read_followed(visit: &mut Visit<'_>) -> Result<(), OutOfMemory> {
    read_cookie::<true>(visit)
}
