//! What all parts of the program know of.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::backend::{lock, Backend, Ledger};
use crate::history::History;
use crate::resolver::Resolver;
use crate::topology::{Topology, SERVER_TIMEOUT};

pub(crate) struct World {
    pub(crate) topology: Arc<Topology>,
    pub(crate) backends: Vec<Arc<Backend>>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) resolver: Arc<Resolver>,
    pub(crate) history: History,
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
            begin: Instant::now(),
            stalls: Mutex::default(),
        }
    }

    /// Did this program, with the servers in it, stand still for so long that nginx had to give up on them?
    pub(crate) fn was_stalled(&self, from: Instant, to: Instant) -> bool {
        let stalls = lock(&self.stalls);
        stalls.iter().any(|stall| stall.0 <= to && stall.1 >= from)
    }

    pub(crate) fn stalls(&self) -> usize {
        lock(&self.stalls).len()
    }

    /// Watches whether this program gets to run.
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

    /// Forgets what nobody will ask for again.
    pub(crate) fn forget(&self, before: Instant) {
        for backend in &self.backends {
            backend.forget(before);
        }
        self.resolver.forget(before);
    }
}
