//! The state shared by all parts of the program.

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::backend::{lock, Backend, Ledger};
use crate::control::Drains;
use crate::history::History;
use crate::resolver::{line_of, Resolver};
use crate::topology::{Topology, SERVER_TIMEOUT};

/// From a DNS answer until a busy worker has read it.
const DNS_READ: Duration = Duration::from_secs(1);

pub(crate) struct World {
    pub(crate) topology: Arc<Topology>,
    pub(crate) backends: Vec<Arc<Backend>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) history: History,
    pub(crate) drains: Drains,
    pub(crate) begin: Instant,
    stalls: Mutex<Vec<(Instant, Instant)>>,
}

impl World {
    pub(crate) fn new(
        topology: Arc<Topology>,
        backends: Vec<Arc<Backend>>,
        ledger: Arc<Ledger>,
        resolver: Arc<Resolver>,
    ) -> Self {
        World {
            topology,
            backends,
            ledger,
            resolver,
            history: History::default(),
            drains: Drains::default(),
            begin: Instant::now(),
            stalls: Mutex::default(),
        }
    }

    /// Whether this program, with its servers, was stalled long enough for nginx to time out.
    pub(crate) fn was_stalled(&self, from: Instant, to: Instant) -> bool {
        let stalls = lock(&self.stalls);
        stalls.iter().any(|stall| stall.0 <= to && stall.1 >= from)
    }

    pub(crate) fn stalls(&self) -> usize {
        lock(&self.stalls).len()
    }

    /// Watches whether this program is scheduled.
    pub(crate) async fn watch(&self) {
        const TICK: Duration = Duration::from_millis(50);
        let mut last = Instant::now();
        loop {
            tokio::time::sleep(TICK).await;
            let now = Instant::now();
            if now - last > SERVER_TIMEOUT / 2 {
                lock(&self.stalls).push((last, now));
            }
            last = now;
        }
    }

    /// Every set of addresses that a configuration could have in use for this name between the two: the last one
    /// received before, and those received since. Before its first query, it uses the set that the previous
    /// configuration had when nginx read it (1.27.3 and newer, ngx_http_upstream_zone_module.c).
    pub(crate) fn told(
        &self,
        name: &str,
        generation: usize,
        from: Instant,
        to: Instant,
    ) -> Vec<Vec<Ipv4Addr>> {
        let Some((begin, read)) = self.history.read(generation) else {
            return Vec::new();
        };
        let from = from.checked_sub(DNS_READ).unwrap_or(from);
        let answers = self.resolver.told(name, line_of(generation), begin, to);
        let since = answers.partition_point(|answer| answer.at < from);
        let mut sets = match (since.checked_sub(1), generation.checked_sub(1)) {
            (Some(last), _) => vec![answers[last].addresses.clone()],
            (None, Some(before)) => self.told(name, before, begin, read.min(to)),
            (None, None) => Vec::new(),
        };
        sets.extend(
            answers[since..]
                .iter()
                .map(|answer| answer.addresses.clone()),
        );
        sets
    }

    /// Removes records that are no longer needed.
    pub(crate) fn forget(&self, before: Instant) {
        for backend in &self.backends {
            backend.forget(before);
        }
        self.resolver.forget(before);
    }
}
