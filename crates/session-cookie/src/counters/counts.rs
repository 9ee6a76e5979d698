//! The counters and their meaning.
//!
//! Nearly every request is one of two kinds: it has a valid cookie and its response needs no action, or it has no
//! cookie and gets one. The server has one counter for each of these kinds, so that a request takes one addition
//! instead of three. They are split up again when the sums of an upstream are calculated.

/// The number of counters in a line.
pub(super) const COUNTERS: usize = 8;

/// A counter of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Count {
    /// The request was passed to the server of its session; verdict `valid`, action `none`.
    Settled,
    /// A first visit; verdict `none`, action `inserted`.
    Opened,
    /// Any other first visit. For this counter and the following ones, verdict and action are counted separately.
    New,
    /// The request was passed to the server of its session.
    Bound,
    /// The session moved to this server.
    Moved,
    /// The request was lent to this server, because the server of its session was unavailable.
    Lent,
    /// The request was refused, because this server, which owns the session, was unavailable.
    Refused,
    /// A request of one of this server's sessions was passed to another server.
    Away,
}

/// The number of requests by [status](crate::status::Status).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestCounts {
    /// First visits.
    pub new: u64,
    /// Requests passed to the server of their session.
    pub bound: u64,
    /// Requests whose session moved.
    pub moved: u64,
    /// Requests lent to another server.
    pub lent: u64,
    /// Refused requests.
    pub refused: u64,
    /// Requests for which persistence is switched off.
    pub off: u64,
}

/// The number of requests by [verdict](crate::verdict::Verdict).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // named after the verdicts
pub struct VerdictCounts {
    pub none: u64,
    pub valid: u64,
    pub expired: u64,
    pub old: u64,
    pub unknown: u64,
    pub down: u64,
    pub invalid: u64,
    pub forged: u64,
    pub unused: u64,
}

/// The number of requests by [action](crate::status::ActionTaken).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // named after the actions
pub struct ActionCounts {
    pub none: u64,
    pub inserted: u64,
    pub updated: u64,
    pub rewritten: u64,
    pub prefixed: u64,
    pub preserved: u64,
    pub deleted: u64,
}

/// The counts of a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ServerCounts {
    /// First visits passed to this server.
    pub new: u64,
    /// Requests of its sessions passed to this server.
    pub bound: u64,
    /// Requests with which a session moved to this server.
    pub moved: u64,
    /// Requests of other servers' sessions lent to this server.
    pub lent: u64,
    /// Requests of its sessions that were refused.
    pub refused: u64,
    /// Requests of its sessions passed to another server.
    pub moved_away: u64,
}

/// The counts of an upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UpstreamCounts {
    /// All requests, by status.
    pub requests: RequestCounts,
    /// Those requests that are not counted for a server: they had none, or its slot is missing or has been freed since.
    pub without_server: RequestCounts,
    /// All requests, by verdict.
    pub verdicts: VerdictCounts,
    /// All requests, by action.
    pub actions: ActionCounts,
    /// Requests passed to the server of their session over its connection limit.
    pub over_limit: u64,
}

/// The counters in the line of a server, in the order of [`Count`].
pub(super) type Counters = [u64; COUNTERS];

impl ServerCounts {
    pub(super) fn of(counters: Counters) -> Self {
        let [settled, opened, new, bound, moved, lent, refused, moved_away] = counters;
        ServerCounts {
            new: new.wrapping_add(opened),
            bound: bound.wrapping_add(settled),
            moved,
            lent,
            refused,
            moved_away,
        }
    }
}

impl RequestCounts {
    pub(super) fn of(counters: Counters) -> Self {
        let [new, bound, moved, lent, refused, off, ..] = counters;
        RequestCounts {
            new,
            bound,
            moved,
            lent,
            refused,
            off,
        }
    }

    /// Returns the counts of a server that are added to those of its upstream.
    pub(super) fn of_server(server: ServerCounts) -> Counters {
        let ServerCounts {
            new,
            bound,
            moved,
            lent,
            refused,
            ..
        } = server;
        [new, bound, moved, lent, refused, 0, 0, 0]
    }
}

impl VerdictCounts {
    /// Unpacks counters; `off` is the number of requests for which persistence is switched off.
    pub(super) fn of(counters: Counters, off: u64) -> Self {
        let [none, valid, expired, old, unknown, down, invalid, forged] = counters;
        VerdictCounts {
            none,
            valid,
            expired,
            old,
            unknown,
            down,
            invalid,
            forged,
            unused: off,
        }
    }

    pub(super) fn of_server(counters: Counters) -> Counters {
        let [settled, opened, ..] = counters;
        [opened, settled, 0, 0, 0, 0, 0, 0]
    }
}

impl ActionCounts {
    /// Unpacks counters; `off` requests had no action.
    pub(super) fn of(counters: Counters, off: u64) -> Self {
        let [none, inserted, updated, rewritten, prefixed, preserved, deleted, _] = counters;
        ActionCounts {
            none: none.wrapping_add(off),
            inserted,
            updated,
            rewritten,
            prefixed,
            preserved,
            deleted,
        }
    }

    pub(super) fn of_server(counters: Counters) -> Counters {
        let [settled, opened, ..] = counters;
        [settled, opened, 0, 0, 0, 0, 0, 0]
    }
}

pub(super) fn sum(one: Counters, other: Counters) -> Counters {
    let mut sum = one;
    for (sum, other) in sum.iter_mut().zip(other) {
        *sum = sum.wrapping_add(other);
    }
    sum
}
