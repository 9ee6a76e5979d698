//! The place of one server in shared memory.

use core::sync::atomic::AtomicU64;

use super::{Address, Line, Server};
use crate::key::Key;
use crate::word::{then, Word};

const WORD: usize = size_of::<u64>();

/// How long the address of a server may be: that of IPv6 has 28 bytes.
pub const MAX_ADDRESS: usize = 4 * WORD;

/// The place of one server. One word tells whether there is one, and since when it lingers: it is stored when all else is in
/// place, and taken back before that is used for another.
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
/// Of a server that lingers no longer, and that nobody is to let linger anew before its time is over.
const ENDED: u64 = 0x80;

impl Slot {
    /// Returns whether the server in this slot has ended before its time.
    pub(super) fn has_ended(&self) -> bool {
        self.state.get() & ENDED != 0
    }

    /// Returns the second since which the server in this slot lingers, if there is one, also if that has ended.
    pub(super) fn since(&self) -> Option<u64> {
        let state = self.state.get();
        (state & LENGTH != 0).then_some(state >> u8::BITS)
    }

    /// Returns the server in this slot, and since when it lingers, also if that has ended.
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

    /// Returns whether this is the server in this slot.
    pub(super) fn holds(&self, server: &Server) -> bool {
        self.server().is_some_and(|(other, _)| other == *server)
    }

    /// Ends the time of the server in this slot.
    pub(super) fn end(&self) {
        self.state.set(self.state.get() | ENDED);
    }

    /// Takes the server out of this slot.
    pub(super) fn clear(&self) {
        self.state.set(EMPTY);
    }

    /// Lets the server in this slot linger since another second.
    pub(super) fn set_since(&self, server: &Server, since: u64) {
        self.state.set(pack(server, since));
    }

    /// Puts a server into this slot, in place of the one in it, if there is one.
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
    /// Writes any value into a word.
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
