//! Sessions that follow those of an application: a request without the application's cookie has no session.

use session_cookie::policy::Policy;

use super::visit::Visit;
use crate::log::debug;
use crate::nginx::cookies::Cookies;

/// Returns the first value of the module's cookie in the request, if it has any; `None` if the application's cookie is
/// missing.
#[inline(always)]
pub(super) fn own_value<'r>(policy: &Policy, fields: Cookies<'r>) -> Option<Option<&'r [u8]>> {
    let follow = policy.follow.as_ref()?;
    follow.own_value(fields.values(), &policy.cookie)
}

/// Treats the request as a first visit, even if it has the module's cookie.
#[cold]
#[inline(never)]
pub(super) fn pass_over(visit: &mut Visit<'_>) {
    debug!(
        visit.request,
        "session_sticky: the request has no cookie of the application, the session cookie is not read"
    );
    visit.is_anonymous = true;
}
