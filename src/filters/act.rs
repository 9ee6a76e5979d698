//! The changes that one visit makes to the response. Policies without extras take a shorter path.

use session_cookie::memory::OutOfMemory;

use super::follow;
use super::respond::{act_as, act_as_ever};
use crate::nginx::request::Request;
use crate::upstream::asking::look_at_sent;
use crate::upstream::visit::Visit;

/// Changes the response of the server as the session requires.
#[inline(never)]
pub(super) fn act<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> Result<(), OutOfMemory> {
    if !visit.sticky.has_extras {
        return act_as::<false>(request, visit);
    }
    if visit.sticky.drain.is_some() {
        look_at_sent(visit)?;
    }
    act_with_extras(request, visit)
}

/// [`act`] for one of several visits. `drain_if=` is not evaluated: the caller has done so for the newest visit, and the
/// response no longer has the fields of the others.
#[cold]
#[inline(never)]
pub(super) fn act_on_way<'r>(
    request: Request<'r>,
    visit: &'r Visit<'r>,
) -> Result<(), OutOfMemory> {
    if visit.sticky.drain.is_some() {
        act_with_extras(request, visit)
    } else {
        act(request, visit)
    }
}

fn act_with_extras<'r>(request: Request<'r>, visit: &'r Visit<'r>) -> Result<(), OutOfMemory> {
    match &visit.policy().follow {
        Some(follow) => follow::act(request, visit, follow),
        None => act_as_ever(request, visit),
    }
}
