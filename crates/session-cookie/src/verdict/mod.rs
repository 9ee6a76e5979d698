//! What became of the cookie that a request carried, and what follows for the choice of a server.

mod accepted;

use crate::cookie::values;
use crate::policy::{Fallback, Limits, Mode, Policy};
use crate::session::{decode, decode_usual, Session, Stamps, Undecodable};

pub use accepted::{read_accepted_value, read_transferred_value, transferred};

/// What became of the cookie that a request carried.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// There was none.
    None,
    /// It names a server here.
    Valid,
    /// It names a server here in another form than ours, which is accepted.
    Accepted,
    /// Its session was idle for too long.
    Expired,
    /// Its session has lived for too long.
    Old,
    /// It names no server here.
    Unknown,
    /// It names a server that cannot take the request now.
    Down,
    /// It is malformed, or stamped in the future.
    Invalid,
}

impl Verdict {
    /// The word for it in logs and manuals.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::None => "none",
            Verdict::Valid | Verdict::Accepted => "valid",
            Verdict::Expired => "expired",
            Verdict::Old => "old",
            Verdict::Unknown => "unknown",
            Verdict::Down => "down",
            Verdict::Invalid => "invalid",
        }
    }
}

/// How far ahead of our clock a stamp may be, in seconds: proxies' clocks differ. Tengine's number.
pub const CLOCK_TOLERANCE: u64 = 86_400;

/// A cookie, read and judged.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reading<'a> {
    /// What became of it.
    pub verdict: Verdict,
    /// What it said. Empty where nothing could be decoded.
    pub session: Session<'a>,
}

impl<'a> Reading<'a> {
    /// The request carried no cookie of that name.
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

/// Looks an id up among the servers here. A trait, so that an implementation may say how it is compiled.
pub trait Lookup<N> {
    /// What is found.
    fn look_up(&self, id: &[u8]) -> Option<N>;
}

impl<N, F: Fn(&[u8]) -> Option<N>> Lookup<N> for F {
    fn look_up(&self, id: &[u8]) -> Option<N> {
        self(id)
    }
}

/// Judges all values of the cookie in the fields of a request: the first valid one wins, else the first.
/// What was found for the id of a valid one is returned.
///
/// `reading` is that of no cookie before; it is written where it stays, since every request comes here.
/// `lookup` looks an id up among the servers here; `now` tells the seconds since the epoch.
#[inline(always)]
pub fn read<'a, N>(
    fields: impl Iterator<Item = &'a [u8]> + Clone,
    policy: &Policy,
    lookup: impl Lookup<N> + Copy,
    now: impl Fn() -> u64 + Copy,
    reading: &mut Reading<'a>,
) -> Option<N> {
    #[allow(clippy::disallowed_methods)] // an iterator over fields owns none
    let mut all = fields.clone();
    let first = match values(all.next()?, &policy.cookie).next() {
        Some(first) => first,
        None => first_of_others(all.next()?, all, policy)?,
    };
    match read_value(first, policy, lookup, now, reading) {
        Some(found) => Some(found),
        // Each value has to be judged in all its forms before the next.
        None if policy.reads_other_schemes() => None,
        None => read_others(fields, policy, lookup, now, reading),
    }
}

/// The first value in the fields behind the first one. Apart, because a loop around the search costs registers.
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

/// Judges one value, where there is no other.
#[inline(always)]
pub fn read_value<'a, N>(
    value: &'a [u8],
    policy: &Policy,
    lookup: impl Lookup<N> + Copy,
    now: impl Fn() -> u64 + Copy,
    reading: &mut Reading<'a>,
) -> Option<N> {
    // Where none carries stamps, nearly every value is an id as it stands.
    if policy.mode != Mode::Prefix && !policy.limits.any() {
        if let Some(found) = lookup.look_up(value) {
            reading.verdict = Verdict::Valid;
            reading.session.id = value;
            return Some(found);
        }
    }
    judge(value, policy, lookup, now, reading)
}

/// Judges one value, of which the id is known already, and which has no stamps.
#[inline]
pub fn read_id<'a, N>(
    id: &'a [u8],
    lookup: impl Lookup<N>,
    reading: &mut Reading<'a>,
) -> Option<N> {
    let found = lookup.look_up(id);
    reading.verdict = match found {
        Some(_) => Verdict::Valid,
        None if id.is_empty() => Verdict::Invalid,
        None => Verdict::Unknown,
    };
    reading.session.id = id;
    found
}

/// How many values of the cookie are looked at. A client has hardly ever more than two, from two paths or domains.
const VALUES: usize = 8;

/// Returns the values that are looked at, in order.
pub fn judged_values<'a, 'p, F: Iterator<Item = &'a [u8]>>(
    fields: F,
    policy: &'p Policy,
) -> impl Iterator<Item = &'a [u8]> + use<'a, 'p, F> {
    fields
        .flat_map(|field| values(field, &policy.cookie))
        .take(VALUES)
}

/// Judges all values but the first.
#[cold]
#[inline(never)]
fn read_others<'a, N>(
    fields: impl Iterator<Item = &'a [u8]>,
    policy: &Policy,
    lookup: impl Lookup<N> + Copy,
    now: impl Fn() -> u64 + Copy,
    reading: &mut Reading<'a>,
) -> Option<N> {
    judged_values(fields, policy).skip(1).find_map(|value| {
        let mut other = Reading::NONE;
        let found = judge(value, policy, lookup, now, &mut other)?;
        *reading = other;
        Some(found)
    })
}

#[inline(never)]
fn judge<'a, N>(
    value: &'a [u8],
    policy: &Policy,
    lookup: impl Lookup<N>,
    now: impl Fn() -> u64,
    reading: &mut Reading<'a>,
) -> Option<N> {
    match decode_usual(value, policy.mode) {
        Some(session) => weigh(session, policy, lookup, now, reading),
        None => judge_any(value, policy, lookup, now, reading),
    }
}

#[cold]
#[inline(never)]
fn judge_any<'a, N>(
    value: &'a [u8],
    policy: &Policy,
    lookup: impl Lookup<N>,
    now: impl Fn() -> u64,
    reading: &mut Reading<'a>,
) -> Option<N> {
    match decode(value, policy.mode) {
        Ok(session) => weigh(session, policy, lookup, now, reading),
        Err(why) => {
            *reading = Reading::undecodable(why);
            None
        }
    }
}

#[inline(always)]
fn weigh<'a, N>(
    session: Session<'a>,
    policy: &Policy,
    lookup: impl Lookup<N>,
    now: impl Fn() -> u64,
    reading: &mut Reading<'a>,
) -> Option<N> {
    let age = match session.stamps {
        Some(stamps) if policy.limits.any() => age(stamps, policy.limits, now()),
        _ => Verdict::Valid,
    };
    reading.session = session;
    reading.verdict = age;
    if age != Verdict::Valid {
        return None;
    }
    let found = lookup.look_up(session.id);
    if found.is_none() {
        reading.verdict = Verdict::Unknown;
    }
    found
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

/// Who chooses the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Choice {
    /// The cookie does.
    Bind,
    /// The balancer of the upstream does.
    Balance,
    /// Nobody: the request fails.
    Refuse,
}

/// Who chooses the server for a request with this verdict.
///
/// A cookie that counts as absent is a first visit whatever `fallback` says.
pub fn choose(verdict: Verdict, fallback: Fallback) -> Choice {
    match verdict {
        Verdict::Valid | Verdict::Accepted => Choice::Bind,
        Verdict::None | Verdict::Expired | Verdict::Old | Verdict::Invalid => Choice::Balance,
        Verdict::Unknown => match fallback {
            Fallback::On | Fallback::Unknown => Choice::Balance,
            Fallback::Off => Choice::Refuse,
        },
        Verdict::Down => match fallback {
            Fallback::On => Choice::Balance,
            Fallback::Unknown | Fallback::Off => Choice::Refuse,
        },
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

    fn verdict(policy: &Policy, values: &[&str]) -> Verdict {
        let fields: Vec<_> = values
            .iter()
            .map(|value| alloc::format!("route={value}"))
            .collect();
        let mut reading = Reading::NONE;
        let known = |id: &[u8]| (id == b"a").then_some(());
        let fields = fields.iter().map(|field| field.as_bytes());
        let found = read(fields, policy, known, || NOW, &mut reading);
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
            let find = |id: &[u8]| (id == b"a").then_some(());
            let (mut whole, mut part) = (Reading::NONE, Reading::NONE);
            let value = alloc::format!("{id}~x");
            let found = read_value(value.as_bytes(), &policy, find, || NOW, &mut whole);
            assert_eq!(read_id(id.as_bytes(), find, &mut part), found);
            assert_eq!(part, whole);
        }
    }

    #[test]
    fn so_many_values_are_judged_and_no_more() {
        for policy in [&limited(), &Policy::new().unwrap()] {
            let mut values = ["b"; VALUES];
            values[VALUES - 1] = "a";
            assert_eq!(verdict(policy, &values), Verdict::Valid);
            let mut values = ["b"; VALUES + 1];
            values[VALUES] = "a";
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

    #[test]
    fn only_a_server_that_was_named_can_be_refused() {
        for absent in [
            Verdict::None,
            Verdict::Expired,
            Verdict::Old,
            Verdict::Invalid,
        ] {
            assert_eq!(choose(absent, Fallback::Off), Choice::Balance);
            assert_eq!(choose(absent, Fallback::Unknown), Choice::Balance);
        }
        for named in [Verdict::Unknown, Verdict::Down] {
            assert_eq!(choose(named, Fallback::Off), Choice::Refuse);
            assert_eq!(choose(named, Fallback::On), Choice::Balance);
        }
        assert_eq!(choose(Verdict::Unknown, Fallback::Unknown), Choice::Balance);
        assert_eq!(choose(Verdict::Down, Fallback::Unknown), Choice::Refuse);
    }

    proptest! {
        #[test]
        fn any_fields_get_a_verdict(fields: Vec<Vec<u8>>, now: u64) {
            let known = |id: &[u8]| (id.len() < 3).then_some(());
            let fields = fields.iter().map(Vec::as_slice);
            let _ = read(fields, &limited(), known, || now, &mut Reading::NONE.clone());
        }
    }
}
