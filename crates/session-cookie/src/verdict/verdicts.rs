//! The verdicts.

/// The verdict on the cookie of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The request has no cookie.
    None,
    /// The cookie names a server of the upstream.
    Valid,
    /// The cookie names a server of the upstream in another, accepted scheme.
    Accepted,
    /// The session was idle for too long.
    Expired,
    /// The session has exceeded its maximum lifetime.
    Old,
    /// The cookie does not name a server of the upstream.
    Unknown,
    /// The cookie names a server that is currently unavailable.
    Down,
    /// Same as [`Down`](Self::Down), in another, accepted scheme.
    DownAccepted,
    /// The cookie is malformed, or its timestamps are in the future.
    Invalid,
    /// The signature is wrong or missing.
    Forged,
    /// The cookie was not evaluated: persistence is disabled for the request.
    Unused,
}

impl Verdict {
    /// Returns `true` if the cookie names a server that is currently unavailable.
    pub fn is_down(self) -> bool {
        matches!(self, Verdict::Down | Verdict::DownAccepted)
    }

    /// Returns `true` if the cookie names a server of the upstream, available or not.
    pub fn names_server(self) -> bool {
        self.is_down() || matches!(self, Verdict::Valid | Verdict::Accepted)
    }

    /// Returns the verdict to use instead if none of the servers named by the cookie is available.
    pub fn down(self) -> Self {
        match self {
            Verdict::Accepted | Verdict::DownAccepted => Verdict::DownAccepted,
            _ => Verdict::Down,
        }
    }

    /// Returns the name of the verdict in logs and documentation.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::None => "none",
            Verdict::Valid | Verdict::Accepted => "valid",
            Verdict::Expired => "expired",
            Verdict::Old => "old",
            Verdict::Unknown => "unknown",
            Verdict::Down | Verdict::DownAccepted => "down",
            Verdict::Invalid => "invalid",
            Verdict::Forged => "forged",
            Verdict::Unused => "unused",
        }
    }
}
