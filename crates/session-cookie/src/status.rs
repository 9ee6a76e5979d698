//! The outcome of a request for its session.

use crate::policy::Policy;
use crate::verdict::{learns_of_other, Choice, Verdict};

/// What happened to the session of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// A first visit: the load-balancing method chose the server, since the request named none.
    New,
    /// The request was passed to the server of the session.
    Bound,
    /// The server of the session was unavailable, and the session now belongs to another server.
    Moved,
    /// The server of the session was unavailable, and another server processed only this request.
    Lent,
    /// The server of the session was unavailable, and no other server was allowed to process the request.
    Refused,
    /// The session was ignored: persistence is switched off for the request.
    Off,
}

impl Status {
    /// Returns the value that logs and variables show.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::New => "new",
            Status::Bound => "bound",
            Status::Moved => "moved",
            Status::Lent => "lent",
            Status::Refused => "refused",
            Status::Off => "off",
        }
    }
}

/// What the response to a request did for the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionTaken {
    /// Nothing.
    None,
    /// Set the cookie of a session that begins or has moved.
    Inserted,
    /// Set the cookie of a session that continues.
    Updated,
    /// Replaced the value of the upstream server's cookie with an ID.
    Rewritten,
    /// Put an ID before the value of the upstream server's cookie.
    Prefixed,
    /// Left a cookie of this name that the upstream server has set unchanged.
    Preserved,
    /// Left the upstream server's cookie, which ended the session, unchanged.
    Deleted,
}

impl ActionTaken {
    /// Returns the value that logs and variables show.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionTaken::None => "none",
            ActionTaken::Inserted => "inserted",
            ActionTaken::Updated => "updated",
            ActionTaken::Rewritten => "rewritten",
            ActionTaken::Prefixed => "prefixed",
            ActionTaken::Preserved => "preserved",
            ActionTaken::Deleted => "deleted",
        }
    }
}

/// Returns the status of a request with this verdict. `choice` is the last choice made for the request.
///
/// `is_own` indicates whether the last server belongs to the session, and `is_silent` whether the response must not set
/// the cookie.
///
/// ```
/// use session_cookie::policy::Policy;
/// use session_cookie::status::{status, Status};
/// use session_cookie::verdict::{Choice, Verdict};
///
/// let policy = Policy::new()?;
/// let status = status(Choice::Balance, Verdict::Down, &policy, false, false);
/// assert_eq!(status, Status::Moved);
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub fn status(
    choice: Choice,
    verdict: Verdict,
    policy: &Policy,
    is_own: bool,
    is_silent: bool,
) -> Status {
    match choice {
        _ if verdict == Verdict::Unused => return Status::Off,
        Choice::Refuse => return Status::Refused,
        _ if is_own => return Status::Bound,
        Choice::Lend => return Status::Lent,
        Choice::Bind | Choice::Balance => (),
    }
    let learns = learns_of_other(verdict, policy, is_silent);
    let names_server = verdict.names_server();
    match verdict {
        _ if names_server && learns => Status::Moved,
        _ if names_server => Status::Lent,
        // The server chosen to be lent was not available.
        Verdict::Unknown if !learns && !policy.as_nginx => Status::Lent,
        _ => Status::New,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Mode, Rebind};

    #[test]
    fn every_choice_has_its_word() {
        let mut policy = Policy::new().unwrap();
        let word = |policy: &Policy, choice, verdict, is_own| {
            status(choice, verdict, policy, is_own, false).as_str()
        };
        use {Choice::*, Verdict::*};
        for verdict in [None, Expired, Old, Unknown, Invalid] {
            assert_eq!(word(&policy, Balance, verdict, false), "new");
        }
        assert_eq!(word(&policy, Bind, Valid, true), "bound");
        assert_eq!(word(&policy, Balance, Down, true), "bound");
        assert_eq!(word(&policy, Balance, Down, false), "moved");
        assert_eq!(word(&policy, Lend, Down, false), "lent");
        assert_eq!(word(&policy, Refuse, Down, false), "refused");
        assert_eq!(word(&policy, Refuse, Unknown, false), "refused");
        policy.rebind = Rebind::Off;
        assert_eq!(word(&policy, Balance, Down, false), "lent");
        policy.rebind = Rebind::On;
        policy.mode = Mode::Route;
        assert_eq!(word(&policy, Balance, Down, false), "lent");
        assert_eq!(word(&policy, Balance, Unknown, false), "lent");
        // A backup server, while a primary server is available.
        policy.as_nginx = true;
        assert_eq!(word(&policy, Balance, Valid, false), "lent");
        assert_eq!(word(&policy, Balance, Valid, true), "bound");
        assert_eq!(word(&policy, Balance, Unknown, false), "new");
        policy.mode = Mode::Learn;
        assert_eq!(word(&policy, Balance, Valid, false), "moved");
    }
}
