//! The place of one session.

use core::sync::atomic::{AtomicU32, AtomicU64};

use super::server_id::{ServerId, WORDS};
use super::time::{Tick, Timeout};
use crate::key::Key;
use crate::word::{then, Word};

/// The place of one session in shared memory: one line of the processor's cache.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    key: [AtomicU64; 2],
    server: [AtomicU64; WORDS],
    state: AtomicU64,
    /// The slot that follows in the chain, or in the list of those that were given back: its index + 1, or 0.
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
        // two branches: nearly every other session differs in the first half
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

    /// The server that a state of this slot belongs to, if it belongs to one.
    #[inline(always)]
    pub(super) fn server(&self, state: State) -> Option<ServerId> {
        let [first, second, third, last] = &self.server;
        let words = [first.get(), second.get(), third.get(), last.get()];
        ServerId::from_words(words, state.length())
    }

    /// Returns whether a state of this slot belongs to this server.
    #[inline(always)]
    pub(super) fn has_server(&self, server: &ServerId, state: State) -> bool {
        let words = self.server.iter().zip(server.words());
        let differing = words.fold(0, |bits, (word, value)| bits | (word.get() ^ value));
        differing == 0 && state.length() == server.length()
    }

    /// Replaces the server. Whoever dies on the way leaves a session without one.
    pub(super) fn set_server(&self, server: &ServerId, state: State) {
        self.set_state(State::EMPTY);
        then();
        for (word, value) in self.server.iter().zip(server.words()) {
            word.set(value);
        }
        then();
        self.set_state(state);
    }

    /// Puts a session here; no chain may lead here yet.
    pub(super) fn fill(&self, key: Key, server: &ServerId, state: State) {
        for (word, value) in self.key.iter().zip(key.0) {
            word.set(value);
        }
        self.set_server(server, state);
    }
}

/// The time of the last use, whether that was after the hand of the clock passed, and the length of the server's ID. An
/// empty slot has a server of no length.
#[derive(Clone, Copy)]
pub(super) struct State(u64);

const USED: u32 = 32;
const TOUCHED: u64 = 1 << 8;
const LENGTH: u64 = 0xff;

impl State {
    pub(super) const EMPTY: State = State(0);

    /// The state of a session that is used now.
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
