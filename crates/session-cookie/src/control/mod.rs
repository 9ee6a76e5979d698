//! What an operator has said of servers while nginx runs: that one gets no new sessions any more, or nothing at all. And
//! which of them ask for the first themselves, with their responses ([`is_renewed`]).
//!
//! [`Table`] holds it in memory that the workers share, [`mod@file`] as a text that outlives them. [`Change::read`] reads what a
//! request asks for, and [`guard`] tells whether it is one that the operator meant to send.

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

/// What a server is besides what the configuration says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// It keeps its sessions, and gets no new ones.
    Drain,
    /// It gets nothing.
    Down,
}

impl State {
    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Drain => "drain",
            State::Down => "down",
        }
    }
}

/// What was said of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Override {
    /// What it is.
    pub state: State,
    /// The second since the epoch in which that ends; `None`: when somebody says so.
    pub until: Option<u64>,
}

impl Override {
    /// Returns what the server is when the time is over: one that was draining has no time left for its sessions, and
    /// one that was down is up again.
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
