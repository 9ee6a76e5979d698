//! The verdict on the cookie of a request, and how the server of the request is chosen.
//!
//! A [`Judge`] evaluates the values of the cookie; each [`Reading`] contains a [`Verdict`] and the session. [`choose`] then
//! returns how the server is chosen: by the cookie, by the session, by the load-balancing method, or not at all.

mod accepted;
mod choice;
mod signed;
mod verdicts;

pub(crate) use choice::learns_of_other;
pub use choice::{choose, Choice};
pub use verdicts::Verdict;

use crate::cookie::values;
use crate::policy::{Limits, Mode, Policy};
use crate::session::{as_written, decode, decode_usual, Session, Stamps, Undecodable, STAMPED};

/// The number of seconds that a timestamp may be ahead of the clock, since clocks of proxies differ. Tengine allows the same.
pub const CLOCK_TOLERANCE: u64 = 86_400;

/// A cookie that was evaluated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading<'a> {
    /// The verdict.
    pub verdict: Verdict,
    /// The session in the value; empty if the value could not be decoded.
    pub session: Session<'a>,
}

impl<'a> Reading<'a> {
    /// The reading of a request without a cookie of this name.
    pub const NONE: Self = Reading {
        verdict: Verdict::None,
        session: Session {
            id: b"",
            stamps: None,
        },
    };

    fn undecodable(why: Undecodable) -> Self {
        match why {
            Undecodable::Unmarked => Reading::NONE,
            Undecodable::Malformed => Reading {
                verdict: Verdict::Invalid,
                ..Reading::NONE
            },
        }
    }
}

/// A lookup of IDs among the servers of an upstream. This is a trait so that an implementation can control its inlining.
pub trait Lookup<N> {
    /// Returns the server with this ID.
    fn look_up(&self, id: &[u8]) -> Option<N>;
}

impl<N, F: Fn(&[u8]) -> Option<N>> Lookup<N> for F {
    fn look_up(&self, id: &[u8]) -> Option<N> {
        self(id)
    }
}

/// Evaluates the cookies of requests to one upstream.
///
/// The methods return the server found for the ID of a valid cookie. They write the reading, which must be [`Reading::NONE`]
/// before the call, in place, because they run for every request.
///
/// ```
/// use session_cookie::policy::Policy;
/// use session_cookie::verdict::{Judge, Reading, Verdict};
///
/// let judge = Judge {
///     policy: &Policy::new()?,
///     servers: |id: &[u8]| (id == b"a").then_some("192.0.2.1:80"),
///     clock: || 1_600_000_000,
/// };
///
/// let mut reading = Reading::NONE;
/// let server = judge.read([&b"x=y; route=a"[..]].into_iter(), &mut reading);
/// assert_eq!(server, Some("192.0.2.1:80"));
/// assert_eq!(reading.verdict, Verdict::Valid);
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(clippy::disallowed_methods)] // a copy allocates nothing
pub struct Judge<'p, L, C> {
    /// The policy of the upstream.
    pub policy: &'p Policy,
    /// The lookup of its servers by ID.
    pub servers: L,
    /// The clock, which returns the seconds since the epoch.
    pub clock: C,
}

impl<L: Copy, C: Fn() -> u64 + Copy> Judge<'_, L, C> {
    /// Evaluates all values of the cookie in the fields of a request. The first valid value wins, otherwise the first value.
    ///
    /// If the policy accepts other schemes, only the first value is evaluated: the caller has to evaluate each value in all
    /// schemes before the next value.
    #[inline(always)]
    pub fn read<'a, N>(
        &self,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
        reading: &mut Reading<'a>,
    ) -> Option<N>
    where
        L: Lookup<N>,
    {
        #[allow(clippy::disallowed_methods)] // cloning the iterator copies no fields
        let mut all = fields.clone();
        let first = match values(all.next()?, &self.policy.cookie).next() {
            Some(first) => first,
            None => first_of_others(all.next()?, all, self.policy)?,
        };
        self.read_from(first, fields, reading)
    }

    /// Same as [`read`](Self::read), for callers that know the first value in the fields.
    #[inline(always)]
    pub fn read_from<'a, N>(
        &self,
        first: &'a [u8],
        fields: impl Iterator<Item = &'a [u8]>,
        reading: &mut Reading<'a>,
    ) -> Option<N>
    where
        L: Lookup<N>,
    {
        match self.read_value(first, reading) {
            Some(found) => Some(found),
            None if self.policy.reads_other_schemes() => None,
            None => self.read_others(fields, reading),
        }
    }

    /// Evaluates a single value.
    #[inline(always)]
    pub fn read_value<'a, N>(&self, value: &'a [u8], reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        if self.policy.mode != Mode::Prefix {
            // Without timestamps, nearly every value is a bare ID.
            let found = if self.policy.limits.any() {
                self.read_stamped(value, reading)
            } else {
                self.read_whole(value, reading)
            };
            if found.is_some() {
                return found;
            }
        }
        self.judge(value, reading)
    }

    /// Evaluates a value that is a bare ID of a server. Any other value is evaluated by [`judge`](Self::judge).
    #[inline(always)]
    fn read_whole<'a, N>(&self, value: &'a [u8], reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        let found = self.servers.look_up(value)?;
        reading.verdict = Verdict::Valid;
        reading.session.id = value;
        Some(found)
    }

    /// Evaluates a value with timestamps whose session goes on. Any other value is evaluated by [`judge`](Self::judge), which
    /// overwrites the reading.
    #[inline(always)]
    fn read_stamped<'a, N>(&self, value: &'a [u8], reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        if self.policy.signer.is_some() {
            return None;
        }
        // Most values have this length, for which the compiler generates no calls.
        let value: &[u8; STAMPED] = value.try_into().ok()?;
        let (id, stamps) = as_written(value)?;
        // Written before the lookup, which leaves no free registers.
        reading.session = Session {
            id,
            stamps: Some(stamps),
        };
        if age(stamps, self.policy.limits, (self.clock)()) != Verdict::Valid {
            return None;
        }
        let found = self.servers.look_up(id)?;
        reading.verdict = Verdict::Valid;
        Some(found)
    }

    /// Evaluates an ID without timestamps that was already split off its value.
    #[inline]
    pub fn read_id<'a, N>(&self, id: &'a [u8], reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        let found = self.servers.look_up(id);
        reading.verdict = match found {
            Some(_) => Verdict::Valid,
            None if id.is_empty() => Verdict::Invalid,
            None => Verdict::Unknown,
        };
        reading.session.id = id;
        found
    }

    /// Evaluates all values except the first.
    #[cold]
    #[inline(never)]
    fn read_others<'a, N>(
        &self,
        fields: impl Iterator<Item = &'a [u8]>,
        reading: &mut Reading<'a>,
    ) -> Option<N>
    where
        L: Lookup<N>,
    {
        judged_values(fields, self.policy)
            .skip(1)
            .find_map(|value| {
                let mut other = Reading::NONE;
                let found = self.judge(value, &mut other)?;
                *reading = other;
                Some(found)
            })
    }

    #[inline(never)]
    fn judge<'a, N>(&self, value: &'a [u8], reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        if let Some(signer) = &self.policy.signer {
            return self.judge_signed(value, signer, reading);
        }
        match decode_usual(value, self.policy.mode) {
            Some(session) => self.weigh(session, reading),
            None => self.judge_any(value, reading),
        }
    }

    #[cold]
    #[inline(never)]
    fn judge_any<'a, N>(&self, value: &'a [u8], reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        match decode(value, self.policy.mode) {
            Ok(session) => self.weigh(session, reading),
            Err(why) => {
                *reading = Reading::undecodable(why);
                None
            }
        }
    }

    #[inline(always)]
    fn weigh<'a, N>(&self, session: Session<'a>, reading: &mut Reading<'a>) -> Option<N>
    where
        L: Lookup<N>,
    {
        let age = self.age(session.stamps);
        reading.session = session;
        reading.verdict = age;
        if age != Verdict::Valid {
            return None;
        }
        let found = self.servers.look_up(session.id);
        if found.is_none() {
            reading.verdict = Verdict::Unknown;
        }
        found
    }

    /// Returns the verdict on the timestamps of a session: that it is valid, or why it has ended.
    #[inline(always)]
    fn age(&self, stamps: Option<Stamps>) -> Verdict {
        match stamps {
            Some(stamps) if self.policy.limits.any() => {
                age(stamps, self.policy.limits, (self.clock)())
            }
            _ => Verdict::Valid,
        }
    }
}

/// Returns the first value after the first field. A separate function, because a loop around the search costs registers.
#[cold]
#[inline(never)]
fn first_of_others<'a>(
    second: &'a [u8],
    others: impl Iterator<Item = &'a [u8]>,
    policy: &Policy,
) -> Option<&'a [u8]> {
    let mut fields = core::iter::once(second).chain(others);
    fields.find_map(|field| values(field, &policy.cookie).next())
}

/// The maximum number of values of the cookie that are evaluated. A client rarely sends more than two, from two paths or domains.
const MOST_VALUES: usize = 8;

/// Returns the values of the cookie that are evaluated, in order.
pub fn judged_values<'a, 'p, F: Iterator<Item = &'a [u8]>>(
    fields: F,
    policy: &'p Policy,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'p, F> {
    fields
        .flat_map(|field| values(field, &policy.cookie))
        .take(MOST_VALUES)
}

#[inline]
fn age(stamps: Stamps, limits: Limits, now: u64) -> Verdict {
    let latest = now.saturating_add(CLOCK_TOLERANCE);
    let exceeds = |limit: Option<u64>, since: u64| {
        limit.is_some_and(|limit| now.saturating_sub(since) > limit)
    };

    if stamps.last_seen > latest || stamps.first_seen > latest {
        Verdict::Invalid
    } else if exceeds(limits.max_idle, stamps.last_seen) {
        Verdict::Expired
    } else if exceeds(limits.max_life, stamps.first_seen) {
        Verdict::Old
    } else {
        Verdict::Valid
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    pub(super) const NOW: u64 = 1_600_000_000;

    pub(super) fn limited() -> Policy {
        let limits = Limits {
            max_idle: Some(30),
            max_life: Some(100),
        };
        Policy {
            limits,
            ..Policy::new().unwrap()
        }
    }

    fn is_a(id: &[u8]) -> Option<()> {
        (id == b"a").then_some(())
    }

    fn judge(policy: &Policy) -> Judge<'_, impl Lookup<()> + Copy, impl Fn() -> u64 + Copy> {
        Judge {
            policy,
            servers: is_a,
            clock: || NOW,
        }
    }

    fn verdict(policy: &Policy, values: &[&str]) -> Verdict {
        let fields: Vec<_> = values
            .iter()
            .map(|value| alloc::format!("route={value}"))
            .collect();
        let mut reading = Reading::NONE;
        let fields = fields.iter().map(|field| field.as_bytes());
        let found = judge(policy).read(fields, &mut reading);
        assert_eq!(found.is_some(), reading.verdict == Verdict::Valid);
        reading.verdict
    }

    fn stamped(idle: i64, life: i64) -> alloc::string::String {
        let at = |ago: i64| NOW.checked_add_signed(-ago).unwrap();
        alloc::format!("a|{}|{}", at(idle), at(life))
    }

    #[test]
    fn limits_are_inclusive() {
        assert_eq!(verdict(&limited(), &[&stamped(30, 100)]), Verdict::Valid);
        assert_eq!(verdict(&limited(), &[&stamped(31, 100)]), Verdict::Expired);
        assert_eq!(verdict(&limited(), &[&stamped(30, 101)]), Verdict::Old);
    }

    #[test]
    fn clocks_may_differ_by_a_day() {
        assert_eq!(verdict(&limited(), &[&stamped(-86_400, 0)]), Verdict::Valid);
        assert_eq!(
            verdict(&limited(), &[&stamped(-86_401, 0)]),
            Verdict::Invalid
        );
        assert_eq!(
            verdict(&limited(), &[&stamped(0, -86_401)]),
            Verdict::Invalid
        );
    }

    #[test]
    fn one_limit_leaves_the_other_open() {
        let mut policy = limited();
        policy.limits.max_idle = None;
        assert_eq!(verdict(&policy, &[&stamped(99, 99)]), Verdict::Valid);
        policy.limits = Limits {
            max_idle: Some(30),
            max_life: None,
        };
        assert_eq!(verdict(&policy, &[&stamped(1, 1_000_000)]), Verdict::Valid);
    }

    #[test]
    fn stamps_and_limits_may_each_be_missing() {
        assert_eq!(verdict(&limited(), &["a"]), Verdict::Valid);
        assert_eq!(
            verdict(&Policy::new().unwrap(), &[&stamped(1_000_000, 0)]),
            Verdict::Valid
        );
    }

    #[test]
    fn an_id_is_judged_as_the_value_in_which_it_stands() {
        let policy = Policy {
            mode: Mode::Prefix,
            ..Policy::new().unwrap()
        };
        for id in ["a", "b", ""] {
            let (mut whole, mut part) = (Reading::NONE, Reading::NONE);
            let value = alloc::format!("{id}~x");
            let found = judge(&policy).read_value(value.as_bytes(), &mut whole);
            assert_eq!(judge(&policy).read_id(id.as_bytes(), &mut part), found);
            assert_eq!(part, whole);
        }
    }

    #[test]
    fn so_many_values_are_judged_and_no_more() {
        for policy in [&limited(), &Policy::new().unwrap()] {
            let mut values = ["b"; MOST_VALUES];
            values[MOST_VALUES - 1] = "a";
            assert_eq!(verdict(policy, &values), Verdict::Valid);
            let mut values = ["b"; MOST_VALUES + 1];
            values[MOST_VALUES] = "a";
            assert_eq!(verdict(policy, &values), Verdict::Unknown);
        }
    }

    #[test]
    fn the_first_valid_value_wins_else_the_first() {
        assert_eq!(verdict(&limited(), &["b", "|", "a"]), Verdict::Valid);
        assert_eq!(verdict(&limited(), &["b", "|"]), Verdict::Unknown);
        assert_eq!(verdict(&limited(), &["|", "b"]), Verdict::Invalid);
        assert_eq!(verdict(&limited(), &[]), Verdict::None);
    }

    proptest! {
        #[test]
        fn a_value_of_the_usual_form_is_judged_as_any_other(
            id in "[a-f0-9]{32}|[a|]{31,33}",
            idle in -90_000..90_000_i64,
            life in -90_000..90_000_i64,
            max_idle in proptest::option::of(0..90_000_u64),
            max_life in proptest::option::of(0..90_000_u64),
        ) {
            let policy = Policy {
                limits: Limits { max_idle, max_life },
                ..Policy::new().unwrap()
            };
            let value = stamped(idle, life).replacen('a', &id, 1);
            let judge = Judge {
                policy: &policy,
                // This finds even IDs that no server can have.
                servers: |id: &[u8]| (id.len() <= 33 && id[0] < b'd').then_some(()),
                clock: || NOW,
            };
            let (mut usual, mut any) = (Reading::NONE, Reading::NONE);
            let found = judge.read_value(value.as_bytes(), &mut usual);
            prop_assert_eq!(found, judge.judge_any(value.as_bytes(), &mut any));
            prop_assert_eq!(usual, any);
        }

        #[test]
        fn any_fields_get_a_verdict(fields: Vec<Vec<u8>>, now: u64) {
            let fields = fields.iter().map(Vec::as_slice);
            let judge = Judge {
                policy: &limited(),
                servers: |id: &[u8]| (id.len() < 3).then_some(()),
                clock: || now,
            };
            let _ = judge.read(fields, &mut { Reading::NONE });
        }
    }
}
