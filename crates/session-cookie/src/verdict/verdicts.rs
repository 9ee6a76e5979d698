//! The verdicts.

/// The verdict on the cookie that a request carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// The request carries none.
    None,
    /// It names a server of the upstream.
    Valid,
    /// It names a server of the upstream in another scheme, which is accepted.
    Accepted,
    /// Its session was idle for too long.
    Expired,
    /// Its session has lived for too long.
    Old,
    /// It names no server of the upstream.
    Unknown,
    /// It names a server that cannot take the request now.
    Down,
    /// The same in another scheme, which is accepted.
    DownAccepted,
    /// It is malformed, or stamped in the future.
    Invalid,
    /// Its signature is wrong, or missing.
    Forged,
    /// It was not looked at: persistence is switched off for the request.
    Unused,
}

impl Verdict {
    /// Returns whether the cookie names a server that cannot take the request now.
    pub fn is_down(self) -> bool {
        matches!(self, Verdict::Down | Verdict::DownAccepted)
    }

    /// Returns what becomes of the verdict when none of the servers that the cookie names can take the request.
    pub fn down(self) -> Self {
        match self {
            Verdict::Accepted | Verdict::DownAccepted => Verdict::DownAccepted,
            _ => Verdict::Down,
        }
    }

    /// Returns the word for the verdict in logs and manuals.
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
