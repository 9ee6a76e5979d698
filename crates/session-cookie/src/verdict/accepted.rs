//! Cookies in other forms than our own: those that `accept=` lists, and values of which only the start is an id.

use memchr::memmem;

use super::{age, judged_values, Lookup, Reading, Verdict};
use crate::policy::{Accepted, Policy};
use crate::session::{decode, haproxy, Session};

/// The most places in a value where its id could end.
const ENDS: usize = 64;

/// Judges one value where what follows the id is the application's own, after `delimiter`.
pub fn read_transferred_value<'a, N>(
    value: &'a [u8],
    delimiter: &[u8],
    lookup: &impl Lookup<N>,
    reading: &mut Reading<'a>,
) -> Option<N> {
    memmem::find_iter(value, delimiter)
        .take(ENDS)
        .find_map(|end| {
            let id = value.get(..end)?;
            let found = lookup.look_up(id)?;
            *reading = Reading {
                verdict: Verdict::Valid,
                session: Session { id, stamps: None },
            };
            Some(found)
        })
}

/// Judges one value by the forms that are accepted. `tells`: if it names no server here, it says what became of the
/// cookie.
pub fn read_accepted_value<'a, N>(
    value: &'a [u8],
    policy: &Policy,
    lookup: &impl Lookup<N>,
    now: u64,
    tells: bool,
    reading: &mut Reading<'a>,
) -> Option<N> {
    let ours = decode(value, policy.mode).ok();
    let haproxys = policy
        .accept
        .contains(&Accepted::Haproxy)
        .then(|| haproxy::decode(value))
        .flatten();
    [ours, haproxys].into_iter().flatten().find_map(|session| {
        let found = lookup.look_up(session.id);
        let age = match session.stamps {
            Some(stamps) if policy.limits.any() => age(stamps, policy.limits, now),
            _ => Verdict::Valid,
        };
        let verdict = match age {
            Verdict::Valid if found.is_some() => Verdict::Accepted,
            Verdict::Valid => Verdict::Unknown,
            age => age,
        };
        // Another system's cookie of a server that is not here is no malformed one.
        let tells = tells && (found.is_some() || reading.verdict == Verdict::Invalid);
        if tells || verdict == Verdict::Accepted {
            *reading = Reading { verdict, session };
        }
        found.filter(|_| verdict == Verdict::Accepted)
    })
}

/// What follows the id in the value that was judged valid, with the delimiter before it. Where none was, the
/// id may be that of a server which is here no more: it ends at the first delimiter.
pub fn transferred<'a>(
    fields: impl Iterator<Item = &'a [u8]>,
    policy: &Policy,
    delimiter: &[u8],
    reading: &Reading,
) -> &'a [u8] {
    let rest = judged_values(fields, policy).find_map(|value| match reading.verdict {
        Verdict::Valid | Verdict::Down => value
            .strip_prefix(reading.session.id)
            .filter(|rest| rest.starts_with(delimiter)),
        _ => value.get(memmem::find(value, delimiter)?..),
    });
    rest.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{limited, NOW};
    use super::super::{choose, Choice};
    use super::*;
    use crate::policy::Fallback;

    /// Judges the values by the forms that are accepted, as a request's are: the first that names a server here wins.
    fn read_accepted<'a>(
        fields: impl Iterator<Item = &'a [u8]>,
        policy: &Policy,
        lookup: impl Lookup<()>,
        reading: &mut Reading<'a>,
    ) -> Option<()> {
        let mut is_first = true;
        judged_values(fields, policy).find_map(|value| {
            let is_first = core::mem::take(&mut is_first);
            read_accepted_value(value, policy, &lookup, NOW, is_first, reading)
        })
    }

    #[test]
    fn accepted_forms() {
        let policy = Policy {
            accept: alloc::vec![Accepted::Haproxy],
            ..limited()
        };
        // X14QA: NOW, X14P4: 32 seconds before
        let judged = |verdict, field: &'static [u8], policy: &Policy| {
            let mut reading = Reading {
                verdict,
                ..Reading::NONE
            };
            let known = |id: &[u8]| (id == b"old").then_some(());
            let fields = [field].into_iter();
            let found = read_accepted(fields, policy, known, &mut reading);
            assert_eq!(found.is_some(), reading.verdict == Verdict::Accepted);
            let binds = choose(reading.verdict, Fallback::Off) == Choice::Bind;
            assert_eq!(binds, found.is_some());
            reading.verdict
        };
        let accepted = |field, policy: &Policy| judged(Verdict::None, field, policy);
        let invalid = |field, policy: &Policy| judged(Verdict::Invalid, field, policy);
        assert_eq!(
            accepted(b"route=new; route=old", &policy),
            Verdict::Accepted
        );
        assert_eq!(
            accepted(b"route=old|1600000000|1600000000", &policy),
            Verdict::Accepted
        );
        assert_eq!(accepted(b"route=old|1|1", &policy), Verdict::Expired);
        assert_eq!(
            accepted(b"route=old|X14QA|X14QA", &policy),
            Verdict::Accepted
        );
        assert_eq!(accepted(b"route=old|X14P4", &policy), Verdict::Expired);
        assert_eq!(accepted(b"route=old|X14QA", &limited()), Verdict::None);
        assert_eq!(accepted(b"route=new|X14QA", &policy), Verdict::None);
        assert_eq!(invalid(b"route=new|X14QA", &policy), Verdict::Unknown);
        assert_eq!(invalid(b"route=new|X14Q!", &policy), Verdict::Invalid);
        assert_eq!(invalid(b"route=|; route=new", &policy), Verdict::Invalid);
        assert_eq!(
            invalid(b"route=|; route=old|1|1", &policy),
            Verdict::Invalid
        );
        assert_eq!(invalid(b"route=|; route=old", &policy), Verdict::Accepted);
    }

    #[test]
    fn an_id_ends_where_the_value_of_the_application_begins() {
        let transferred_by = |field: &'static [u8], delimiter: &[u8]| {
            let mut reading = Reading::NONE;
            let known = |id: &[u8]| (id == b"1.2").then_some(());
            let policy = Policy::new().unwrap();
            let fields = || [field].into_iter();
            let found = judged_values(fields(), &policy)
                .find_map(|value| read_transferred_value(value, delimiter, &known, &mut reading));
            assert_eq!(found.is_some(), reading.verdict == Verdict::Valid);
            transferred(fields(), &policy, delimiter, &reading)
        };
        assert_eq!(transferred_by(b"route=1.2 a b", b" "), b" a b");
        assert_eq!(transferred_by(b"route=1.2.a.b", b"."), b".a.b");
        assert_eq!(transferred_by(b"x=1; route=1.2--", b"--"), b"--");
        assert_eq!(transferred_by(b"route=1.3 a", b" "), b" a");
        assert_eq!(transferred_by(b"route=1.3", b" "), b"");
        assert_eq!(transferred_by(b"route=1.2", b" "), b"");
    }
}
