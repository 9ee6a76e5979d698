//! Server states that are set at run time. An operator can drain a server, which then receives no new sessions, or take
//! it down. Servers can also request draining themselves, with their responses ([`is_renewed`]).
//!
//! [`Table`] holds the states in memory that the worker processes share, and [`mod@file`] is the text format in which
//! they are saved. [`Change::read`] parses the body of a request that changes a state, and [`guard`] checks whether the
//! operator intended that request.

mod asked;
mod change;
pub mod file;
pub mod guard;
mod slot;
mod table;
#[cfg(test)]
mod tests;

pub use asked::{end_of, is_renewed, Pace, LATEST};
pub use change::{Change, Nonsense, Target};
pub use slot::{Ended, Entry, Slot, Standing, MAX_NAMES};
pub use table::{Full, Header, Place, Table};

/// A state that overrides the configuration of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// The server keeps its sessions and receives no new ones.
    Drain,
    /// The server receives no requests.
    Down,
}

impl State {
    /// Returns the name of the state.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Drain => "drain",
            State::Down => "down",
        }
    }
}

/// The state that an operator has set for a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Override {
    /// The state.
    pub state: State,
    /// The second since the epoch in which the state ends; `None` if it lasts until it is changed.
    pub until: Option<u64>,
}

impl Override {
    /// Returns the state that follows when the time is over. A server that was draining is then down without a time
    /// limit; a server that was down is up again.
    pub fn after(self) -> Option<Override> {
        match self.state {
            State::Drain => Some(Override {
                state: State::Down,
                until: None,
            }),
            State::Down => None,
        }
    }

    /// Returns whether the time is over.
    pub fn is_over(self, now: u64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}
