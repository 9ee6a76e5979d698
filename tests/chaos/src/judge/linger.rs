//! `linger=`: a server whose address has left DNS keeps its sessions for a while, and gets nothing else.

use std::time::{Duration, Instant};

use super::{Judge, FELT_LATER, GONE};
use crate::client::{Answer, Outcome};
use crate::resolver::Absence;
use crate::topology::ServerId;

/// nginx counts whole seconds, from the one in which a worker has noticed.
const CLOCK: Duration = Duration::from_secs(1);
/// From DNS until every worker has asked it and has looked at what that changed.
const NOTICED: Duration = Duration::from_secs(4);

impl Judge {
    /// When the address of a server has left DNS, and returned, before a request or while it was served: the last time.
    fn absence(&self, outcome: &Outcome, server: ServerId) -> Option<(Absence, Option<Absence>)> {
        let topology = &self.world.topology;
        let name = topology.upstreams[outcome.upstream].dns_name();
        let address = topology.servers[server].address;
        let absences = self.world.resolver.absences(&name, address.ip());
        let mut before = absences.iter().rev().copied();
        let last = before.find(|absence| absence.begin <= outcome.end)?;
        Some((last, before.next()))
    }

    /// Must the server of a session have it still, though its address has left DNS?
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
        // Had nginx noticed that the address was there?
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

    /// New workers may not have the address in their first list while old ones have yet to notice that it is gone.
    fn is_noticed(&self, outcome: &Outcome, answer: &Answer, left: Instant) -> bool {
        let read = self.world.history.read(answer.generation);
        read.is_some_and(|(begin, seen)| {
            begin <= left || begin > left + NOTICED || outcome.start > seen + GONE
        })
    }

    /// May a request get to a server that is not in DNS?
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
