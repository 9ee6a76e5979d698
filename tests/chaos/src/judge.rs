//! Judges each request: does its outcome follow from what was done to servers and to nginx?
//!
//! Judgement is based on causes, not on times. A session may move if nginx knew that its server had failed; nginx knows
//! that only from a try that failed; and a try may fail only on a server with a fault. The facts are in each response
//! (worker, generation of the configuration, the servers tried) and in the servers' records; the only grace periods are
//! the constants below.

mod asking;
mod early;
mod full;
mod linger;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::{Condition, Visit};
use crate::client::{Answer, Ended, Outcome, PATIENCE};
use crate::report::{Report, Rule};
use crate::sessions::{Owner, Sessions};
use crate::topology::{Fallback, Membership, Mode, ServerId, UpstreamId, FAIL_TIMEOUT};
use crate::world::World;

/// A request is judged after every other one that could explain it has ended.
const DELAY: Duration = PATIENCE.saturating_add(Duration::from_secs(5));
/// How long facts are kept after that. No worker outlives a reload for this long.
const MEMORY: Duration = Duration::from_secs(120);
/// A worker that has not run for a while finds a connection reset after its server has recovered.
const FELT_LATER: Duration = Duration::from_millis(500);
/// From the start of new workers until the old ones accept no more: each has to run once, on a machine that may be busy.
const GONE: Duration = Duration::from_secs(5);
/// nginx counts whole seconds, and a failure may be a second younger than it seems.
const FORGIVEN: Duration = FAIL_TIMEOUT.saturating_add(Duration::from_secs(1));
/// nginx and this program read the same clock at different moments, in whole seconds.
const CLOCK: u64 = 2;

/// The workers that share knowledge of failures: all of a configuration with a `zone`, or a single one.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Scope {
    Generation(usize),
    Worker(u32),
}

/// Tries of one server within one scope, each as the interval of its request.
#[derive(Default)]
struct Tries {
    failed: Vec<(Instant, Instant)>,
    /// Those that nginx has surely counted.
    counted: Vec<(Instant, Instant)>,
    succeeded: Vec<(Instant, Instant)>,
}

pub(crate) struct Judge {
    world: Arc<World>,
    pub(crate) report: Report,
    pending: VecDeque<Outcome>,
    sessions: Sessions,
    tries: HashMap<(Scope, ServerId), Tries>,
    /// Requests whose tries are not known, by upstream.
    lost: HashMap<UpstreamId, Vec<(Instant, Instant)>>,
    /// With `max_conns`: when a server surely had a request, and the intervals of all requests.
    uses: HashMap<(Scope, ServerId), Vec<(Instant, Instant)>>,
    requests: HashMap<UpstreamId, Vec<(Instant, Instant)>>,
    pub(crate) tally: Tally,
}

/// Counts for the report and for the rule about throughput.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) statuses: HashMap<String, u64>,
    /// Responses in each second of the run.
    pub(crate) answers: Vec<u64>,
    /// Responses that each client got.
    pub(crate) clients: HashMap<usize, u64>,
    pub(crate) bound: u64,
    pub(crate) moved: u64,
}

impl Judge {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Judge {
            world,
            report: Report::default(),
            pending: VecDeque::new(),
            sessions: Sessions::default(),
            tries: HashMap::new(),
            lost: HashMap::new(),
            uses: HashMap::new(),
            requests: HashMap::new(),
            tally: Tally::default(),
        }
    }

    /// Records a request's information about servers. It is judged later.
    pub(crate) fn hear(&mut self, outcome: Outcome) {
        self.count(&outcome);
        let when = (outcome.start, outcome.end);
        self.hear_use(&outcome);
        match &outcome.ended {
            Ended::Answered(answer) => {
                self.hear_asking(&outcome, answer);
                let scope = self.scope(&outcome, answer);
                let upstream = &self.world.topology.upstreams[outcome.upstream];
                let has_keepalive = upstream.has_keepalive();
                for (at, (address, status)) in answer.attempts.iter().enumerate() {
                    let Some(server) = self.world.topology.server_at(address) else {
                        continue;
                    };
                    let tries = self.tries.entry((scope, server)).or_default();
                    if *status >= 500 {
                        tries.failed.push(when);
                        // Not a response that is passed on, and not a closed idle connection.
                        let next = answer.attempts.get(at + 1);
                        let counts = match status {
                            502 => !has_keepalive,
                            504 => true,
                            _ => next.is_some_and(|next| next.0 != *address),
                        };
                        if counts {
                            tries.counted.push(when);
                        }
                    } else if !tries.failed.is_empty() {
                        tries.succeeded.push(when);
                    }
                }
            }
            Ended::Aborted | Ended::Broken { .. } | Ended::TimedOut => {
                self.lost.entry(outcome.upstream).or_default().push(when);
            }
        }
        self.pending.push_back(outcome);
    }

    fn count(&mut self, outcome: &Outcome) {
        let tally = &mut self.tally;
        tally.requests += 1;
        let word = match &outcome.ended {
            Ended::Answered(answer) => {
                let second = outcome.end.duration_since(self.world.begin).as_secs() as usize;
                if tally.answers.len() <= second {
                    tally.answers.resize(second + 1, 0);
                }
                tally.answers[second] += 1;
                *tally.clients.entry(outcome.client).or_default() += 1;
                answer.status.to_string()
            }
            Ended::Aborted => "aborted by the client".into(),
            Ended::Broken { .. } => "broken".into(),
            Ended::TimedOut => "no answer".into(),
        };
        *tally.statuses.entry(word).or_default() += 1;
    }

    /// Judges requests that are old enough.
    pub(crate) fn judge(&mut self, now: Instant) {
        while self.pending.front().is_some_and(|o| o.end + DELAY < now) {
            if let Some(outcome) = self.pending.pop_front() {
                self.one(&outcome);
            }
        }
        if let Some(before) = now.checked_sub(MEMORY) {
            self.tries.retain(|_, tries| {
                tries.failed.iter().any(|when| when.1 > before)
                    || tries.succeeded.iter().any(|when| when.1 > before)
            });
            for times in self.lost.values_mut().chain(self.requests.values_mut()) {
                times.retain(|when| when.1 > before);
            }
            self.uses.retain(|_, times| {
                times.retain(|when| when.1 > before);
                !times.is_empty()
            });
            self.world.forget(before);
            self.sessions.forget(before);
        }
    }

    /// Judges all remaining requests.
    pub(crate) fn finish(&mut self) {
        while let Some(outcome) = self.pending.pop_front() {
            self.one(&outcome);
        }
    }

    fn scope(&self, outcome: &Outcome, answer: &Answer) -> Scope {
        if self.world.topology.upstreams[outcome.upstream].has_zone() {
            Scope::Generation(answer.generation)
        } else {
            Scope::Worker(answer.worker)
        }
    }

    fn one(&mut self, outcome: &Outcome) {
        let visits = self.world.ledger.take(outcome.request);
        self.servers_were_there(outcome, &visits);
        match &outcome.ended {
            Ended::Answered(answer) => {
                self.tries_are_explained(outcome, answer);
                self.failed_are_spared(outcome, answer);
                self.answer_is_explained(outcome, answer, &visits);
                self.session_stays(outcome, answer);
                self.asking_are_spared(outcome, answer, &visits);
                self.full_are_spared(outcome, answer, &visits);
                self.early_words_agree(outcome, answer, &visits);
                self.cookie_names_server(outcome, answer, &visits);
                self.generation_is_current(outcome, answer);
            }
            Ended::Aborted => {}
            Ended::Broken {
                worker,
                resent,
                error,
            } => self.break_is_explained(outcome, *worker, *resent, error, &visits),
            Ended::TimedOut => {
                let words = self.words(outcome, "no answer for longer than all tries can take");
                self.report.violation(Rule::Errors, words);
            }
        }
        if self.is_learned(outcome) {
            self.learn(outcome, &visits);
        }
    }

    /// The rules Gone and Hidden, from the servers' records.
    fn servers_were_there(&mut self, outcome: &Outcome, visits: &[Visit]) {
        for visit in visits {
            let history = &self.world.history;
            let membership = history.membership(visit.generation, visit.server);
            // A draining server gets requests of its sessions only.
            let may_come = match membership {
                Membership::In => true,
                Membership::Draining => self.named(outcome) == Some(visit.server),
                Membership::Out => false,
            };
            let there = may_come
                && (!self.world.topology.is_resolved(visit.server)
                    || self.is_told(visit.server, outcome, visit.generation).0
                    || self.may_linger(outcome, visit.server));
            if !there {
                let server = self.name(visit.server);
                let words = format!(
                    "{server} was gone or draining in generation {}, or gone from DNS, and got the request",
                    visit.generation
                );
                let words = self.words(outcome, &words);
                self.report.violation(Rule::Gone, words);
            }
            self.report.checked(Rule::Gone);
            self.drained_get_sessions_only(outcome, visit);
            let hides = self.world.topology.upstreams[outcome.upstream].hides();
            if hides {
                self.report.checked(Rule::Hidden);
            }
            if let Some(value) = &visit.leaked {
                let words = self.words(outcome, &format!("the server saw {value}"));
                self.report.violation(Rule::Hidden, words);
            }
        }
    }

    /// A server that nginx was asked to drain gets requests of its sessions only, whichever worker serves the request.
    fn drained_get_sessions_only(&mut self, outcome: &Outcome, visit: &Visit) {
        let (start, end) = (outcome.start, outcome.end);
        if !self.world.drains.surely(visit.server, start, end) {
            return;
        }
        self.report.checked(Rule::Drained);
        if self.may_be_own(outcome).contains(&visit.server) {
            self.report
                .explained(Rule::Drained, "a session of the server that drains");
        } else {
            let server = self.name(visit.server);
            let words = format!("{server} drains, by PATCH, and got the request");
            let words = self.words(outcome, &words);
            self.report.violation(Rule::Drained, words);
        }
    }

    /// Whether nginx may have drained a server, of which this is no session, during the request.
    fn may_be_drained(&self, outcome: &Outcome, server: ServerId) -> bool {
        (self.world.drains).perhaps(server, outcome.start, outcome.end)
            && !(self.named(outcome) == Some(server) && self.surely_lives(outcome))
    }

    /// Whether a server's address is in the lists that nginx may have in use: in any, and in all of them.
    fn is_told(&self, server: ServerId, outcome: &Outcome, generation: usize) -> (bool, bool) {
        let topology = &self.world.topology;
        let name = topology.upstreams[topology.servers[server].upstream].dns_name();
        let told = self
            .world
            .told(&name, generation, outcome.start, outcome.end);
        let address = topology.servers[server].address.ip();
        let holds = |addresses: &Vec<_>| addresses.contains(address);
        (told.iter().any(holds), told.iter().all(holds))
    }

    fn generation_is_current(&mut self, outcome: &Outcome, answer: &Answer) {
        let replaced = self.world.history.replaced(answer.generation);
        self.report.checked(Rule::Gone);
        if replaced.is_some_and(|replaced| outcome.start > replaced + GONE) {
            let words = format!("served by generation {}", answer.generation);
            let words = self.words(outcome, &words);
            self.report.violation(Rule::Gone, words);
        }
    }

    fn was_injured(&self, server: ServerId, outcome: &Outcome) -> bool {
        let from = outcome.start.checked_sub(FELT_LATER);
        self.world.backends[server].was_injured(from.unwrap_or(outcome.start), outcome.end)
    }

    fn tries_are_explained(&mut self, outcome: &Outcome, answer: &Answer) {
        for (address, status) in &answer.attempts {
            self.report.checked(Rule::Attempts);
            let Some(server) = self.world.topology.server_at(address) else {
                continue;
            };
            if *status < 500 {
                continue;
            }
            if self.was_injured(server, outcome) {
                self.report
                    .explained(Rule::Attempts, "failed on an injured server");
            } else if self.world.was_stalled(outcome.start, outcome.end) {
                self.report
                    .explained(Rule::Attempts, "this program itself stood still");
            } else {
                let words = format!("{status} from {}, which was well", self.name(server));
                let words = self.words(outcome, &words);
                self.report.violation(Rule::Attempts, words);
            }
        }
    }

    /// With `max_fails=1`, a failed server gets no request until `fail_timeout` has passed, from any worker that shares
    /// that knowledge. Only requests that lie entirely within that time are judged. A strict session has no other
    /// server: it is refused only if its own accepts no connections (`refusal`).
    fn failed_are_spared(&mut self, outcome: &Outcome, answer: &Answer) {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let history = &self.world.history;
        let is_there =
            |&&s: &&ServerId| history.membership(answer.generation, s) != Membership::Out;
        // The only server of an upstream is always tried.
        if upstream.resolves() || upstream.servers.iter().filter(is_there).count() < 2 {
            return;
        }
        let scope = self.scope(outcome, answer);
        for (address, _) in &answer.attempts {
            let Some(server) = self.world.topology.server_at(address) else {
                continue;
            };
            let named = self.named(outcome);
            if upstream.fallback() != Fallback::On
                && (named == Some(server) || named.is_none() && self.is_learned(outcome))
            {
                continue;
            }
            let known = self.tries.get(&(scope, server)).is_some_and(|tries| {
                tries
                    .counted
                    .iter()
                    .any(|failed| failed.1 < outcome.start && outcome.end < failed.0 + FAIL_TIMEOUT)
            });
            self.report.checked(Rule::Spared);
            if known {
                let words = format!("{} had failed just before", self.name(server));
                let words = self.words(outcome, &words);
                self.report.violation(Rule::Spared, words);
            }
        }
    }

    /// Whether a try of this server failed for this request.
    fn failed_here(&self, answer: &Answer, server: ServerId) -> bool {
        let address = self.world.topology.servers[server].address.to_string();
        answer
            .attempts
            .iter()
            .any(|(tried, status)| *tried == address && *status >= 500)
    }

    /// Whether nginx may have known this server as failed when it served the request.
    fn known_as_failed(&self, outcome: &Outcome, answer: &Answer, server: ServerId) -> bool {
        let none = Tries::default();
        let key = (self.scope(outcome, answer), server);
        let tries = self.tries.get(&key).unwrap_or(&none);
        // A success clears a failure if it began after the failure's time was over.
        let is_open = |failed: &(Instant, Instant)| {
            failed.0 <= outcome.end
                && !tries
                    .succeeded
                    .iter()
                    .any(|well| well.0 > failed.1 + FORGIVEN && well.1 < outcome.start)
        };
        let backend = &self.world.backends[server];
        let lost = self.lost.get(&outcome.upstream);
        tries.failed.iter().any(is_open)
            || lost
                .into_iter()
                .flatten()
                .any(|lost| is_open(lost) && backend.was_injured(lost.0, lost.1 + FELT_LATER))
    }

    /// Whether the load-balancing method could choose this server: in all the lists that may have been in use, in any of
    /// them.
    fn is_known(&self, outcome: &Outcome, answer: &Answer, server: ServerId) -> (bool, bool) {
        let membership = self.world.history.membership(answer.generation, server);
        let drains = membership == Membership::Draining;
        if membership == Membership::Out || drains && self.named(outcome) != Some(server) {
            (false, false)
        } else if self.world.topology.is_resolved(server) {
            let (any, all) = self.is_told(server, outcome, answer.generation);
            (all, any)
        } else {
            (true, true)
        }
    }

    fn answer_is_explained(&mut self, outcome: &Outcome, answer: &Answer, visits: &[Visit]) {
        self.report.checked(Rule::Errors);
        if let Some(why) = &answer.truncated {
            let halved = visits
                .last()
                .is_some_and(|visit| visit.condition == Condition::Halving);
            let reset = answer
                .server
                .is_some_and(|server| self.was_injured(server, outcome));
            let killed =
                self.world
                    .history
                    .was_killed(Some(answer.worker), outcome.start, outcome.end);
            let reason = match (halved, reset, killed) {
                (true, _, _) => "half an answer of the server",
                (_, _, true) => "half an answer, its worker was killed",
                (_, true, _) => "half an answer, its server was killed",
                _ => {
                    let words = self.words(outcome, &format!("the answer broke off: {why}"));
                    self.report.violation(Rule::Errors, words);
                    return;
                }
            };
            self.report.explained(Rule::Errors, reason);
            return;
        }
        let reason = match (answer.status, answer.server) {
            (200, Some(_)) => return,
            (status, Some(server)) => visits
                .iter()
                .any(|visit| {
                    visit.server == server && visit.condition == Condition::Failing(status)
                })
                .then_some("the server answered 5xx"),
            (502 | 504, None) => self.refusal(outcome, answer),
            _ => None,
        };
        match reason {
            Some(reason) => self.report.explained(Rule::Errors, reason),
            None if self.world.was_stalled(outcome.start, outcome.end) => self
                .report
                .explained(Rule::Errors, "this program itself stood still"),
            None => {
                let words = self.words(outcome, &format!("status {}", answer.status));
                self.report.violation(Rule::Errors, words);
            }
        }
    }

    /// Why nginx itself responded with 502 or 504.
    fn refusal(&self, outcome: &Outcome, answer: &Answer) -> Option<&'static str> {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        if upstream.fallback() != Fallback::On {
            let own = self.may_be_own(outcome);
            let why = (own.iter()).find_map(|&server| self.strict_refusal(outcome, answer, server));
            if why.is_some() {
                return why;
            }
        }
        let last = answer.attempts.last()?;
        if outcome.is_post && self.world.topology.server_at(&last.0).is_some() {
            return Some("the server failed, and POST may not be sent twice");
        }
        // nginx gives up a request whose upstream got other servers since it began.
        let served_by = |&server: &ServerId| self.is_told(server, outcome, answer.generation);
        if upstream.resolves()
            && answer.attempts.len() > 1
            && self.world.topology.server_at(&last.0).is_none()
            && upstream
                .servers
                .iter()
                .map(served_by)
                .any(|(any, all)| any != all)
        {
            return Some("no other try, for DNS had changed the servers since the first");
        }
        let is_down = |&server: &ServerId| self.is_down(outcome, answer, server);
        let all_down = if upstream.resolves() {
            // A request has as many tries as there were servers when it began.
            let name = upstream.dns_name();
            let told = self
                .world
                .told(&name, answer.generation, outcome.start, outcome.end);
            told.iter().any(|addresses| {
                let is_in = |&&server: &&ServerId| {
                    let address = self.world.topology.servers[server].address;
                    addresses.contains(address.ip())
                };
                upstream.servers.iter().filter(is_in).all(is_down)
            })
        } else {
            upstream.servers.iter().all(is_down)
        };
        if all_down {
            return Some("every server failed, or was known as failed");
        }
        let up = upstream.servers.iter().filter(|s| !is_down(s)).count();
        self.may_be_full(outcome, answer, up)
            .then_some("every server that was there may have been full")
    }

    /// Whether it may have been unavailable to a request without a session there.
    fn is_down(&self, outcome: &Outcome, answer: &Answer, server: ServerId) -> bool {
        !self.is_known(outcome, answer, server).1
            || self.may_be_drained(outcome, server)
            || self.failed_here(answer, server)
            || self.known_as_failed(outcome, answer, server)
            || self.was_injured(server, outcome)
    }

    /// The servers that a session may have: its own, or each of the upstream if nginx may know more than is certain here.
    fn may_be_own(&self, outcome: &Outcome) -> Vec<ServerId> {
        if let Some(server) = self.named(outcome) {
            return vec![server];
        }
        if self.is_learned(outcome) && outcome.cookie.is_some() {
            return self.world.topology.upstreams[outcome.upstream]
                .servers
                .clone();
        }
        Vec::new()
    }

    /// Why nginx refused a session whose server must not be replaced.
    fn strict_refusal(
        &self,
        outcome: &Outcome,
        answer: &Answer,
        server: ServerId,
    ) -> Option<&'static str> {
        if self.named(outcome).is_some() && !self.may_live(outcome) {
            return None;
        }
        if self.failed_here(answer, server) {
            return Some("fallback=off, and the session's server failed");
        }
        // No other kind of failure makes nginx refuse a session.
        let before = outcome.start.checked_sub(FORGIVEN + FELT_LATER);
        let from = before.unwrap_or(outcome.start);
        if self.known_as_failed(outcome, answer, server)
            && self.world.backends[server].refused(from, outcome.end)
        {
            return Some("fallback=off, and the session's server accepted no connections");
        }
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        (upstream.fallback() == Fallback::Off && !self.is_known(outcome, answer, server).0)
            .then_some("fallback=off, and the session's server was gone")
    }

    fn break_is_explained(
        &mut self,
        outcome: &Outcome,
        worker: Option<u32>,
        resent: bool,
        error: &str,
        visits: &[Visit],
    ) {
        self.report.checked(Rule::Errors);
        let history = &self.world.history;
        let reason = if history.was_killed(worker, outcome.start, outcome.end) {
            "broken, its worker was killed"
        } else if resent && visits.is_empty() {
            // nginx closes idle connections when it is reloaded. A request sent at that moment is lost, in every version.
            "an idle connection was closed at that moment, sent once more"
        } else {
            let words = self.words(outcome, &format!("the connection broke: {error}"));
            self.report.violation(Rule::Errors, words);
            return;
        };
        self.report.explained(Rule::Errors, reason);
    }

    /// The ID and the timestamps (last seen, first seen) in a value of the cookie.
    fn read<'a>(&self, upstream: UpstreamId, value: &'a str) -> (&'a str, Option<(u64, u64)>) {
        match self.world.topology.upstreams[upstream].mode() {
            Mode::Rewrite | Mode::Learn => (value, None),
            Mode::Prefix => (value.split('~').next().unwrap_or_default(), None),
            Mode::Insert => {
                let mut parts = value.split('|');
                let id = parts.next().unwrap_or_default();
                let mut stamp = || parts.next()?.parse().ok();
                (id, stamp().zip(stamp()))
            }
        }
    }

    fn is_learned(&self, outcome: &Outcome) -> bool {
        self.world.topology.upstreams[outcome.upstream].mode() == Mode::Learn
    }

    /// The server of a learned session.
    fn owner(&self, outcome: &Outcome) -> Owner {
        self.sessions.owner(&self.world.history, outcome)
    }

    /// The server in the client's cookie, or the one of its learned session.
    fn named(&self, outcome: &Outcome) -> Option<ServerId> {
        if self.is_learned(outcome) {
            return match self.owner(outcome) {
                Owner::Sure(server) => Some(server),
                Owner::Unsure | Owner::None => None,
            };
        }
        let (id, _) = self.read(outcome.upstream, outcome.cookie.as_deref()?);
        let topology = &self.world.topology;
        topology
            .server_of_id(outcome.upstream, id)
            .or_else(|| topology.server_of_minted(outcome.upstream, id))
    }

    /// Whether a learned session is remembered: surely, and perhaps. `None`: it is not a learned session.
    fn learned_lives(&self, outcome: &Outcome) -> Option<(bool, bool)> {
        let timeout = self.world.topology.upstreams[outcome.upstream].timeout()?;
        Some((self.sessions).lives(&self.world.history, outcome, timeout))
    }

    /// Whether the configuration that responded accepts the cookie.
    fn is_understood(&self, outcome: &Outcome) -> bool {
        let topology = &self.world.topology;
        let (Some(value), Ended::Answered(answer)) = (&outcome.cookie, &outcome.ended) else {
            return true;
        };
        if !topology.upstreams[outcome.upstream].has_keys() {
            return true;
        }
        let keys = self.world.history.keys(answer.generation);
        topology.made(outcome.upstream, value).is_understood(&keys)
    }

    /// Whether the session has not ended, as far as clocks can tell.
    fn may_live(&self, outcome: &Outcome) -> bool {
        if let Some((_, perhaps)) = self.learned_lives(outcome) {
            return perhaps;
        }
        self.age(outcome, |exceeds, limit| exceeds <= limit + CLOCK)
    }

    fn surely_lives(&self, outcome: &Outcome) -> bool {
        if let Some((surely, _)) = self.learned_lives(outcome) {
            return surely;
        }
        self.age(outcome, |exceeds, limit| exceeds + CLOCK < limit)
    }

    fn age(&self, outcome: &Outcome, within: impl Fn(u64, u64) -> bool) -> bool {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let Some(value) = &outcome.cookie else {
            return false;
        };
        if !self.is_understood(outcome) {
            return false;
        }
        let Some((last, first)) = self.read(outcome.upstream, value).1 else {
            return true;
        };
        let within = |limit: Option<u64>, since: u64| {
            limit.is_none_or(|limit| within(outcome.clock.1.saturating_sub(since), limit))
        };
        within(upstream.max_idle(), last) && within(upstream.max_life(), first)
    }

    fn session_stays(&mut self, outcome: &Outcome, answer: &Answer) {
        let (Some(value), Some(served)) = (&outcome.cookie, answer.server) else {
            return;
        };
        let is_learned = self.is_learned(outcome);
        let Some(named) = self.named(outcome) else {
            if is_learned {
                if self.owner(outcome) == Owner::Unsure {
                    let why = "not judged: what was noted may not have reached this configuration";
                    self.report.explained(Rule::Learned, why);
                }
                return;
            }
            let words = self.words(outcome, &format!("the cookie {value} names no server"));
            self.report.violation(Rule::Cookie, words);
            return;
        };
        let topology = &self.world.topology;
        let has_keys = topology.upstreams[outcome.upstream].has_keys();
        let minted = topology.server_of_minted(outcome.upstream, value);
        let (is_there, may_be_there) = self.is_known(outcome, answer, named);
        let lingers = !is_there && self.surely_lingers(outcome, answer, named);
        let rule = match (is_learned, has_keys, minted) {
            _ if lingers => Rule::Lingers,
            (true, ..) => Rule::Learned,
            (_, true, _) => Rule::Keyed,
            (.., Some(_)) => Rule::Accepted,
            _ => Rule::Stays,
        };
        self.report.checked(rule);
        if named == served {
            self.tally.bound += 1;
            return;
        }
        self.tally.moved += 1;
        let reason = if !self.is_understood(outcome) {
            "moved: its client had not come by while the keys changed"
        } else if !self.surely_lives(outcome) {
            "moved: the session had ended"
        } else if self.failed_here(answer, named) {
            "moved: its server failed for this request"
        } else if !is_there && !lingers {
            "moved: its server was gone"
        } else if (may_be_there || !lingers) && self.known_as_failed(outcome, answer, named) {
            "moved: nginx knew its server as failed"
        } else {
            let words = format!("moved from {} to {}", self.name(named), self.name(served));
            let words = self.words(outcome, &words);
            self.report.violation(rule, words);
            return;
        };
        self.report.explained(rule, reason);
    }

    /// Records the changes of the request to a learned session.
    fn learn(&mut self, outcome: &Outcome, visits: &[Visit]) {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        let keeps = match (&outcome.ended, self.named(outcome)) {
            (Ended::Answered(answer), Some(before)) => {
                !upstream.rebinds() && self.is_known(outcome, answer, before).0
            }
            _ => false,
        };
        let is_sure = self.named(outcome).is_some() && self.surely_lives(outcome);
        self.sessions.note(outcome, visits, is_sure, keeps);
    }

    fn cookie_names_server(&mut self, outcome: &Outcome, answer: &Answer, visits: &[Visit]) {
        let Some(served) = answer.server else {
            return;
        };
        // The cookie of a learned session is the application's.
        if self.is_learned(outcome) {
            return;
        }
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        if upstream.follows().is_some() {
            self.report.checked(Rule::Followed);
            if !answer.is_logged_in {
                self.no_cookie_is_left(outcome, answer);
                return;
            }
        }
        let application_sets_it = visits
            .iter()
            .any(|visit| visit.server == served && !visit.condition.is_harmful());
        if upstream.mode() != Mode::Insert && !application_sets_it {
            return;
        }
        let value = answer.cookie.as_deref().unwrap_or_default();
        let (id, stamps) = self.read(outcome.upstream, value);
        let named = self.world.topology.server_of_id(outcome.upstream, id);
        self.report.checked(Rule::Cookie);
        let before = self.named(outcome).filter(|_| self.may_live(outcome));
        let keeps = before.filter(|&before| {
            before != served && !upstream.rebinds() && self.is_known(outcome, answer, before).0
        });
        let right = match keeps {
            // It could have ended just now.
            Some(_) if !self.surely_lives(outcome) => true,
            Some(before) => named == Some(before),
            None => named == Some(served),
        };
        if !right {
            let words = format!("{} answered, and the cookie is {value}", self.name(served));
            let words = self.words(outcome, &words);
            self.report.violation(Rule::Cookie, words);
        }
        if upstream.has_keys() {
            self.cookie_is_by_keys(outcome, answer, value);
        }
        self.stamps_are_right(outcome, answer, stamps);
    }

    /// There is no session of the application, or it has ended.
    fn no_cookie_is_left(&mut self, outcome: &Outcome, answer: &Answer) {
        if answer.sets_cookie || outcome.cookie.is_some() && answer.cookie.is_some() {
            let words = self.words(outcome, "a cookie without a session of the application");
            self.report.violation(Rule::Followed, words);
        } else if outcome.cookie.is_some() {
            let why = "logged out, and the cookie was deleted";
            self.report.explained(Rule::Followed, why);
        } else {
            let why = "without a session, and without a cookie";
            self.report.explained(Rule::Followed, why);
        }
    }

    /// The cookie must be made with the two newest keys of nginx.
    fn cookie_is_by_keys(&mut self, outcome: &Outcome, answer: &Answer, value: &str) {
        let keys = self.world.history.keys(answer.generation);
        let made = self.world.topology.made(outcome.upstream, value);
        self.report.checked(Rule::Keyed);
        if !made.is_of(&keys) {
            let words = format!("the cookie {value} was made by {made:?}, of the keys {keys:?}");
            let words = self.words(outcome, &words);
            self.report.violation(Rule::Keyed, words);
        }
    }

    fn stamps_are_right(&mut self, outcome: &Outcome, answer: &Answer, after: Option<(u64, u64)>) {
        let upstream = &self.world.topology.upstreams[outcome.upstream];
        if upstream.max_idle().or(upstream.max_life()).is_none() {
            return;
        }
        self.report.checked(Rule::Stamps);
        let before = outcome.cookie.as_deref();
        let before = before.and_then(|value| self.read(outcome.upstream, value).1);
        let (begin, end) = outcome.clock;
        let is_now = |stamp| begin <= stamp + CLOCK && stamp <= end + CLOCK;
        let right = match (before, after) {
            (_, None) => false,
            (None, Some((last, first))) => is_now(last) && is_now(first),
            (Some(_), Some((last, first))) if !self.may_live(outcome) => {
                is_now(last) && is_now(first)
            }
            (Some((_, began)), Some((last, first))) => {
                let stayed = answer.server == self.named(outcome);
                let is_fresh = before == after && last + upstream.refresh() + CLOCK >= end;
                (is_now(last) || is_fresh)
                    && (first == began || !stayed || !self.surely_lives(outcome))
            }
        };
        if !right {
            let words = format!("stamps {before:?} became {after:?}");
            let words = self.words(outcome, &words);
            self.report.violation(Rule::Stamps, words);
        }
    }

    fn name(&self, server: ServerId) -> String {
        self.world.topology.servers[server].address.to_string()
    }

    /// A violation, with the details needed to find it in the logs.
    fn words(&self, outcome: &Outcome, what: &str) -> String {
        let since = |at: Instant| at.duration_since(self.world.begin).as_secs_f64();
        let ended = match &outcome.ended {
            Ended::Answered(answer) => format!(
                "status {}, worker {}, generation {}, tried {:?}, cookie after {:?}",
                answer.status, answer.worker, answer.generation, answer.attempts, answer.cookie
            ),
            Ended::Broken { worker, .. } => format!("worker {worker:?}"),
            Ended::Aborted | Ended::TimedOut => String::new(),
        };
        format!(
            "{what}\n    upstream {}, request {}, client {}, {}, from {:.3} s to {:.3} s, cookie {:?}\n    {ended}",
            self.world.topology.upstreams[outcome.upstream].name(),
            outcome.request,
            outcome.client,
            if outcome.is_post { "POST" } else { "GET" },
            since(outcome.start),
            since(outcome.end),
            outcome.cookie,
        )
    }
}
