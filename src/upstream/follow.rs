//! Where the session follows that of an application: without the application's cookie in the request there is none.

use session_cookie::policy::Policy;

use super::visit::Visit;
use crate::log::debug;
use crate::nginx::cookies::Cookies;

/// Returns whether the cookie of the application is in the fields of a request.
#[inline(always)]
pub(super) fn is_in(policy: &Policy, fields: Cookies<'_>) -> bool {
    let follow = policy.follow.as_ref();
    follow.is_some_and(|follow| follow.is_in(fields.values()))
}

/// Lets the request be a first visit, whatever cookie of ours it has.
#[cold]
#[inline(never)]
pub(super) fn pass_over(visit: &mut Visit<'_>) {
    debug!(
        visit.request,
        "session_sticky: the request has no cookie of the application, so that of the session is not read"
    );
    visit.is_anonymous = true;
}
