//! `$session_sticky_verdict` and `$session_sticky_previous`: sent to servers before one of them is chosen, and to the
//! client at the end.

use super::Judge;
use crate::backend::{Told, Visit};
use crate::client::{Answer, Outcome};
use crate::report::Rule;

impl Judge {
    pub(super) fn early_words_agree(
        &mut self,
        outcome: &Outcome,
        answer: &Answer,
        visits: &[Visit],
    ) {
        for visit in visits {
            self.report.checked(Rule::Early);
            if visit.told == answer.told {
                continue;
            }
            match self.change(outcome, answer, &visit.told) {
                Some(why) => self.report.explained(Rule::Early, why),
                None => {
                    let words = format!("{:?} became {:?}", visit.told, answer.told);
                    let words = self.words(outcome, &words);
                    self.report.violation(Rule::Early, words);
                }
            }
        }
        self.report.checked(Rule::Early);
        if let Some(wrong) = self.is_untrue(outcome, answer) {
            let words = format!("{:?}: {wrong}", answer.told);
            let words = self.words(outcome, &words);
            self.report.violation(Rule::Early, words);
        }
    }

    /// The event that explains a difference between the two.
    fn change(&self, outcome: &Outcome, answer: &Answer, early: &Told) -> Option<&'static str> {
        let topology = &self.world.topology;
        let told = topology.server_at(&early.previous);
        let server = told.or_else(|| self.named(outcome))?;
        let (any, all) = if topology.is_resolved(server) {
            self.is_told(server, outcome, answer.generation)
        } else {
            (true, true)
        };
        let words = [early.verdict.as_str(), answer.told.verdict.as_str()];
        if any != all {
            return Some("changed: the address of the server came or went in between");
        }
        if !any && self.may_linger(outcome, server) && !self.surely_lingers(outcome, answer, server)
        {
            return Some("changed: the server lingered no longer");
        }
        if early.previous != answer.told.previous
            || !words.iter().all(|word| matches!(*word, "valid" | "down"))
        {
            None
        } else if self.failed_here(answer, server) {
            Some("changed: a try of the server failed in between")
        } else if self.known_as_failed(outcome, answer, server) {
            Some("changed: another request noted in between how the server was")
        } else {
            None
        }
    }

    fn is_untrue(&self, outcome: &Outcome, answer: &Answer) -> Option<&'static str> {
        let Told { verdict, previous } = &answer.told;
        let is_none = outcome.cookie.is_none();
        if is_none && (verdict, previous.is_empty()) != (&"none".to_owned(), true) {
            return Some("the request had no session");
        }
        let of_upstream = &self.world.topology.upstreams[outcome.upstream].servers;
        let told = self.world.topology.server_at(previous);
        if !previous.is_empty() && !told.is_some_and(|server| of_upstream.contains(&server)) {
            return Some("that is no server of the upstream");
        }
        if answer.is_bound && (told.is_none() || answer.server.is_some() && told != answer.server) {
            return Some("bound, and another server answered");
        }
        let named = self.named(outcome)?;
        let is_known = self.is_known(outcome, answer, named).0;
        if self.surely_lives(outcome) && is_known && told != Some(named) {
            return Some("the session has another server");
        }
        (!self.may_live(outcome) && !previous.is_empty()).then_some("the session had ended")
    }
}
