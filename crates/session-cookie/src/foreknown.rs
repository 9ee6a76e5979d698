//! Decides before the response arrives whether it needs an action. For nearly every request, it needs none.

use crate::policy::{Mode, Policy};
use crate::verdict::{Reading, Verdict};

/// Whether a response from the server that the cookie names needs an action.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Settled {
    /// No: the session continues, and its cookie is up to date. This is the case for nearly every request.
    Yes,
    /// No, but the request has to be counted.
    Counted,
    /// No, unless the response sets a cookie.
    UnlessSet,
    /// It may need one.
    #[default]
    No,
}

/// What is known about responses before any request is received, if the session of the request continues.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Foreknown {
    /// For a cookie without timestamps.
    pub unstamped: Settled,
    /// For a cookie whose timestamps are too recent to be renewed.
    pub fresh: Settled,
}

impl Foreknown {
    /// Returns what follows from a policy. `quiet` is the value for responses that need no action.
    pub fn new(policy: &Policy, quiet: Settled) -> Self {
        let quiet = if policy.replaces() || policy.preserve || policy.follow.is_some() {
            Settled::UnlessSet
        } else {
            quiet
        };
        let when = |is_quiet| if is_quiet { quiet } else { Settled::No };
        Foreknown {
            unstamped: when(policy.is_quiet()),
            fresh: when(policy.mode == Mode::Insert && policy.limits.any() && policy.refresh != 0),
        }
    }

    /// Decides on the response once the cookie has been read. `clock` returns the seconds since the epoch.
    #[inline]
    pub fn settled(&self, policy: &Policy, reading: &Reading, clock: impl Fn() -> u64) -> Settled {
        match (reading.verdict, reading.session.stamps) {
            (Verdict::Valid, None) => self.unstamped,
            (Verdict::Valid, Some(stamps))
                if self.fresh != Settled::No && policy.is_fresh(stamps.last_seen, clock()) =>
            {
                self.fresh
            }
            _ => Settled::No,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::action::{respond, Action};
    use crate::keys::Keys;
    use crate::policy::{Limits, Visibility};
    use crate::session::{Session, Stamps};

    const NOW: u64 = 1_600_000_000;

    pub(crate) fn valid(id: &[u8], stamps: Option<(u64, u64)>) -> Reading<'_> {
        let stamps = stamps.map(|(last_seen, first_seen)| Stamps {
            last_seen,
            first_seen,
        });
        Reading {
            verdict: Verdict::Valid,
            session: Session { id, stamps },
        }
    }

    /// Policies with all combinations of mode, visibility, limits, `refresh`, `preserve` and signatures.
    pub(crate) fn policies() -> impl Iterator<Item = Policy> {
        let keys = Keys::read(b"the key of a test").unwrap().keys;
        let modes = [
            Mode::Insert,
            Mode::Repeat,
            Mode::Rewrite,
            Mode::Prefix,
            Mode::Route,
        ];
        (0..1 << 5).flat_map(move |bits: u8| {
            let bit = |number: u8| bits & 1 << number != 0;
            modes.map(|mode| Policy {
                mode,
                visibility: if bit(0) {
                    Visibility::Indirect
                } else {
                    Visibility::Direct
                },
                limits: Limits {
                    max_idle: bit(1).then_some(30),
                    max_life: None,
                },
                refresh: if bit(2) { 10 } else { 0 },
                preserve: bit(3),
                signer: bit(4).then(|| keys.signer(b"route").unwrap()),
                ..Policy::new().unwrap()
            })
        })
    }

    #[test]
    fn a_settled_session_needs_nothing_whatever_the_response_is() {
        let verdicts = [
            Verdict::None,
            Verdict::Valid,
            Verdict::Accepted,
            Verdict::Forged,
        ];
        let ages =
            [None, Some(9), Some(10), Some(11)].map(|age| age.map(|age| (NOW - age, NOW - 20)));
        let future = Some((NOW + 1, NOW + 1));
        let mut known = 0;
        for policy in policies() {
            let foreknown = Foreknown::new(&policy, Settled::Counted);
            for verdict in verdicts {
                for stamps in ages.into_iter().chain([future]) {
                    let reading = Reading {
                        verdict,
                        ..valid(b"a", stamps)
                    };
                    let needs = |sets| respond(&policy, &reading, b"a", || sets, NOW);
                    match foreknown.settled(&policy, &reading, || NOW) {
                        Settled::Counted => {
                            assert_eq!([false, true].map(needs), [Action::None; 2]);
                        }
                        Settled::UnlessSet => assert_eq!(needs(false), Action::None),
                        Settled::Yes => unreachable!("there is a request to count"),
                        Settled::No => continue,
                    }
                    known += 1;
                }
            }
        }
        // `insert` without limits, `insert` with fresh timestamps, `route`
        assert_eq!(known, 16 + 8 + 32);
    }

    #[test]
    fn a_session_that_needs_nothing_is_foreknown() {
        for policy in policies().filter(|policy| policy.mode == Mode::Insert) {
            let foreknown = Foreknown::new(&policy, Settled::Yes);
            for stamps in [None, Some((NOW - 9, NOW - 20))] {
                let reading = valid(b"a", stamps);
                let action = respond(&policy, &reading, b"a", || false, NOW);
                let is_settled = foreknown.settled(&policy, &reading, || NOW) != Settled::No;
                assert_eq!(is_settled, action == Action::None, "{policy:?} {stamps:?}");
            }
        }
    }
}
