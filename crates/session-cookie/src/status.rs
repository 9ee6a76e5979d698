//! What became of the session of a request, in one word.

use crate::policy::Policy;
use crate::verdict::{learns_of_other, Choice, Verdict};

/// What became of the session of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Status {
    /// The balancer chose the server: the request named none.
    New,
    /// The server of the session served the request.
    Bound,
    /// The server of the session could not be had, and the session belongs to another now.
    Moved,
    /// The server of the session could not be had, and another served this request only.
    Lent,
    /// The server of the session could not be had, and no other may serve it.
    Refused,
    /// The session was not looked at: persistence is switched off for the request.
    Off,
}

impl Status {
    /// Returns the word for it in logs and manuals.
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

/// What the response to a request has done for the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ActionTaken {
    /// Nothing.
    None,
    /// It has set the cookie of a session that begins, or that has moved.
    Inserted,
    /// It has set the cookie of a session that goes on.
    Updated,
    /// It has put an id in place of the value of the server's cookie.
    Rewritten,
    /// It has put an id before the value of the server's cookie.
    Prefixed,
    /// It has left a cookie of the name alone that the server has set.
    Preserved,
    /// It has left the server alone, which has ended the session.
    Deleted,
}

impl ActionTaken {
    /// Returns the word for it in logs and manuals.
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

/// Returns what became of the session of a request with this verdict, whose server `choice` chose last.
///
/// `is_own` tells whether it is a server of the session, `is_silent` whether the cookie is never set.
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
    let names_server = verdict.is_down() || matches!(verdict, Verdict::Valid | Verdict::Accepted);
    match verdict {
        _ if names_server && learns => Status::Moved,
        _ if names_server => Status::Lent,
        // The server that would have been lent was not available.
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
        // A backup, while a primary server is available.
        policy.as_nginx = true;
        assert_eq!(word(&policy, Balance, Valid, false), "lent");
        assert_eq!(word(&policy, Balance, Valid, true), "bound");
        assert_eq!(word(&policy, Balance, Unknown, false), "new");
        policy.mode = Mode::Learn;
        assert_eq!(word(&policy, Balance, Valid, false), "moved");
    }
}
