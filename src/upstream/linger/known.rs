//! What a worker knows of the servers of an upstream that linger.

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

/// What is known of the servers of one upstream that linger. Where none may, there is no zone.
#[derive(Default)]
pub(crate) struct Linger {
    /// Where they are.
    pub(crate) zone: Cell<Option<LingerZone>>,
    /// The `server` lines from which they may come, in order.
    pub(crate) lines: OnceCell<Vec<(Line, ServerLine<'static>)>>,
    pub(super) seen: WorkerCell<Seen>,
    pub(super) roster: WorkerCell<Roster>,
    /// Whether this worker has told that there are too many.
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

/// The servers that DNS had told of when they were looked at last.
#[derive(Default)]
pub(super) struct Seen {
    /// Of which generation they are; `None`: they were not looked at.
    pub(super) generation: Option<ngx_uint_t>,
    /// In which second.
    pub(super) at: Cell<u64>,
    /// In order.
    pub(super) servers: Vec<Server>,
}

/// The servers that linger, by their ids.
#[derive(Default)]
pub(super) struct Roster {
    /// Of which generation of the table they are.
    pub(super) generation: u64,
    pub(super) servers: Servers<Number>,
    /// Where each is in the table.
    pub(super) places: Vec<(Place, Server)>,
}

/// The number of a server in [`Roster::places`].
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(super) struct Number(pub(super) u32);

/// A server that lingers, and a request to it.
pub(crate) struct Lingerer {
    pub(super) server: Server,
    pub(super) gone: GoneServer,
    /// Whether the request was sent there, or could not be.
    pub(super) tried: Cell<bool>,
    /// Why it did not serve the request.
    pub(super) failure: Cell<Option<Failure>>,
}

/// The server of a session that lingers, and which another may have served since.
#[derive(Clone, Copy)]
pub(super) struct Followed<'r> {
    /// Where the exchange is that it was found for.
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
    /// Lets it be chosen once more.
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
