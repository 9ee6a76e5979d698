//! The events and their times: a pure function of the seed.

use std::collections::HashMap;
use std::time::Duration;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::backend::Condition;
use crate::topology::{ServerId, Topology};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    Kill,
    Term,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Injure(ServerId, Condition),
    Heal(ServerId),
    /// Removes a server from the configuration, at the next reload, or from DNS, at once.
    Leave(ServerId),
    Join(ServerId),
    Reload,
    /// Changes the size of the zones of learned sessions at the next reload.
    Resize,
    /// Adds a key at the top of the file, or removes the last one, and reloads at once, so that nginx has each of these
    /// keys.
    AddKey,
    RemoveKey,
    /// Replaces the file of the module, like an upgrade of a package.
    ReplaceModule,
    /// Asks nginx to drain a server, and to bring it back.
    Drain(ServerId),
    Undrain(ServerId),
    /// A server's responses begin to request draining, and stop.
    Ask(ServerId),
    AskNoMore(ServerId),
    /// To a random worker.
    Signal(Signal),
}

pub(crate) struct Step {
    pub(crate) at: Duration,
    pub(crate) action: Action,
}

/// The possible faults of a server. Those listed twice are twice as likely.
const CONDITIONS: [Condition; 8] = [
    Condition::Refusing,
    Condition::Refusing,
    Condition::Hanging,
    Condition::Late,
    Condition::Failing(500),
    Condition::Failing(503),
    Condition::Cutting,
    Condition::Halving,
];

/// The range of times between steps of one kind, in milliseconds.
const INJURIES: (u64, u64) = (150, 650);
const INJURY: (u64, u64) = (400, 3500);
const OUTAGES: (u64, u64) = (6_000, 14_000);
const OUTAGE: (u64, u64) = (500, 2_500);
const LEAVES: (u64, u64) = (1_000, 3_000);
const LEAVES_OF_DNS: (u64, u64) = (800, 2_400);
/// Longer than the judge's grace period for removed servers, so that the rule is actually tested.
const ABSENCE: (u64, u64) = (6_000, 14_000);
const RELOADS: (u64, u64) = (1_000, 2_000);
const RESIZES: (u64, u64) = (3_000, 9_000);
/// Longer than sessions take to expire: with a new file, learned sessions are lost.
const REPLACEMENTS: (u64, u64) = (8_000, 14_000);
const SIGNALS: (u64, u64) = (2_000, 5_000);
const DRAINS: (u64, u64) = (200, 800);
/// Longer than the judge's grace period for workers that do not know it yet.
const DRAINED: (u64, u64) = (1_500, 8_000);

const ASKS: (u64, u64) = (700, 1_800);
/// Longer than the judge's grace period, and than the `drain_time=` of one of the upstreams.
const ASKED: (u64, u64) = (3_000, 10_000);

/// Long enough for clients to send requests between two of them.
const ROTATIONS: (u64, u64) = (1_500, 3_500);
/// The maximum number of keys at a time.
const MOST_KEYS: usize = 3;

/// The phases of the run.
pub(crate) struct Phases {
    /// Until then there are no faults.
    pub(crate) begin: Duration,
    /// Then come the last reload and the last signal. Faults of servers and DNS continue, so that the workers that are
    /// judged at the end have experienced some.
    pub(crate) last_reload: Duration,
    /// Everything is repaired and present again.
    pub(crate) end: Duration,
}

struct Planner<'a> {
    rng: ChaCha8Rng,
    topology: &'a Topology,
    phases: Phases,
    steps: Vec<Step>,
}

pub(crate) fn plan(seed: u64, topology: &Topology, phases: Phases) -> Vec<Step> {
    let mut planner = Planner {
        rng: ChaCha8Rng::seed_from_u64(seed),
        topology,
        phases,
        steps: Vec::new(),
    };
    planner.injuries();
    planner.absences();
    planner.trouble_for_nginx();
    planner.drains();
    planner.rotations();
    planner.asks();
    let mut steps = planner.steps;
    steps.sort_by_key(|step| step.at);
    steps
}

impl Planner<'_> {
    fn add(&mut self, at: Duration, action: Action) {
        self.steps.push(Step { at, action });
    }

    fn between(&mut self, (from, to): (u64, u64)) -> Duration {
        Duration::from_millis(self.rng.random_range(from..to))
    }

    fn times(&mut self, often: (u64, u64), end: Duration) -> Vec<Duration> {
        let mut at = self.phases.begin;
        let mut times = Vec::new();
        loop {
            at += self.between(often);
            if at >= end {
                return times;
            }
            times.push(at);
        }
    }

    fn condition(&mut self) -> Condition {
        *CONDITIONS.choose(&mut self.rng).expect("conditions")
    }

    /// Faults of single servers, and of all servers of an upstream at once.
    fn injuries(&mut self) {
        let (topology, end) = (self.topology, self.phases.end);
        let mut injuries = Vec::new();
        for at in self.times(OUTAGES, end) {
            let upstream = topology.upstreams.choose(&mut self.rng).expect("upstreams");
            let until = (at + self.between(OUTAGE)).min(end);
            let servers = upstream.servers.clone();
            injuries.push((at, until, servers, self.condition()));
        }
        for at in self.times(INJURIES, end) {
            let server = self.rng.random_range(0..topology.servers.len());
            let until = (at + self.between(INJURY)).min(end);
            injuries.push((at, until, vec![server], self.condition()));
        }
        injuries.sort_by_key(|(at, ..)| *at);

        // A server has one fault at a time, so that repairing it ends exactly that one.
        let mut busy_until: HashMap<ServerId, Duration> = HashMap::new();
        for (at, until, servers, condition) in injuries {
            for server in servers {
                let busy = busy_until.entry(server).or_default();
                if *busy < at {
                    *busy = until;
                    self.add(at, Action::Injure(server, condition));
                    self.add(until, Action::Heal(server));
                }
            }
        }
    }

    /// Removes servers from the configuration, effective with a reload, and from DNS.
    fn absences(&mut self) {
        let (in_dns, configured): (Vec<_>, Vec<_>) = self
            .topology
            .upstreams
            .iter()
            .partition(|upstream| upstream.resolves());
        let kinds = [
            (LEAVES, configured, self.phases.last_reload),
            (LEAVES_OF_DNS, in_dns, self.phases.end),
        ];
        for (often, upstreams, end) in kinds {
            let mut back_at: HashMap<ServerId, Duration> = HashMap::new();
            for at in self.times(often, end) {
                let Some(upstream) = upstreams.choose(&mut self.rng) else {
                    continue;
                };
                let mut here = upstream.servers.clone();
                here.retain(|server| back_at.get(server).is_none_or(|&back| back < at));
                let Some(&server) = here.choose(&mut self.rng) else {
                    continue;
                };
                // At least two primary servers remain: one, and another that can replace it.
                let is_backup = |server: &ServerId| self.topology.is_backup(*server);
                let primaries = here.iter().filter(|server| !is_backup(server)).count();
                if is_backup(&server) || primaries > 2 {
                    let until = (at + self.between(ABSENCE)).min(end);
                    back_at.insert(server, until);
                    self.add(at, Action::Leave(server));
                    self.add(until, Action::Join(server));
                }
            }
        }
    }

    /// By requests to nginx, one server of an upstream at a time.
    fn drains(&mut self) {
        let (topology, end) = (self.topology, self.phases.end);
        let mut busy_until: HashMap<&str, Duration> = HashMap::new();
        for at in self.times(DRAINS, end) {
            let upstream = topology.upstreams.choose(&mut self.rng).expect("upstreams");
            let server = *upstream.servers.choose(&mut self.rng).expect("servers");
            let until = (at + self.between(DRAINED)).min(end);
            let busy = busy_until.entry(upstream.name()).or_default();
            if *busy < at {
                *busy = until;
                self.add(at, Action::Drain(server));
                self.add(until, Action::Undrain(server));
            }
        }
    }

    /// Usually one or two servers of an upstream at a time.
    fn asks(&mut self) {
        let (topology, end) = (self.topology, self.phases.end);
        let upstreams = topology.upstreams.iter();
        let asking: Vec<_> = upstreams.filter(|u| u.drain_time().is_some()).collect();
        let mut busy_until: HashMap<ServerId, Duration> = HashMap::new();
        for at in self.times(ASKS, end) {
            let upstream = asking.choose(&mut self.rng).expect("upstreams");
            let server = *upstream.servers.choose(&mut self.rng).expect("servers");
            let until = (at + self.between(ASKED)).min(end);
            let busy = busy_until.entry(server).or_default();
            if *busy < at {
                *busy = until;
                self.add(at, Action::Ask(server));
                self.add(until, Action::AskNoMore(server));
            }
        }
    }

    /// Like an operator: a new key is added, then the old one removed. Sometimes another new one is added first.
    fn rotations(&mut self) {
        let mut keys = 1;
        for at in self.times(ROTATIONS, self.phases.last_reload) {
            if keys == 1 || keys < MOST_KEYS && self.rng.random_bool(0.3) {
                keys += 1;
                self.add(at, Action::AddKey);
            } else {
                keys -= 1;
                self.add(at, Action::RemoveKey);
            }
        }
    }

    fn trouble_for_nginx(&mut self) {
        let end = self.phases.last_reload;
        for at in self.times(RELOADS, end) {
            self.add(at, Action::Reload);
        }
        for at in self.times(RESIZES, end) {
            self.add(at, Action::Resize);
        }
        for at in self.times(REPLACEMENTS, end) {
            self.add(at, Action::ReplaceModule);
        }
        for at in self.times(SIGNALS, end) {
            let signal = if self.rng.random_bool(0.5) {
                Signal::Kill
            } else {
                Signal::Term
            };
            self.add(at, Action::Signal(signal));
        }
        self.add(end, Action::Reload);
    }
}
