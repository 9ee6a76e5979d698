//! What a worker knows about the lingering servers of an upstream.

use core::cell::{Cell, OnceCell};

use ngx::ffi::ngx_uint_t;
use session_cookie::linger::{Line, Place, Server};

use crate::nginx::gone_server::GoneServer;
use crate::nginx::linger_zone::LingerZone;
use crate::nginx::pool::{PoolSlot, SlotKind};
use crate::nginx::upstream::ServerLine;
use crate::nginx::worker_cell::WorkerCell;
use crate::upstream::failure::Failure;
use crate::upstream::servers::Servers;

/// The lingering servers of an upstream. If none may linger, there is no zone.
#[derive(Default)]
pub(crate) struct Linger {
    /// The shared memory zone of lingering servers.
    pub(crate) zone: Cell<Option<LingerZone>>,
    /// The `server` lines whose servers may linger, sorted.
    pub(crate) lines: OnceCell<Vec<(Line, ServerLine<'static>)>>,
    pub(super) seen: WorkerCell<Seen>,
    pub(super) roster: WorkerCell<Roster>,
    /// Whether this worker has logged that there are too many.
    pub(super) told: Cell<bool>,
}

impl Linger {
    /// Returns the line of a server, if the configuration still has it.
    pub(super) fn line(&self, line: Line) -> Option<&ServerLine<'static>> {
        let lines = self.lines.get()?;
        let found = lines.binary_search_by_key(&line, |(line, _)| *line).ok()?;
        lines.get(found).map(|(_, line)| line)
    }
}

/// The servers that DNS had returned at the last check.
#[derive(Default)]
pub(super) struct Seen {
    /// Their generation; `None` if they were never checked.
    pub(super) generation: Option<ngx_uint_t>,
    /// The second of the last check.
    pub(super) at: Cell<u64>,
    /// Sorted.
    pub(super) servers: Vec<Server>,
}

/// The lingering servers, by ID.
#[derive(Default)]
pub(super) struct Roster {
    /// The generation of the table.
    pub(super) generation: u64,
    pub(super) servers: Servers<Number>,
    /// The place of each server in the table.
    pub(super) places: Vec<(Place, Server)>,
}

/// The number of a server in [`Roster::places`].
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Number(pub(super) u32);

/// A lingering server to which a request is bound.
pub(crate) struct Lingerer {
    pub(super) server: Server,
    pub(super) gone: GoneServer,
    /// Whether it was chosen.
    pub(super) tried: Cell<bool>,
    /// Why it did not serve the request.
    pub(super) failure: Cell<Option<Failure>>,
}

/// The lingering server of a session; another server may have served the request since.
#[derive(Clone, Copy)]
pub(super) struct Followed<'r> {
    /// The address of the exchange for which it was found.
    pub(super) exchange: usize,
    pub(super) lingerer: &'r Lingerer,
}

// SAFETY: no other type has `SlotKind::Lingerer`.
#[allow(unsafe_code)]
unsafe impl<'r> PoolSlot<'r> for Followed<'r> {
    const KIND: SlotKind = SlotKind::Lingerer;

    fn key(&self) -> usize {
        self.exchange
    }
}

impl Lingerer {
    /// Allows it to be chosen again.
    pub(crate) fn forget_try(&self) {
        self.tried.set(false);
    }
}

impl core::fmt::Display for Lingerer {
    /// Writes its address, and why it did not serve the request.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{} (left DNS", crate::nginx::Printable(self.gone.name()))?;
        if let Some(failure) = self.failure.get() {
            write!(f, ", {failure}")?;
        }
        f.write_str(")")
    }
}
