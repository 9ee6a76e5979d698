//! What is counted, and what it means.
//!
//! Nearly every request is one of two: it carries a valid cookie and its response does nothing for the session, or it
//! carries none and gets one. Each has a counter of its own with the server, so that it is one addition, not three;
//! the sums of an upstream take them apart again.

/// How many counters a line has.
pub(super) const COUNTERS: usize = 8;

/// A counter of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Count {
    /// The server of the session served the request; verdict `valid`, action `none`.
    Settled,
    /// A first visit; verdict `none`, action `inserted`.
    Opened,
    /// Another first visit. From here on verdict and action are counted apart.
    New,
    /// The server of the session served the request.
    Bound,
    /// The session moved here from another server.
    Moved,
    /// The request was lent here, as the server of its session could not be had.
    Lent,
    /// The request was refused: this server, which has the session, could not be had.
    Refused,
    /// A session of this server was served by another.
    Away,
}

/// The requests by what became of their session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RequestCounts {
    /// The balancer chose the server.
    pub new: u64,
    /// The server of the session served them.
    pub bound: u64,
    /// The session moved.
    pub moved: u64,
    /// Another server served this request only.
    pub lent: u64,
    /// No other server was to serve them.
    pub refused: u64,
    /// The session was not looked at.
    pub off: u64,
}

/// The requests by the verdict on their cookie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // the verdicts' own words
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

/// The requests by what their response did for the session.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[allow(missing_docs)] // the actions' own words
pub struct ActionCounts {
    pub none: u64,
    pub inserted: u64,
    pub updated: u64,
    pub rewritten: u64,
    pub prefixed: u64,
    pub preserved: u64,
    pub deleted: u64,
}

/// What was counted of a server.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ServerCounts {
    /// First visits that the balancer sent here.
    pub new: u64,
    /// Requests of its sessions that it served.
    pub bound: u64,
    /// Requests by which a session moved here.
    pub moved: u64,
    /// Requests of other servers' sessions that were lent here.
    pub lent: u64,
    /// Requests of its sessions that were refused.
    pub refused: u64,
    /// Requests of its sessions that another server served.
    pub moved_away: u64,
}

/// What was counted of an upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct UpstreamCounts {
    /// All requests.
    pub requests: RequestCounts,
    /// Those of them that had no server, or one whose slot was given away since.
    pub without_server: RequestCounts,
    /// All requests.
    pub verdicts: VerdictCounts,
    /// All requests.
    pub actions: ActionCounts,
    /// How often a session went to its server over the limit of that server's connections.
    pub over_limit: u64,
}

/// What the line of a server holds, in the order of [`Count`].
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

    /// What of a server's is an upstream's.
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
    /// `off` requests have not been looked at.
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
    /// `off` requests had nothing done for a session.
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
