//! What is known of a response before it is there: with nearly every request, that it needs no action.

use crate::policy::{Mode, Policy};
use crate::verdict::{Reading, Verdict};

/// The foreknowledge that a response of the server that the cookie names needs no action.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Settled {
    /// It needs none, as with nearly every request: the session goes on, and its cookie is up to date.
    Yes,
    /// It needs none, and the request is to be counted.
    Counted,
    /// It needs none unless it sets a cookie.
    UnlessSet,
    /// It may need one.
    #[default]
    No,
}

/// What is known of a response before there is a request, if its session goes on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Foreknown {
    /// Where its cookie has no stamps.
    pub unstamped: Settled,
    /// Where its stamps are fresh.
    pub fresh: Settled,
}

impl Foreknown {
    /// Returns what is known under a policy; `quiet` is what there is to do where the response needs nothing.
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

    /// Returns what is known of the response when a cookie was read; `clock` tells the seconds since the epoch.
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

    /// Policies by mode, visibility, limits, `refresh`, `preserve` and signatures.
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
        // insert without limits, insert with fresh stamps, route
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
