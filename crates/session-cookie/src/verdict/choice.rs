//! How the server of a request is chosen.

use super::Verdict;
use crate::policy::{Fallback, Mode, Policy, Rebind};

/// How the server of a request is chosen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// By the cookie. If several servers have its ID, another one of them may be used if the first fails.
    Bind,
    /// By the session: while its own server is unavailable, always the same other server.
    Lend,
    /// By the upstream's load-balancing method.
    Balance,
    /// Not at all: the request is rejected.
    Refuse,
}

impl Choice {
    /// Returns the text for the choice in log messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Choice::Bind => "the cookie chooses",
            Choice::Lend => "another server is selected for this request",
            Choice::Balance => "the balancer chooses",
            Choice::Refuse => "the request is refused",
        }
    }
}

/// Returns how the server is chosen for a request with this verdict.
///
/// `fallback` is the policy's, or a stricter one set for the location. `is_silent` indicates that the cookie is never set.
///
/// A cookie that is treated as absent means a first visit, whatever the `fallback`.
pub fn choose(verdict: Verdict, policy: &Policy, fallback: Fallback, is_silent: bool) -> Choice {
    let is_refused = match verdict {
        Verdict::Valid | Verdict::Accepted => return Choice::Bind,
        Verdict::None
        | Verdict::Expired
        | Verdict::Old
        | Verdict::Invalid
        | Verdict::Forged
        | Verdict::Unused => return Choice::Balance,
        Verdict::Unknown => fallback == Fallback::Off,
        Verdict::Down | Verdict::DownAccepted => fallback != Fallback::On,
    };
    if is_refused {
        Choice::Refuse
    } else if policy.as_nginx || learns_of_other(verdict, policy, is_silent) {
        Choice::Balance
    } else {
        Choice::Lend
    }
}

/// Returns `true` if the session is certain to move to the other server, by a new cookie or in the table. Otherwise, the next
/// request would be the same as this one and could be passed to any server.
pub(crate) fn learns_of_other(verdict: Verdict, policy: &Policy, is_silent: bool) -> bool {
    let is_kept = verdict.is_down() && policy.rebind == Rebind::Off;
    match policy.mode {
        // Only the application knows whether it will set the cookie or the route again.
        Mode::Prefix | Mode::Rewrite | Mode::Route => false,
        Mode::Insert | Mode::Repeat => !is_kept && !is_silent,
        Mode::Learn => !is_kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABSENT: [Verdict; 6] = [
        Verdict::None,
        Verdict::Expired,
        Verdict::Old,
        Verdict::Invalid,
        Verdict::Forged,
        Verdict::Unused,
    ];

    fn policies() -> impl Iterator<Item = Policy> {
        let modes = [
            Mode::Insert,
            Mode::Repeat,
            Mode::Rewrite,
            Mode::Prefix,
            Mode::Route,
            Mode::Learn,
        ];
        modes.into_iter().flat_map(|mode| {
            [Rebind::On, Rebind::Off].map(|rebind| Policy {
                mode,
                rebind,
                ..Policy::new().unwrap()
            })
        })
    }

    #[test]
    fn a_cookie_that_names_a_server_chooses_and_an_absent_one_does_not() {
        for policy in policies() {
            for fallback in [Fallback::On, Fallback::Unknown, Fallback::Off] {
                for is_silent in [false, true] {
                    let choose = |verdict| choose(verdict, &policy, fallback, is_silent);
                    assert_eq!(choose(Verdict::Valid), Choice::Bind);
                    assert_eq!(choose(Verdict::Accepted), Choice::Bind);
                    assert!(ABSENT.map(choose).iter().all(|who| *who == Choice::Balance));
                }
            }
        }
    }

    #[test]
    fn only_a_server_that_was_named_can_be_refused() {
        for policy in policies() {
            for is_silent in [false, true] {
                let refuses = |verdict, fallback| {
                    choose(verdict, &policy, fallback, is_silent) == Choice::Refuse
                };
                assert!(refuses(Verdict::Unknown, Fallback::Off));
                assert!(!refuses(Verdict::Unknown, Fallback::Unknown));
                assert!(!refuses(Verdict::Unknown, Fallback::On));
                assert!(refuses(Verdict::Down, Fallback::Off));
                assert!(refuses(Verdict::Down, Fallback::Unknown));
                assert!(!refuses(Verdict::Down, Fallback::On));
            }
        }
    }

    #[test]
    fn a_session_is_lent_unless_its_client_learns_of_the_other_server() {
        for policy in policies() {
            let lends = |verdict, is_silent| {
                choose(verdict, &policy, Fallback::On, is_silent) == Choice::Lend
            };
            let is_own = matches!(policy.mode, Mode::Insert | Mode::Repeat);
            let is_learned = policy.mode == Mode::Learn;
            let is_kept = policy.rebind == Rebind::Off;
            for verdict in [Verdict::Unknown, Verdict::Down] {
                let is_noted = is_learned && !(is_kept && verdict == Verdict::Down);
                assert_eq!(lends(verdict, true), !is_noted);
            }
            assert_eq!(lends(Verdict::Unknown, false), !is_own && !is_learned);
            let is_told = is_own || is_learned;
            assert_eq!(lends(Verdict::Down, false), !is_told || is_kept);
        }
    }

    #[test]
    fn as_with_nginx_the_balancer_chooses_while_the_server_is_away() {
        for policy in policies() {
            let policy = Policy {
                as_nginx: true,
                ..policy
            };
            for verdict in [Verdict::Unknown, Verdict::Down] {
                let choice = choose(verdict, &policy, Fallback::On, false);
                assert_eq!(choice, Choice::Balance);
            }
        }
    }
}
