//! `full=over`: a server with `max_conns` connections gets requests of its sessions, and no first visits.

use std::time::Instant;

use super::{Judge, FELT_LATER};
use crate::backend::Visit;
use crate::client::{Answer, Ended, Outcome};
use crate::report::Rule;

impl Judge {
    /// Records the request, and the period in which a server surely had it.
    pub(super) fn hear_use(&mut self, outcome: &Outcome) {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        if upstream.max_conns().is_none() {
            return;
        }
        let requests = self.requests.entry(outcome.upstream).or_default();
        requests.push((outcome.start, outcome.end));
        let Ended::Answered(answer) = &outcome.ended else {
            return;
        };
        let scope = self.scope(outcome, answer);
        for visit in self.world.ledger.of(outcome.request) {
            if let (Some(server), Some(until)) = (answer.server, visit.until) {
                if visit.server == server {
                    let uses = self.uses.entry((scope, server)).or_default();
                    uses.push((visit.at, until));
                }
            }
        }
    }

    pub(super) fn full_are_spared(&mut self, outcome: &Outcome, answer: &Answer, visits: &[Visit]) {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let Some(most) = upstream.max_conns() else {
            return;
        };
        let scope = self.scope(outcome, answer);
        for visit in visits {
            self.report.checked(Rule::Full);
            let server = visit.server;
            let all_along =
                |used: &&(Instant, Instant)| used.0 < outcome.start && used.1 > visit.at;
            let uses = self.uses.get(&(scope, server)).into_iter().flatten();
            if uses.filter(all_along).count() < most {
                continue;
            }
            if self.may_live(outcome) && self.may_be_own(outcome).contains(&server) {
                let why = "a session of the server, over its limit";
                self.report.explained(Rule::Full, why);
            } else {
                let words = format!("{} was full, and got the request", self.name(server));
                let words = self.words(outcome, &words);
                self.report.violation(Rule::Full, words);
            }
        }
    }

    /// Whether all these servers may have been full.
    pub(super) fn may_be_full(&self, outcome: &Outcome, answer: &Answer, servers: usize) -> bool {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let Some(most) = upstream.max_conns() else {
            return false;
        };
        let meets = |other: &&(Instant, Instant)| {
            other.0 <= outcome.end && other.1 + FELT_LATER >= outcome.start
        };
        let requests = self.requests.get(&outcome.upstream).into_iter().flatten();
        // A killed worker leaves its connections counted for the lifetime of the zone.
        let history = &self.world.history;
        let read = history.read(answer.generation);
        requests.filter(meets).count() > servers * most
            || read.is_some_and(|(begin, _)| history.was_killed(None, begin, outcome.end))
    }
}
