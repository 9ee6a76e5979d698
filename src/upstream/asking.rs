//! `drain_if=`: a server asks to drain by its response, or stops asking.

use session_cookie::memory::OutOfMemory;

use super::visit::Visit;
use crate::control::asked;

/// Examines the response whose header is being sent, if a server of the visit has sent it.
pub(crate) fn look_at_sent(visit: &Visit<'_>) -> Result<(), OutOfMemory> {
    if visit.is_responding() {
        look(visit)
    } else {
        Ok(())
    }
}

/// Examines a response that nginx does not send because another server is tried or the request is redirected internally.
#[cold]
#[inline(never)]
pub(super) fn look_at_unsent(visit: &Visit<'_>, has_failed: bool) {
    let is_unsent = has_failed || (visit.exchange.has_response() && !visit.is_header_sent());
    // An incomplete header does not show whether the server asks.
    if is_unsent && visit.exchange.has_whole_header() {
        // Freeing a server cannot fail. If memory is short, the server's next response is examined.
        let _ = look(visit);
    }
}

fn look(visit: &Visit<'_>) -> Result<(), OutOfMemory> {
    let Some(drain) = visit.sticky.drain else {
        return Ok(());
    };
    let asks = drain.condition.is_true(visit.request)?;
    if let Some(address) = visit.inner.round_robin().address() {
        let time = asks.then_some(drain.time);
        asked::note(
            visit.request,
            visit.upstream,
            visit.conf,
            address.as_bytes(),
            time,
        );
    }
    Ok(())
}
