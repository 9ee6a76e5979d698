//! Where the session follows that of an application: without the application's cookie in the request there is none.

use session_cookie::memory::OutOfMemory;

use super::lookup::read_cookie;
use super::visit::Visit;
use crate::log::debug;
use crate::nginx::cookies::View;

/// Reads the cookie, if that of the application is there.
#[inline(never)]
pub(super) fn read(visit: &mut Visit<'_>) -> Result<(), OutOfMemory> {
    let view = View::of(visit.request);
    let follow = visit.sticky.policy.follow.as_ref();
    if follow.is_some_and(|follow| follow.is_in(view.original.values())) {
        read_cookie(visit)
    } else {
        pass_over(visit);
        Ok(())
    }
}

/// Lets the request be a first visit, whatever cookie of ours it has.
#[cold]
#[inline(never)]
fn pass_over(visit: &mut Visit<'_>) {
    debug!(
        visit.request,
        "session_sticky: the request has no cookie of the application, so that of the session is not read"
    );
    visit.is_anonymous = true;
}
