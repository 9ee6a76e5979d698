//! Cookies in schemes other than the policy's own: schemes that the policy accepts, and values that only begin with an ID.

use memchr::memmem;

use super::{judged_values, Judge, Lookup, Reading, Verdict};
use crate::bytes::unquote;
use crate::id::split_prefix;
use crate::policy::{Accepted, Mode, Policy};
use crate::session::{decode, haproxy, Session};

/// The maximum number of delimiters in a value at which the ID may end.
const MOST_ENDS: usize = 64;

impl<L: Copy, C: Fn() -> u64 + Copy> Judge<'_, L, C> {
    /// Evaluates a single value in which the ID is followed by `delimiter` and the application's own value.
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

    /// Evaluates a single value in the accepted schemes. It must have been evaluated in the policy's own scheme before, which has
    /// written the reading. If the value names no server of the upstream, the reading is only changed if `tells` is `true`.
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
            // The signature need not be verified again.
            _ if is_signed => Some(reading.session).filter(|session| !session.id.is_empty()),
            _ => decode(value, self.policy.mode).ok(),
        };
        let own = own.map(|session| (session, true));
        // Values of other systems are never signed.
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
                // A cookie of another system is not malformed only because its server is not in the upstream.
                let tells =
                    tells && (found.is_some() || is_certain && reading.verdict == Verdict::Invalid);
                if tells || verdict == Verdict::Accepted {
                    // Already done for the policy's own scheme.
                    let is_foreign = is_signed && session != reading.session;
                    *reading = Reading { verdict, session };
                    if is_foreign {
                        self.begin_by_now(reading);
                    }
                }
                found.filter(|_| verdict == Verdict::Accepted)
            })
    }

    /// Returns the sessions that a value may stand for in other systems, if they read it differently than the policy's own
    /// scheme, and whether only that system writes such values.
    fn of_others<'a>(
        &self,
        value: &'a [u8],
    ) -> impl Iterator<Item = (Session<'a>, bool)> + use<'a, '_, L, C> {
        let accepts_haproxys = self.policy.accept.contains(&Accepted::Haproxy);
        let haproxys = accepts_haproxys.then(|| haproxy::decode(value)).flatten();
        // In prefix mode, the value after the ID is the one that the other system has set.
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
    /// Returns the part of the valid value that follows the ID, beginning with the delimiter.
    ///
    /// If no value was valid, the ID may be that of a server that has left the upstream; it then ends at the first delimiter.
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

    /// Evaluates the values in the accepted schemes, as for a request: the first one that names a server of the upstream wins.
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
