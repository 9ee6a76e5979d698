//! Frees the server of a request, and records what its response or failure has shown.

use core::ffi::c_void;

use ngx::ffi::{ngx_peer_connection_t, ngx_uint_t, NGX_PEER_FAILED, NGX_PEER_NEXT};
use session_cookie::unreachable::Tolerance;
use session_cookie::verdict::Choice;

use super::asking::look_at_unsent;
use super::counting::{count, count_at_end};
use super::failure::Failure;
use super::linger;
use super::source::learn_at_end;
use super::strict;
use super::visit::{EarlierVisit, Visit};
use crate::control::apply::refresh;
use crate::log::debug;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::pool::Placed;
use crate::nginx::request::Request;
use crate::nginx::time::now;
use crate::nginx::OrNone;

/// Frees a server.
#[allow(unsafe_code)]
pub(super) unsafe extern "C" fn free(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    // SAFETY: nginx calls this after `get`, with the visit that `prepare` set. It lives as long as the request, and there is
    // no other reference to it. `kept` is read only after the last use of `visit`.
    let (visit, kept, pc) = unsafe {
        let visit = data.cast::<Visit>();
        (&mut *visit, Placed::new(visit), PeerConnection::new(pc))
    };
    debug!(
        pc,
        "session_sticky: free {}, state:{state}",
        OrNone(visit.inner.round_robin().address())
    );
    match kind(visit, state) {
        Kind::Usual => visit.inner.free(pc, state),
        Kind::Unanswered => free_unanswered(visit, pc, state),
        Kind::Unusual => {
            if let Some(request) = free_unusual(visit, pc, state) {
                keep_visit(request, kept);
            }
        }
    }
}

/// Frees a server in an upstream with learned sessions.
#[allow(unsafe_code)]
pub(super) unsafe extern "C" fn free_and_learn(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    // SAFETY: as for `free`, in whose place nginx calls this; no reference to the visit exists during the call.
    unsafe {
        free(pc, data, state);
        // If another server is tried, the response is discarded.
        if !has_failed(state) {
            learn_at_end(&*data.cast::<Visit>());
        }
    }
}

/// How a server is freed.
enum Kind {
    /// It has responded, and nothing else is to be recorded.
    Usual,
    /// It has neither responded nor failed.
    Unanswered,
    Unusual,
}

/// Returns how a server is to be freed, and records whether it has responded.
#[inline(always)]
fn kind(visit: &mut Visit<'_>, state: ngx_uint_t) -> Kind {
    if has_failed(state) || visit.attempts != 0 {
        return Kind::Unusual;
    }
    visit.has_response = visit.exchange.has_response();
    if !visit.has_response {
        Kind::Unanswered
    } else if visit.is_header_sent() {
        Kind::Usual
    } else {
        Kind::Unusual
    }
}

/// Frees a server that has not responded: the client has closed the connection, or gets a cached response. The request is
/// counted now, because its response may have no header.
#[cold]
#[inline(never)]
fn free_unanswered<'r>(visit: &Visit<'r>, pc: PeerConnection<'r>, state: ngx_uint_t) {
    visit.inner.free(pc, state);
    count(visit);
}

/// Frees a server that has failed, or about which something is to be recorded. Returns the request if it may be redirected
/// internally, which clears its contexts.
#[cold]
#[inline(never)]
fn free_unusual<'r>(
    visit: &mut Visit<'r>,
    pc: PeerConnection<'r>,
    mut state: ngx_uint_t,
) -> Option<Request<'r>> {
    let failed = has_failed(state);
    if failed && !visit.retried && was_stale(visit, pc) {
        debug!(
            pc,
            "session_sticky: a kept-alive connection was closed, which is not a failure"
        );
        state &= !(NGX_PEER_FAILED as ngx_uint_t);
        if visit.lingerer().is_some() {
            rebind_same_peer(visit);
        } else if visit.is_current() {
            visit.inner.round_robin().forget_check();
            rebind_same_peer(visit);
        }
    }
    if failed || visit.conf.unreachable(|servers| servers.is_empty()) != Some(true) {
        learn(visit, pc, state);
    }
    if visit.sticky.drain.is_some() {
        look_at_unsent(visit, failed);
    }
    visit.has_response = !failed && visit.exchange.has_response();
    match visit.lingerer() {
        Some(lingerer) => linger::free(visit, lingerer, pc, failed.then(|| why_failed(visit, pc))),
        None => visit.inner.free(pc, state),
    }
    if failed && visit.conf.control.is_wanted() {
        // The next server may have been drained since this one was chosen.
        refresh(visit.upstream, visit.conf);
    }
    if !failed && !visit.has_response {
        count(visit);
    }
    (failed || (visit.has_response && !visit.is_header_sent())).then_some(visit.request)
}

/// Keeps a visit where it is found after nginx has cleared the contexts of its request.
#[cold]
#[inline(never)]
pub(super) fn keep_visit<'r>(request: Request<'r>, visit: Placed<'r, Visit<'r>>) {
    // After a failure, the request may be tried again.
    if visit.get().has_response {
        visit.get().note_left();
    }
    let pool = request.pool();
    let newest = pool.newest::<EarlierVisit>(request.address());
    if newest.is_some_and(|newest| newest.0.is(&visit)) {
        return;
    }
    debug!(request, "session_sticky: kept for an internal redirect");
    // Freeing a server cannot fail. If memory is short, the response sets no cookie.
    pool.keep(EarlierVisit(visit));
    count_at_end(request, visit);
}

/// Returns whether the server has failed, or another server is to be tried.
#[inline(always)]
fn has_failed(state: ngx_uint_t) -> bool {
    state & (NGX_PEER_FAILED | NGX_PEER_NEXT) as ngx_uint_t != 0
}

/// Returns whether the server closed a kept-alive connection just when it was used again. That says nothing about the server,
/// and nginx itself uses up no try (`ngx_http_upstream_next`). The second time counts as a failure: a server that closes
/// without a response must not get the request on every connection to it.
fn was_stale(visit: &Visit<'_>, pc: PeerConnection<'_>) -> bool {
    pc.is_cached()
        && visit.exchange.bytes_received() == 0
        && pc.has_connection()
        && !pc.is_timed_out()
}

/// Allows the server that the cookie names to be chosen again.
#[cold]
#[inline(never)]
fn rebind_same_peer(visit: &mut Visit<'_>) {
    if visit.choice != Choice::Bind {
        return;
    }
    let data = visit.inner.round_robin();
    if let Some(lingerer) = visit.lingerer() {
        lingerer.forget_try();
        visit.retried = true;
    }
    if let Some(named) = &mut visit.named {
        data.forget_try(&named.member);
        named.tried = false;
        visit.retried = true;
        strict::forget_try(visit);
    }
}

/// Records why the server in use failed, and whether it accepts connections. nginx frees the server before its connection.
///
/// `state` is what nginx passes when it frees the server.
#[cold]
#[inline(never)]
fn learn(visit: &mut Visit<'_>, pc: PeerConnection<'_>, state: ngx_uint_t) {
    let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0;
    let (failure, reached) = why_failed(visit, pc);
    debug!(pc, "session_sticky: failed: {failure}");
    visit.failure = visit.named.map(|named| (failure, named.this));

    let trial = visit.exchange.trial();
    (visit.conf).unreachable(|servers| servers.end_trial(|other| other == trial));
    // A server of an older list may be gone even while it is in use.
    if !visit.is_current() {
        return;
    }
    let data = visit.inner.round_robin();
    let (Some(address), Some(limits)) = (data.address(), data.failure_limits()) else {
        return;
    };
    visit.conf.unreachable(|servers| {
        if reached {
            servers.succeed(address.as_bytes());
        } else if failed && !pc.is_cached() && !data.is_single() {
            // nginx tries a single server regardless of its failures, and so do strict sessions.
            let tolerance = Tolerance {
                max_fails: limits.max_fails as u64,
                fail_timeout: u64::try_from(limits.fail_timeout).unwrap_or_default(),
            };
            // If memory is short, nothing is recorded, and the server is tried again.
            let _ = servers.fail(address.as_bytes(), tolerance, now());
        }
    });
}

/// Returns why the server in use failed, if it has, and whether the request has reached it.
#[cold]
fn why_failed(visit: &Visit<'_>, pc: PeerConnection<'_>) -> (Failure, bool) {
    let exchange = visit.exchange;
    // A connection that `keepalive` has saved is missing as well, but bytes were received on it.
    let is_kept = !pc.has_connection() && exchange.bytes_received() != 0;
    let reached = (pc.has_connection() || is_kept) && exchange.is_request_sent();
    // Three digits (`ngx_http_parse_status_line`).
    let status = u16::try_from(exchange.status()).unwrap_or_default();

    let failure = match (reached, pc.is_timed_out()) {
        (false, false) => Failure::Connection,
        (false, true) => Failure::ConnectionTimedOut,
        (true, true) => Failure::TimedOut,
        (true, false) if status != 0 => Failure::Status(status),
        (true, false) => Failure::Response,
    };
    (failure, reached)
}
