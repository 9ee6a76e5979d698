//! `drain_if=`: a server that requests to be drained gets requests of its sessions, and no first visits while another
//! server is available.

use super::Judge;
use crate::backend::Visit;
use crate::client::{Answer, Outcome};
use crate::report::Rule;
use crate::topology::ServerId;

impl Judge {
    /// Records the responses that requested draining.
    pub(super) fn hear_asking(&self, outcome: &Outcome, answer: &Answer) {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        if let (Some(_), Some(server)) = (upstream.drain_time(), answer.server) {
            let asking = &self.world.backends[server].asking;
            asking.heard(outcome.start, outcome.end);
        }
    }

    pub(super) fn asking_are_spared(
        &mut self,
        outcome: &Outcome,
        answer: &Answer,
        visits: &[Visit],
    ) {
        for visit in visits {
            let server = visit.server;
            if !self.surely_drains(outcome, server) {
                continue;
            }
            self.report.checked(Rule::Asked);
            let upstream = &self.world.topology.upstreams[outcome.upstream];
            let mut others = upstream.servers.iter().filter(|&&other| other != server);
            let is_own = self.may_live(outcome) && self.may_be_own(outcome).contains(&server);
            if is_own {
                let why = "a session of the server that asks";
                self.report.explained(Rule::Asked, why);
            } else if others.all(|&other| self.may_be_passed_over(outcome, answer, other)) {
                let why = "no other server was available, or those asked, too";
                self.report.explained(Rule::Asked, why);
            } else {
                let words = format!("{} asks to drain, and got the request", self.name(server));
                let words = self.words(outcome, &words);
                self.report.violation(Rule::Asked, words);
            }
        }
    }

    fn surely_drains(&self, outcome: &Outcome, server: ServerId) -> bool {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let (start, end) = (outcome.start, outcome.end);
        let asking = &self.world.backends[server].asking;
        let since = (upstream.drain_time()).and_then(|time| asking.surely(start, end, time));
        // Bringing a server back by PATCH also ends the draining that it has requested.
        since.is_some_and(|since| !self.world.drains.may_end(server, since, end))
    }

    /// Whether nginx may have had a reason not to choose this server for a first visit.
    fn may_be_passed_over(&self, outcome: &Outcome, answer: &Answer, server: ServerId) -> bool {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let asking = &self.world.backends[server].asking;
        self.is_down(outcome, answer, server)
            || (upstream.drain_time())
                .is_some_and(|time| asking.perhaps(outcome.start, outcome.end, time))
    }
}
