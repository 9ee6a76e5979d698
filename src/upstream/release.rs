//! A request is done with a server: the server is freed, and what it tells of itself is noted.

use core::ffi::c_void;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_http_upstream_t, ngx_peer_connection_t, ngx_uint_t, NGX_PEER_FAILED, NGX_PEER_NEXT,
};
use session_cookie::unreachable::Tolerance;

use super::failure::Failure;
use super::strict;
use super::visit::{has_answered, is_current, now, Earlier, Stage, Visit};
use crate::nginx::peers::{forget_check, forget_try, Address};
use crate::nginx::pool;

/// Frees a server.
pub(super) unsafe extern "C" fn free(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
    state: ngx_uint_t,
) {
    // SAFETY: nginx calls this with the data that init_peer() gave it, after get().
    unsafe {
        let visit = &mut *data.cast::<Visit>();
        if has_failed(state) || visit.attempts != 0 {
            return free_unusual(pc, visit, state);
        }
        visit.answered = has_answered(visit.connection);
        // An answer whose header was not sent is handed on inside nginx, which will clear our context.
        if visit.answered && !visit.header_sent {
            return free_unusual(pc, visit, state);
        }
        free_below(pc, visit, state);
    }
}

/// Frees a server that has failed, or of which something is to be noted.
#[cold]
#[inline(never)]
unsafe fn free_unusual(pc: *mut ngx_peer_connection_t, visit: &mut Visit, state: ngx_uint_t) {
    // SAFETY: as in `free`.
    unsafe {
        let mut state = state;
        let failed = has_failed(state);
        if failed && !visit.retried && was_stale(pc, visit.connection) {
            state &= !(NGX_PEER_FAILED as ngx_uint_t);
            if is_current(visit) {
                forget_check(visit.below.round_robin());
                try_again(visit);
            }
        }
        if failed || !(*visit.conf.unreachable.get()).is_empty() {
            learn(visit, pc, state);
        }
        visit.answered = !failed && has_answered(visit.connection);
        if visit.answered && !visit.header_sent {
            pool::keep((*visit.request).pool, Earlier(NonNull::from(&mut *visit)));
        }
        free_below(pc, visit, state);
    }
}

/// Has nginx something against the server?
#[inline(always)]
fn has_failed(state: ngx_uint_t) -> bool {
    state & (NGX_PEER_FAILED | NGX_PEER_NEXT) as ngx_uint_t != 0
}

/// Hands the server back to the balancer below.
#[inline(always)]
unsafe fn free_below(pc: *mut ngx_peer_connection_t, visit: &Visit, state: ngx_uint_t) {
    // SAFETY: as in `free`.
    unsafe {
        if let Some(free) = visit.below.free {
            free(pc, visit.below.data, state);
        }
    }
}

/// Did the server close a connection that was kept alive, just when it was used again? That says nothing
/// about the server: nginx itself takes no try away for it (`ngx_http_upstream_next`). The second time it does:
/// a server that closes without an answer must not get the request by every connection to it.
unsafe fn was_stale(pc: *mut ngx_peer_connection_t, upstream: *mut ngx_http_upstream_t) -> bool {
    // SAFETY: nginx frees the server before the connection; a try has a state.
    unsafe {
        (*pc).cached() != 0
            && (*(*upstream).state).bytes_received == 0
            && (*pc).connection.as_ref().is_some_and(|connection| {
                (*connection.read).timedout() == 0 && (*connection.write).timedout() == 0
            })
    }
}

/// The server that the cookie names may be chosen once more.
#[cold]
#[inline(never)]
unsafe fn try_again(visit: &mut Visit) {
    if visit.stage != Stage::Bind {
        return;
    }
    // SAFETY: as in `bind`, which has chosen the server in use.
    unsafe {
        let data = visit.below.round_robin();
        if let Some(named) = &mut visit.named {
            forget_try(&named.member, data);
            named.passed = false;
            visit.retried = true;
            strict::forget_try(visit);
        }
    }
}

/// Notes why the server in use failed, and whether it accepts connections.
///
/// `state` is what nginx says of it when it is freed.
#[cold]
#[inline(never)]
unsafe fn learn(visit: &mut Visit, pc: *mut ngx_peer_connection_t, state: ngx_uint_t) {
    // SAFETY: nginx frees the server before its connection; the request holds the server.
    unsafe {
        let upstream = visit.connection;
        let connection = (*pc).connection.as_ref();
        let failed = state & NGX_PEER_FAILED as ngx_uint_t != 0;
        // Before it connects nginx leaves the flag as the last server has left it, but then there is no connection.
        // What `keepalive` has taken to keep is missing as well, but something came of it.
        let is_kept = connection.is_none() && (*(*upstream).state).bytes_received != 0;
        let reached = (connection.is_some() || is_kept) && (*upstream).request_sent() != 0;
        let timed_out = connection.is_some_and(|connection| {
            (*connection.read).timedout() != 0 || (*connection.write).timedout() != 0
        });
        // Three digits (`ngx_http_parse_status_line`).
        let status = u16::try_from((*upstream).headers_in.status_n).unwrap_or_default();

        let failure = match (reached, timed_out) {
            (false, false) => Failure::Connection,
            (false, true) => Failure::ConnectionTimedOut,
            (true, true) => Failure::TimedOut,
            (true, false) if status != 0 => Failure::Status(status),
            (true, false) => Failure::Response,
        };
        visit.failure = visit.named.map(|named| (failure, named.this));

        let unreachable = &mut *visit.conf.unreachable.get();
        unreachable.end_trial(|trial| trial == upstream);

        // A server of an older list may be gone, whoever holds it.
        if !is_current(visit) {
            return;
        }
        let data = visit.below.round_robin();
        let Some(peer) = (*data).current.as_ref() else {
            return;
        };
        let address = Address::of((*data).current);
        if reached {
            unreachable.succeed(address.as_bytes());
        } else if failed && (*pc).cached() == 0 && (*(*data).peers).single() == 0 {
            // nginx tries a single server whatever happened, and so do strict sessions.
            let tolerance = Tolerance {
                max_fails: peer.max_fails as u64,
                fail_timeout: u64::try_from(peer.fail_timeout).unwrap_or_default(),
            };
            // Where memory is short nothing is noted, and the server is tried again.
            let _ = unreachable.fail(address.as_bytes(), tolerance, now());
        }
    }
}
