//! `linger=`: a server whose address has left DNS keeps its sessions for the specified time, and gets no other requests.

use std::time::{Duration, Instant};

use super::{Judge, FELT_LATER, GONE};
use crate::client::{Answer, Outcome};
use crate::resolver::Absence;
use crate::topology::ServerId;

/// nginx counts whole seconds, from the one in which a worker has noticed.
const CLOCK: Duration = Duration::from_secs(1);
/// From the change in DNS until every worker has resolved the name and evaluated the change.
const NOTICED: Duration = Duration::from_secs(4);

impl Judge {
    /// The last two periods in which the address of a server was missing in DNS, up to the end of a request.
    fn absence(&self, outcome: &Outcome, server: ServerId) -> Option<(Absence, Option<Absence>)> {
        let topology = &self.world.topology;
        let name = topology.upstreams[outcome.upstream].dns_name();
        let address = topology.servers[server].address;
        let absences = self.world.resolver.absences(&name, address.ip());
        let mut before = absences.iter().rev().copied();
        let last = before.find(|absence| absence.begin <= outcome.end)?;
        Some((last, before.next()))
    }

    /// Whether the session's server must still serve it, although its address has left DNS.
    pub(super) fn surely_lingers(
        &self,
        outcome: &Outcome,
        answer: &Answer,
        server: ServerId,
    ) -> bool {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let Some((time, (absence, before))) = upstream.linger().zip(self.absence(outcome, server))
        else {
            return false;
        };
        let left = absence.begin;
        // Whether nginx had noticed that the address was there.
        let was_there = before
            .and_then(|before| before.end)
            .is_none_or(|back| back + NOTICED < left);
        was_there
            && absence.end.is_none_or(|back| back > outcome.end)
            && outcome.end + CLOCK < left + time
            && self.is_noticed(outcome, answer, left)
            && self.world.history.has_one_file(left, answer.generation)
            && !self.world.backends[server].refused(left - FELT_LATER, outcome.end)
    }

    /// New workers may not have the address in their first list while old ones have not yet noticed its removal.
    fn is_noticed(&self, outcome: &Outcome, answer: &Answer, left: Instant) -> bool {
        let read = self.world.history.read(answer.generation);
        read.is_some_and(|(begin, seen)| {
            begin <= left || begin > left + NOTICED || outcome.start > seen + GONE
        })
    }

    /// Whether a request may reach a server that is not in DNS.
    pub(super) fn may_linger(&self, outcome: &Outcome, server: ServerId) -> bool {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let Some((time, (absence, _))) = upstream.linger().zip(self.absence(outcome, server))
        else {
            return false;
        };
        self.named(outcome) == Some(server)
            && self.may_live(outcome)
            && outcome.start < absence.begin + time + NOTICED
    }
}
