//! What a worker has applied of what was said of the servers of an upstream.

use core::cell::Cell;

use ngx::ffi::ngx_uint_t;
use session_cookie::control::Table;

use crate::nginx::control_zone::ControlZone;
use crate::nginx::server_names::Shape;

/// What a worker has applied of what was said of the servers of one upstream. Nothing yet, by default.
#[derive(Default)]
pub(crate) struct Applied {
    /// Where it is said, if servers can be controlled.
    pub(crate) zone: Cell<Option<ControlZone>>,
    /// The table in that zone, once it was looked at.
    pub(super) table: Cell<Option<Table<'static>>>,
    /// The generation of the table.
    pub(super) generation: Cell<u64>,
    /// The generation of the servers, and the shape of the list of primary ones.
    pub(super) servers: Cell<ngx_uint_t>,
    pub(super) shape: Cell<Shape>,
}

impl Applied {
    /// Returns whether servers can be controlled.
    pub(crate) fn is_wanted(&self) -> bool {
        self.zone.get().is_some()
    }

    /// Forgets what was applied: the servers are about to be made anew.
    pub(crate) fn forget(&self) {
        self.generation.set(0);
        self.table.set(None);
    }
}
