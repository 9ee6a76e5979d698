//! What a worker has applied of what was said of the servers of an upstream.

use core::cell::Cell;

use ngx::ffi::ngx_uint_t;
use session_cookie::control::{Pace, Table};

use super::said::Said;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::server_names::Shape;
use crate::nginx::worker_cell::WorkerCell;

/// What a worker has applied of what was said of the servers of one upstream. Nothing yet, by default.
#[derive(Default)]
pub(crate) struct Applied {
    /// Where it is said, if servers can be controlled or can ask to drain.
    pub(crate) zone: Cell<Option<ControlZone>>,
    /// The table in that zone, once it was looked at.
    pub(super) table: Cell<Option<Table<'static>>>,
    /// The generation of the table.
    pub(super) generation: Cell<u64>,
    /// The generation of the servers, and the shape of the list of primary ones.
    pub(super) servers: Cell<ngx_uint_t>,
    pub(super) shape: Cell<Shape>,
    /// What was said, and what servers ask for.
    pub(super) said: WorkerCell<Said>,
    /// Whether servers that ask to drain do: another one can be chosen.
    pub(super) obeys: Cell<bool>,
    /// The generation of the table in which there was no room for what a server asks.
    pub(super) full: Cell<u64>,
    /// How many servers have begun or ceased to ask with responses that came to this worker.
    pub(super) pace: Cell<Pace>,
}

impl Applied {
    /// Returns whether servers can be controlled, or can ask to drain.
    pub(crate) fn is_wanted(&self) -> bool {
        self.zone.get().is_some()
    }

    /// Returns whether servers drain because they have asked to.
    pub(crate) fn has_willing(&self) -> bool {
        self.obeys.get()
    }

    /// Forgets what was applied: the servers are about to be made anew.
    pub(crate) fn forget(&self) {
        self.generation.set(0);
        self.table.set(None);
    }
}
