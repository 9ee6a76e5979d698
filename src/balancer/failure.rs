//! What a request that is done with a server tells of it.

use core::fmt::{self, Display};

use ngx::ffi::{ngx_peer_connection_t, ngx_uint_t, NGX_PEER_FAILED};
use session_cookie::unreachable::Tolerance;

use super::{is_current, now, Visit};
use crate::nginx::peers::Address;

/// Why a server that was tried did not serve the request.
#[derive(Clone, Copy)]
pub(super) enum Failure {
    /// It was refused, or its TLS handshake failed.
    Connection,
    /// The same, within `proxy_connect_timeout`.
    ConnectionTimedOut,
    /// There was no response in time.
    TimedOut,
    /// A response with this status asked for another server (`proxy_next_upstream`).
    Status(u16),
    /// The connection ended early, or the response was none.
    Response,
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Connection => f.write_str("connection failed"),
            Failure::ConnectionTimedOut => f.write_str("connection timed out"),
            Failure::TimedOut => f.write_str("timed out"),
            Failure::Status(status) => write!(f, "status {status}"),
            Failure::Response => f.write_str("no valid response"),
        }
    }
}

/// Notes why the server in use failed, and whether it accepts connections.
///
/// `state` is what nginx says of it when it is freed.
#[cold]
#[inline(never)]
pub(super) unsafe fn learn(visit: &mut Visit, pc: *mut ngx_peer_connection_t, state: ngx_uint_t) {
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
            unreachable.fail(address.as_bytes(), tolerance, now());
        }
    }
}
