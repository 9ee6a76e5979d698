//! Where the session follows that of an application: without the application's cookie in the request there is none.

use session_cookie::policy::Policy;

use super::visit::Visit;
use crate::log::debug;
use crate::nginx::cookies::Cookies;

/// Returns the first value of our cookie in the fields of a request, if it has any; `None`: the cookie of the application is
/// not there.
#[inline(always)]
pub(super) fn own_value<'r>(policy: &Policy, fields: Cookies<'r>) -> Option<Option<&'r [u8]>> {
    let follow = policy.follow.as_ref()?;
    follow.own_value(fields.values(), &policy.cookie)
}

/// Lets the request be a first visit, whatever cookie of ours it has.
#[cold]
#[inline(never)]
pub(super) fn pass_over(visit: &mut Visit<'_>) {
    debug!(
        visit.request,
        "session_sticky: the request has no cookie of the application, the session cookie is not read"
    );
    visit.is_anonymous = true;
}
