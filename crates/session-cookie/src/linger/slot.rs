//! The slot of a server in shared memory.

use core::sync::atomic::AtomicU64;

use super::{Address, Line, Server};
use crate::key::Key;
use crate::word::{then, Word};

const WORD: usize = size_of::<u64>();

/// The maximum length of an address, in bytes. An IPv6 address has 28.
pub const MAX_ADDRESS: usize = 4 * WORD;

/// A slot for one server. The state word indicates whether the slot is in use, and since when the server lingers. It is stored
/// after the other words have been written, and cleared before they are overwritten.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    state: AtomicU64,
    line: [AtomicU64; 2],
    address: [AtomicU64; MAX_ADDRESS / WORD],
}

const _: () = assert!(size_of::<Slot>() == 64);

const EMPTY: u64 = 0;
const LENGTH: u64 = 0x7f;
/// Marks a server whose lingering was ended early. Until its time is over or it is removed, it cannot start lingering again.
const ENDED: u64 = 0x80;

impl Slot {
    /// Returns `true` if the lingering of this server was ended early.
    pub(super) fn has_ended(&self) -> bool {
        self.state.get() & ENDED != 0
    }

    /// Returns the time, in seconds, at which the server in this slot started lingering, even if its lingering was ended early.
    pub(super) fn since(&self) -> Option<u64> {
        let state = self.state.get();
        (state & LENGTH != 0).then_some(state >> u8::BITS)
    }

    /// Returns the server in this slot and the time at which it started lingering, even if its lingering was ended early.
    pub(super) fn server(&self) -> Option<(Server, u64)> {
        let state = self.state.get();
        let length = u8::try_from(state & LENGTH).ok()?;
        if length == 0 || usize::from(length) > MAX_ADDRESS {
            return None;
        }
        let mut bytes = [0; MAX_ADDRESS];
        for (place, word) in bytes.chunks_exact_mut(WORD).zip(&self.address) {
            place.copy_from_slice(&word.get().to_ne_bytes());
        }
        let server = Server {
            line: Line(Key(self.line.each_ref().map(Word::get))),
            address: Address { bytes, length },
        };
        Some((server, state >> u8::BITS))
    }

    /// Returns `true` if the slot contains this server.
    pub(super) fn holds(&self, server: &Server) -> bool {
        self.server().is_some_and(|(other, _)| other == *server)
    }

    /// Ends the lingering of the server in this slot.
    pub(super) fn end(&self) {
        self.state.set(self.state.get() | ENDED);
    }

    /// Removes the server from this slot.
    pub(super) fn clear(&self) {
        self.state.set(EMPTY);
    }

    /// Changes the time at which the server in this slot started lingering.
    pub(super) fn set_since(&self, server: &Server, since: u64) {
        self.state.set(pack(server, since));
    }

    /// Stores a server in this slot, replacing the previous one, if any.
    pub(super) fn fill(&self, server: &Server, since: u64) {
        self.clear();
        then();
        let Key(line) = server.line.0;
        for (word, value) in self.line.iter().zip(line) {
            word.set(value);
        }
        for (word, bytes) in self
            .address
            .iter()
            .zip(server.address.bytes.chunks_exact(WORD))
        {
            word.set(u64::from_ne_bytes(bytes.try_into().unwrap_or_default()));
        }
        then();
        self.state.set(pack(server, since));
    }
}

fn pack(server: &Server, since: u64) -> u64 {
    since << u8::BITS | u64::from(server.address.length)
}

#[cfg(test)]
impl Slot {
    /// Writes an arbitrary value to a word.
    pub(super) fn set_word(&self, number: usize, value: u64) {
        let words = [&self.state]
            .into_iter()
            .chain(&self.line)
            .chain(&self.address);
        if let Some(word) = words.into_iter().nth(number) {
            word.set(value);
        }
    }
}
