//! `drain_if=`: with its response a server asks to drain, or says that it need not any more.

use session_cookie::memory::OutOfMemory;

use super::visit::Visit;
use crate::control::asked;

/// Looks at the response whose header is being sent, if a server of the visit has made it.
pub(crate) fn look_at_sent(visit: &Visit<'_>) -> Result<(), OutOfMemory> {
    if visit.is_responding() {
        look(visit)
    } else {
        Ok(())
    }
}

/// Looks at a response of the server in use that nginx does not send: another server is tried, or the request goes on inside.
#[cold]
#[inline(never)]
pub(super) fn look_at_unsent(visit: &Visit<'_>, has_failed: bool) {
    let is_unsent = has_failed || (visit.exchange.has_response() && !visit.is_header_sent());
    // Of half a header it is not known what it would have said.
    if is_unsent && visit.exchange.has_whole_header() {
        // Freeing a server cannot fail: where memory is short, its next response is looked at.
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
