//! The server states that a worker has applied in an upstream.

use core::cell::Cell;

use ngx::ffi::ngx_uint_t;
use session_cookie::control::{Pace, Table};

use super::said::Said;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::server_names::Shape;
use crate::nginx::worker_cell::WorkerCell;

/// The server states that a worker has applied in an upstream; none by default.
#[derive(Default)]
pub(crate) struct Applied {
    /// The zone with the states, if servers can be controlled or can ask to drain.
    pub(crate) zone: Cell<Option<ControlZone>>,
    /// The table in that zone, once it was accessed.
    pub(super) table: Cell<Option<Table<'static>>>,
    /// The applied generation of the table.
    pub(super) generation: Cell<u64>,
    /// The generation of the servers to which it was applied, and the shape of the list of primary ones.
    pub(super) servers: Cell<ngx_uint_t>,
    pub(super) shape: Cell<Shape>,
    /// The states set by operators, and the servers that ask to drain.
    pub(super) said: WorkerCell<Said>,
    /// Whether servers that ask to drain are drained, because another one can be chosen.
    pub(super) obeys: Cell<bool>,
    /// The generation of the table in which there was no room for a server that asks to drain.
    pub(super) full: Cell<u64>,
    /// How many servers have started or stopped asking to drain, by responses to this worker.
    pub(super) pace: Cell<Pace>,
}

impl Applied {
    /// Returns whether servers can be controlled, or can ask to drain.
    pub(crate) fn is_wanted(&self) -> bool {
        self.zone.get().is_some()
    }

    /// Returns whether servers that ask to drain are drained.
    pub(crate) fn has_willing(&self) -> bool {
        self.obeys.get()
    }

    /// Discards what was applied: the servers are about to be replaced.
    pub(crate) fn forget(&self) {
        self.generation.set(0);
        self.table.set(None);
    }
}
