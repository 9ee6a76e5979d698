//! Why a server did not serve the request.

use core::fmt::{self, Display};

/// Why a server did not serve the request.
#[derive(Clone, Copy)]
pub(super) enum Failure {
    /// The connection was refused, or the TLS handshake failed.
    Connection,
    /// The connection or the handshake took longer than `proxy_connect_timeout`.
    ConnectionTimedOut,
    /// No response arrived in time.
    TimedOut,
    /// A response with this status leads to another server (`proxy_next_upstream`).
    Status(u16),
    /// The connection was closed early, or the response was invalid.
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
