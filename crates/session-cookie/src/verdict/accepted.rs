//! Cookies in other schemes than that of the policy: those that the policy accepts, and values of which only the start is an id.

use memchr::memmem;

use super::{judged_values, Judge, Lookup, Reading, Verdict};
use crate::bytes::unquote;
use crate::id::split_prefix;
use crate::policy::{Accepted, Mode, Policy};
use crate::session::{decode, haproxy, Session};

/// The most places in a value where its id could end.
const MOST_ENDS: usize = 64;

impl<L: Copy, C: Fn() -> u64 + Copy> Judge<'_, L, C> {
    /// Judges a single value in which the application's own follows the id, after `delimiter`.
    pub fn read_transferred<'a, N>(
        &self,
        value: &'a [u8],
        delimiter: &[u8],
        reading: &mut Reading<'a>,
    ) -> Option<N>
    where
        L: Lookup<N>,
    {
        memmem::find_iter(value, delimiter)
            .take(MOST_ENDS)
            .find_map(|end| {
                let id = value.get(..end)?;
                let found = self.servers.look_up(id)?;
                *reading = Reading {
                    verdict: Verdict::Valid,
                    session: Session { id, stamps: None },
                };
                Some(found)
            })
    }

    /// Judges a single value by the schemes that are accepted, after it was judged in that of the policy, which has written
    /// the reading. If it names no server of the upstream, the reading is only written where `tells` is set.
    pub fn read_accepted<'a, N>(
        &self,
        value: &'a [u8],
        tells: bool,
        reading: &mut Reading<'a>,
    ) -> Option<N>
    where
        L: Lookup<N>,
    {
        let is_signed = self.policy.signer.is_some();
        let own = match reading.verdict {
            Verdict::Forged => None,
            // Its signature is not verified again.
            _ if is_signed => Some(reading.session).filter(|session| !session.id.is_empty()),
            _ => decode(value, self.policy.mode).ok(),
        };
        let own = own.map(|session| (session, true));
        // Other systems sign nothing.
        let others = (!is_signed || self.policy.accepts_unsigned).then(|| self.of_others(value));
        own.into_iter()
            .chain(others.into_iter().flatten())
            .find_map(|(session, is_certain)| {
                let found = self.servers.look_up(session.id);
                let verdict = match self.age(session.stamps) {
                    Verdict::Valid if found.is_some() => Verdict::Accepted,
                    Verdict::Valid => Verdict::Unknown,
                    age => age,
                };
                // Another system's cookie of a server outside the upstream is no malformed one.
                let tells =
                    tells && (found.is_some() || is_certain && reading.verdict == Verdict::Invalid);
                if tells || verdict == Verdict::Accepted {
                    // Of our own this is done.
                    let is_foreign = is_signed && session != reading.session;
                    *reading = Reading { verdict, session };
                    if is_foreign {
                        self.begin_by_now(reading);
                    }
                }
                found.filter(|_| verdict == Verdict::Accepted)
            })
    }

    /// Returns the sessions that a value may be of in other systems, where it is read in another way than our own, and
    /// whether nobody else writes such values.
    fn of_others<'a>(
        &self,
        value: &'a [u8],
    ) -> impl Iterator<Item = (Session<'a>, bool)> + use<'a, '_, L, C> {
        let accepts_haproxys = self.policy.accept.contains(&Accepted::Haproxy);
        let haproxys = accepts_haproxys.then(|| haproxy::decode(value)).flatten();
        // What was set before an id was put before it is as the other system left it.
        let value = match self.policy.mode {
            Mode::Prefix => split_prefix(value).map_or(value, |(_, rest)| rest),
            _ => value,
        };
        let sessions = self.policy.accept.iter().filter_map(move |accepted| {
            let Accepted::Foreign(system) = accepted else {
                return None;
            };
            let named = system.named(unquote(value), &self.policy.foreign)?;
            let session = Session {
                id: named.id,
                stamps: None,
            };
            Some((session, named.is_certain))
        });
        haproxys
            .map(|session| (session, true))
            .into_iter()
            .chain(sessions)
    }
}

impl Reading<'_> {
    /// Returns what follows the id in the value that was judged valid, with the delimiter before it.
    ///
    /// Where none was valid, the id may be that of a server that has left the upstream: it ends at the first delimiter.
    pub fn transferred<'a>(
        &self,
        fields: impl Iterator<Item = &'a [u8]>,
        policy: &Policy,
        delimiter: &[u8],
    ) -> &'a [u8] {
        let rest = judged_values(fields, policy).find_map(|value| match self.verdict {
            Verdict::Valid | Verdict::Down | Verdict::DownAccepted => value
                .strip_prefix(self.session.id)
                .filter(|rest| rest.starts_with(delimiter)),
            _ => value.get(memmem::find(value, delimiter)?..),
        });
        rest.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{limited, NOW};
    use super::super::{choose, Choice};
    use super::*;
    use crate::policy::Fallback;

    /// Judges the values by the accepted schemes, as those of a request are: the first that names a server of the
    /// upstream wins.
    fn read_accepted<'a>(
        fields: impl Iterator<Item = &'a [u8]>,
        policy: &Policy,
        servers: impl Lookup<()> + Copy,
        reading: &mut Reading<'a>,
    ) -> Option<()> {
        let judge = Judge {
            policy,
            servers,
            clock: || NOW,
        };
        let mut is_first = true;
        judged_values(fields, policy).find_map(|value| {
            let is_first = core::mem::take(&mut is_first);
            judge.read_accepted(value, is_first, reading)
        })
    }

    #[test]
    fn accepted_schemes() {
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
            let binds = choose(reading.verdict, policy, Fallback::Off, false) == Choice::Bind;
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
            let judge = Judge {
                policy: &policy,
                servers: known,
                clock: || NOW,
            };
            let found = judged_values(fields(), &policy)
                .find_map(|value| judge.read_transferred(value, delimiter, &mut reading));
            assert_eq!(found.is_some(), reading.verdict == Verdict::Valid);
            reading.transferred(fields(), &policy, delimiter)
        };
        assert_eq!(transferred_by(b"route=1.2 a b", b" "), b" a b");
        assert_eq!(transferred_by(b"route=1.2.a.b", b"."), b".a.b");
        assert_eq!(transferred_by(b"x=1; route=1.2--", b"--"), b"--");
        assert_eq!(transferred_by(b"route=1.3 a", b" "), b" a");
        assert_eq!(transferred_by(b"route=1.3", b" "), b"");
        assert_eq!(transferred_by(b"route=1.2", b" "), b"");
    }
}
