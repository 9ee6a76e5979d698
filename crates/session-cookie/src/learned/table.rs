//! The table: look-up, learning, forgetting.

use core::sync::atomic::AtomicU32;

use super::chain::{Chains, Entry, END};
use super::header::{Header, Returned};
use super::server_id::ServerId;
use super::slot::{Slot, State};
use super::supply;
use super::time::{Tick, Timeout};
use crate::key::{Key, Secret};
use crate::word::{then, Word};

/// The table of the sessions that were learned. Whoever calls it holds the lock of its memory.
#[derive(Clone, Copy)]
pub struct Table<'z> {
    pub(super) header: &'z Header,
    pub(super) chains: Chains<'z>,
}

/// What learning has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Learned {
    /// The session was known, and so was its server.
    Kept,
    /// The session was known, with another server.
    Moved,
    /// The session was not known, or expired.
    New,
    /// The session was not known, and one that was alive has been dropped for it.
    Replaced,
}

impl<'z> Table<'z> {
    /// The table in this memory; as divided by [`Layout`](super::Layout), the number of buckets is a power of two.
    #[inline]
    pub fn new(header: &'z Header, buckets: &'z [AtomicU32], slots: &'z [Slot]) -> Self {
        Table {
            header,
            chains: Chains { buckets, slots },
        }
    }

    /// Makes it an empty table, whatever the memory holds.
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

    /// The secret on which the keys depend.
    pub fn secret(&self) -> Secret {
        Secret(self.header.secret.each_ref().map(Word::get))
    }

    /// The server of a session that is alive. To be looked up is no use of the session: [`Table::renew`] notes that.
    #[inline]
    pub fn find(&self, key: Key, now: Tick, timeout: Timeout) -> Option<ServerId> {
        let slot = self.chains.find(key)?;
        let state = slot.state();
        if timeout.is_over(state.used(), now) {
            return None;
        }
        slot.server(state)
    }

    /// Notes the server of a session that is alive; the session is used now. `None`: there is no such session.
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

    /// Notes the server of a session; the session is used now.
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

    /// Removes a session; returns whether it was there, be it expired.
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

    /// The number of sessions, expired ones included, as nobody looks for these.
    pub fn len(&self) -> usize {
        let taken = self.header.taken.get();
        let sessions = taken.saturating_sub(self.header.returned().number);
        self.capacity().min(sessions as usize)
    }

    /// Returns whether no session was learned, or all were forgotten.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of sessions that there is room for.
    pub fn capacity(&self) -> usize {
        self.chains.slots.len()
    }

    /// How many sessions that were alive have been dropped for others since this was asked last.
    pub fn take_dropped(&self) -> u32 {
        let dropped = self.header.dropped.get();
        self.header.dropped.set(0);
        dropped
    }

    /// [`Table::take_dropped`], if it is more than a minute ago that somebody was told.
    pub fn tell_dropped(&self, now: Tick) -> Option<u32> {
        let told = &self.header.told;
        if told.get() != 0 && !Timeout::MINUTE.is_over(Tick(told.get()), now) {
            return None;
        }
        told.set(now.0.max(1));
        Some(self.take_dropped())
    }
}

/// Notes the server of a session that is alive, in the state `before`. Requests wait for it, and nearly all stay where they are.
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

/// Gives a session another server.
#[cold]
#[inline(never)]
fn move_to(slot: &Slot, server: &ServerId, state: State) -> Learned {
    slot.set_server(server, state);
    Learned::Moved
}
