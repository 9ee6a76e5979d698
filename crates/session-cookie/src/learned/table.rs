//! The table: looking up, learning and removing sessions.

use core::sync::atomic::AtomicU32;

use super::chain::{Chains, Entry, END};
use super::header::{Header, Returned};
use super::server_id::ServerId;
use super::slot::{Slot, State};
use super::supply;
use super::time::{Tick, Timeout};
use crate::key::{Key, Secret};
use crate::word::{then, Word};

/// The table of learned sessions. The caller must hold the lock of its memory.
#[derive(Clone, Copy)]
pub struct Table<'z> {
    pub(super) header: &'z Header,
    pub(super) chains: Chains<'z>,
}

/// The result of learning the server of a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Learned {
    /// The session was already known, with the same server.
    Kept,
    /// The session was already known, with another server.
    Moved,
    /// The session was unknown or had expired.
    New,
    /// The session was unknown, and a live session was dropped to make room for it.
    Replaced,
}

impl<'z> Table<'z> {
    /// Returns the table in this memory. The number of buckets must be a power of two, as in [`Layout`](super::Layout).
    #[inline]
    pub fn new(header: &'z Header, buckets: &'z [AtomicU32], slots: &'z [Slot]) -> Self {
        Table {
            header,
            chains: Chains { buckets, slots },
        }
    }

    /// Makes the table empty, whatever the memory contains.
    pub fn clear(&self, secret: Secret) {
        let header = self.header;
        for bucket in self.chains.buckets {
            bucket.set(END);
        }
        for (word, value) in header.secret.iter().zip(secret.0) {
            word.set(value);
        }
        header.set_returned(Returned::default());
        header.taken.set(0);
        header.hand.set(0);
        header.dropped.set(0);
        header.told.set(0);
    }

    /// Returns the secret from which the keys are derived.
    pub fn secret(&self) -> Secret {
        Secret(self.header.secret.each_ref().map(Word::get))
    }

    /// Returns the server of a session that has not expired. A lookup does not count as use of the session; use is recorded by
    /// [`Table::renew`].
    #[inline]
    pub fn find(&self, key: Key, now: Tick, timeout: Timeout) -> Option<ServerId> {
        let slot = self.chains.find(key)?;
        let state = slot.state();
        if timeout.is_over(state.used(), now) {
            return None;
        }
        slot.server(state)
    }

    /// Records the server and the current use of a session. Returns `None` if there is no such session or it has expired.
    #[inline(always)]
    pub fn renew(
        &self,
        key: Key,
        server: &ServerId,
        now: Tick,
        timeout: Timeout,
    ) -> Option<Learned> {
        let slot = self.chains.find(key)?;
        let before = slot.state();
        if !before.is_alive(now, timeout) {
            return None;
        }
        Some(renew(slot, before, server, now))
    }

    /// Records the server and the current use of a session, which is added if it is unknown.
    pub fn learn(&self, key: Key, server: &ServerId, now: Tick, timeout: Timeout) -> Learned {
        let Some(mut walk) = self.chains.walk(key) else {
            return Learned::New;
        };
        if let Some(Entry { slot, .. }) = walk.find(|entry| entry.slot.holds(key)) {
            let before = slot.state();
            if before.is_alive(now, timeout) {
                return renew(slot, before, server, now);
            }
            slot.set_server(server, State::new(now, server.length()).touched());
            return Learned::New;
        }
        walk.cut();
        let Some(vacancy) = supply::take(self.header, &self.chains, now, timeout) else {
            return Learned::New;
        };
        let state = State::new(now, server.length());
        let state = if vacancy.before_hand {
            state.touched()
        } else {
            state
        };
        vacancy.slot.fill(key, server, state);
        self.chains.link(vacancy.index, vacancy.slot);
        if vacancy.dropped {
            Learned::Replaced
        } else {
            Learned::New
        }
    }

    /// Removes a session. Returns `true` if it existed, even if it had expired.
    pub fn forget(&self, key: Key) -> bool {
        let Some(entry) = self.chains.entry(key) else {
            return false;
        };
        let was_there = !entry.slot.state().is_empty();
        entry.unlink();
        then();
        supply::give_back(self.header, entry.index, entry.slot);
        was_there
    }

    /// Returns the number of sessions, including expired ones, which are not searched for.
    pub fn len(&self) -> usize {
        let taken = self.header.taken.get();
        let sessions = taken.saturating_sub(self.header.returned().number);
        self.capacity().min(sessions as usize)
    }

    /// Returns `true` if the table has no sessions.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of sessions that fit in the table.
    pub fn capacity(&self) -> usize {
        self.chains.slots.len()
    }

    /// Returns the number of live sessions that were dropped to make room for others since the last call.
    pub fn take_dropped(&self) -> u32 {
        let dropped = self.header.dropped.get();
        self.header.dropped.set(0);
        dropped
    }

    /// Same as [`Table::take_dropped`], but returns `None` if the last report was at most a minute ago.
    pub fn tell_dropped(&self, now: Tick) -> Option<u32> {
        let told = &self.header.told;
        if told.get() != 0 && !Timeout::MINUTE.is_over(Tick(told.get()), now) {
            return None;
        }
        told.set(now.0.max(1));
        Some(self.take_dropped())
    }
}

/// Records the server and the current use of a live session in the state `before`. This is on the critical path of requests,
/// nearly all of which keep their server.
#[inline(always)]
fn renew(slot: &Slot, before: State, server: &ServerId, now: Tick) -> Learned {
    let state = State::new(now, server.length()).touched();
    if slot.has_server(server, before) {
        slot.set_state(state);
        Learned::Kept
    } else {
        move_to(slot, server, state)
    }
}

/// Changes the server of a session.
#[cold]
#[inline(never)]
fn move_to(slot: &Slot, server: &ServerId, state: State) -> Learned {
    slot.set_server(server, state);
    Learned::Moved
}
