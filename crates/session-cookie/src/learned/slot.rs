//! The slot of a session.

use core::sync::atomic::{AtomicU32, AtomicU64};

use super::server_id::{ServerId, WORDS};
use super::time::{Tick, Timeout};
use crate::key::Key;
use crate::word::{then, Word};

/// A slot for one session in shared memory. It occupies one processor cache line.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    key: [AtomicU64; 2],
    server: [AtomicU64; WORDS],
    state: AtomicU64,
    /// The next slot in the chain, or in the list of freed slots: its index + 1, or 0.
    pub(super) next: AtomicU32,
}

const _: () = assert!(size_of::<Slot>() == 64);

impl Slot {
    #[inline(always)]
    pub(super) fn key(&self) -> Key {
        let [first, second] = &self.key;
        Key([first.get(), second.get()])
    }

    #[inline(always)]
    pub(super) fn holds(&self, key: Key) -> bool {
        // two branches: the first half differs in nearly all other sessions
        let ([first, second], Key([one, two])) = (&self.key, key);
        first.get() == one && second.get() == two
    }

    #[inline(always)]
    pub(super) fn state(&self) -> State {
        State(self.state.get())
    }

    #[inline(always)]
    pub(super) fn set_state(&self, state: State) {
        self.state.set(state.0);
    }

    /// Returns the server ID whose length is in this state of the slot, if any.
    #[inline(always)]
    pub(super) fn server(&self, state: State) -> Option<ServerId> {
        let [first, second, third, last] = &self.server;
        let words = [first.get(), second.get(), third.get(), last.get()];
        ServerId::from_words(words, state.length())
    }

    /// Returns `true` if the slot, in this state, holds this server ID.
    #[inline(always)]
    pub(super) fn has_server(&self, server: &ServerId, state: State) -> bool {
        let words = self.server.iter().zip(server.words());
        let differing = words.fold(0, |bits, (word, value)| bits | (word.get() ^ value));
        differing == 0 && state.length() == server.length()
    }

    /// Replaces the server ID. A process killed in between leaves a session without a server.
    pub(super) fn set_server(&self, server: &ServerId, state: State) {
        self.set_state(State::EMPTY);
        then();
        for (word, value) in self.server.iter().zip(server.words()) {
            word.set(value);
        }
        then();
        self.set_state(state);
    }

    /// Stores a session in this slot, which must not be in a chain yet.
    pub(super) fn fill(&self, key: Key, server: &ServerId, state: State) {
        for (word, value) in self.key.iter().zip(key.0) {
            word.set(value);
        }
        self.set_server(server, state);
    }
}

/// The time of last use, the reference bit, which is set if that was after the clock hand passed, and the length of the server
/// ID. The length is 0 in an empty slot.
#[derive(Clone, Copy)]
pub(super) struct State(u64);

const USED: u32 = 32;
const TOUCHED: u64 = 1 << 8;
const LENGTH: u64 = 0xff;

impl State {
    pub(super) const EMPTY: State = State(0);

    /// Returns the state of a session that is used at this time.
    #[inline(always)]
    pub(super) fn new(used: Tick, length: u8) -> Self {
        State(u64::from(used.0) << USED | u64::from(length))
    }

    #[inline(always)]
    pub(super) fn touched(self) -> Self {
        State(self.0 | TOUCHED)
    }

    #[inline(always)]
    pub(super) fn untouched(self) -> Self {
        State(self.0 & !TOUCHED)
    }

    #[inline(always)]
    pub(super) fn is_touched(self) -> bool {
        self.0 & TOUCHED != 0
    }

    #[inline(always)]
    pub(super) fn used(self) -> Tick {
        #[allow(clippy::cast_possible_truncation)] // the upper half
        Tick((self.0 >> USED) as u32)
    }

    #[inline(always)]
    pub(super) fn length(self) -> u8 {
        #[allow(clippy::cast_possible_truncation)] // the lower byte
        let length = (self.0 & LENGTH) as u8;
        length
    }

    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.length() == 0
    }

    #[inline(always)]
    pub(super) fn is_alive(self, now: Tick, timeout: Timeout) -> bool {
        !self.is_empty() && !timeout.is_over(self.used(), now)
    }
}
