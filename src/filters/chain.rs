//! Responses that nginx redirects internally (X-Accel-Redirect, intercepted errors): each sticky upstream that has responded
//! acts on the fields that its server sent.

use core::iter::once;
use core::ptr;

use session_cookie::cookie::Follow;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Mode;
use session_cookie::set_cookie::{is_followed, sets};

use super::act::{act, act_on_way};
use super::respond::remove_own;
use crate::log::debug;
use crate::nginx::request::Request;
use crate::nginx::response_fields::Field;
use crate::nginx::string;
use crate::upstream::asking::look_at_sent;
use crate::upstream::visit::Visit;

/// Returns whether the request was passed to several upstreams. nginx separates the tries of one upstream from those of the
/// next by an entry without a server (`ngx_http_upstream_init_request`).
fn went_on(request: Request<'_>) -> bool {
    request
        .upstream_states()
        .iter()
        .any(|one| one.peer.is_null())
}

/// Returns whether the server of another visit has set the same cookie itself, and the policy of that upstream preserves it: a
/// cookie inserted by this visit would override it.
fn yields_to(request: Request<'_>, visit: &Visit<'_>, earlier: &Visit<'_>) -> bool {
    let policy = earlier.policy();
    let is_own =
        |field: Field<'_>| field.came_with(earlier.exchange) && sets(field.value(), &policy.cookie);
    !ptr::eq(visit, earlier)
        && policy.yields()
        && *policy.cookie == *visit.policy().cookie
        && request.set_cookies().any(is_own)
}

/// Returns whether the server of a visit sets or deletes the application's cookie that the session follows.
fn is_led(request: Request<'_>, visit: &Visit<'_>) -> bool {
    let leads = |follow: &Follow| {
        request
            .set_cookies()
            .any(|field| field.came_with(visit.exchange) && is_followed(field.value(), follow))
    };
    visit.policy().follow.as_ref().is_some_and(leads)
}

/// Returns whether a visit sets the cookie instead of the other one, as both cookies have the same name. The newer visit does,
/// unless only the server of the other one has set or deleted the application's cookie.
fn precedes<'r>(
    request: Request<'r>,
    visit: &Visit<'r>,
    other: &Visit<'r>,
    is_newer: bool,
) -> bool {
    match (is_led(request, visit), is_led(request, other)) {
        (true, false) => *visit.policy().cookie == *other.policy().cookie,
        (false, true) => false,
        (is_led, _) => is_newer && (is_led || !visit.is_anonymous) && visit.takes_cookie_of(other),
    }
}

/// Changes the response for the session of every visit, the newest first. If several have the same cookie name, the newest
/// sets the cookie.
#[cold]
#[inline(never)]
pub(super) fn act_for_all<'r>(
    request: Request<'r>,
    newest: &'r Visit<'r>,
) -> Result<(), OutOfMemory> {
    if !request.is_main() || !went_on(request) {
        return act(request, newest);
    }
    if newest.sticky.drain.is_some() {
        look_at_sent(newest)?;
    }
    let earlier = || Visit::earlier(request).filter(|visit| !ptr::eq(*visit, newest));
    once(newest)
        .chain(earlier())
        .try_for_each(Visit::check_memory)?;
    let responded = |visit: &&Visit| visit.responded_by().is_some();
    let visits = || once(newest).chain(earlier()).filter(responded);
    for (at, visit) in visits().enumerate() {
        let policy = visit.policy();
        let is_taken = visits()
            .take(at)
            .any(|newer| precedes(request, newer, visit, true))
            || visits().skip(at).any(|earlier| {
                yields_to(request, visit, earlier) || precedes(request, earlier, visit, false)
            });

        debug!(
            request,
            "session_sticky: response {at} on the way, of upstream \"{}\"",
            string(visit.upstream.host())
        );

        // The fields of other servers are removed meanwhile, except for those that a preserving policy must see.
        let is_in_sight = |field: Field<'_>| {
            field.came_with(visit.exchange)
                || (policy.yields() && sets(field.value(), &policy.cookie))
        };
        let count = request.set_cookies().count();
        let mut others = request.pool().stack(count).ok_or(OutOfMemory)?;
        request
            .set_cookies()
            .filter(|field| !is_in_sight(*field))
            .for_each(|field| others.push((field, field.take_out())));
        let done = match policy.mode {
            Mode::Insert | Mode::Repeat if is_taken => {
                if policy.replaces() && !policy.preserve {
                    remove_own(request, policy);
                }
                Ok(())
            }
            _ => act_on_way(request, visit),
        };
        for (field, hash) in others.into_slice() {
            field.put_back(*hash);
        }
        done?;
    }
    Ok(())
}
