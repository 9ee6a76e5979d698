//! The servers that linger, in memory that the workers share.
//!
//! Whoever reads or changes it holds the lock of that memory; only the generation is read without it. A process may be killed
//! at any store, and the lock is taken away from it. So:
//!
//! * A slot tells by one word whether there is a server in it, stored when all else of it is in place.
//! * The generation is odd while servers are added. Whoever finds it odd with the lock held knows that somebody died there, and
//!   makes it even ([`Table::repair`]). It changes with servers that are added only: whoever knows where one is asks
//!   whether it is still there ([`Table::find`]).
//! * A server stands within [`WINDOW`] slots from where its hash says. None needs another to be found.

use core::sync::atomic::AtomicU64;

use super::slot::Slot;
use super::Server;
use crate::word::{then, Word};

/// How many slots a server may stand in. While no more than half of all are taken, some of them are free.
pub(super) const WINDOW: usize = 64;

/// What a table keeps of itself.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    generation: AtomicU64,
}

/// Where a server is in the table, as long as its generation is the same.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Place(u32);

/// What became of servers that were to be added.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Added {
    /// How many linger now that did not before.
    pub new: usize,
    /// How many others had to go for that before their time.
    pub dropped: usize,
}

/// A handle of the table.
#[derive(Clone, Copy)]
pub struct Table<'z> {
    header: &'z Header,
    slots: &'z [Slot],
}

impl<'z> Table<'z> {
    /// Returns the table in this memory.
    pub fn new(header: &'z Header, slots: &'z [Slot]) -> Self {
        Table { header, slots }
    }

    /// Makes it an empty table, whatever the memory holds.
    pub fn clear(self) {
        self.slots.iter().for_each(Slot::clear);
        self.header.generation.set(FIRST);
    }

    /// Returns what changes whenever a server is added. No lock is needed.
    #[inline]
    pub fn generation(self) -> u64 {
        self.header.generation.get()
    }

    /// Returns whether no server was ever added. No lock is needed.
    pub fn is_untouched(self) -> bool {
        self.generation() == FIRST
    }

    /// Ends a change whose maker was killed. To be called by whoever has got the lock, before anything else.
    pub fn repair(self) {
        if self.generation() & 1 != 0 {
            self.finish();
        }
    }

    /// Returns how many slots there are.
    pub fn len(self) -> usize {
        self.slots.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(self) -> bool {
        self.slots.is_empty()
    }

    /// Shows the servers in some of the slots, with where each is and since when it lingers. Returns whether there are more
    /// slots behind these.
    pub fn show(self, from: usize, slots: usize, mut show: impl FnMut(Place, Server, u64)) -> bool {
        let first = u32::try_from(from).unwrap_or(u32::MAX);
        let rest = self.slots.get(from..).unwrap_or_default();
        for (place, slot) in (first..).zip(rest).take(slots) {
            if let Some((server, since)) = slot.server().filter(|_| !slot.has_ended()) {
                show(Place(place), server, since);
            }
        }
        from.saturating_add(slots) < self.slots.len()
    }

    /// Returns the server in this place, and since when it lingers.
    pub fn find(self, place: Place) -> Option<(Server, u64)> {
        let Place(place) = place;
        let slot = self.slots.get(usize::try_from(place).ok()?)?;
        slot.server().filter(|_| !slot.has_ended())
    }

    /// Lets servers linger from now on, for this time; all were there in the second `seen`. One that has lingered for less, or
    /// since then, goes on as it does, also if it has ended: another worker has seen it leave.
    pub fn add<'a>(
        self,
        servers: impl Iterator<Item = &'a Server>,
        seen: u64,
        now: u64,
        time: u64,
    ) -> Added {
        self.header.generation.set(self.generation() | 1);
        then();
        let mut added = Added::default();
        for server in servers {
            let has_time = |slot: &Slot| {
                let left = (slot.since()).and_then(|since| seconds_left(since, now, time));
                left.is_some()
            };
            if let Some(slot) = self.window(server).find(|slot| slot.holds(server)) {
                if has_time(slot) || slot.since() >= Some(seen) {
                    continue;
                }
                slot.set_since(server, now);
            } else if let Some(slot) = self.window(server).min_by_key(|slot| slot.since()) {
                added.dropped = added.dropped.saturating_add(has_time(slot).into());
                slot.fill(server, now);
            }
            added.new = added.new.saturating_add(1);
        }
        self.finish();
        added
    }

    /// Ends the time of a server, also for workers that have not seen it leave yet. Returns whether it lingered.
    pub fn end(self, server: &Server) -> bool {
        let slot = self.window(server).find(|slot| slot.holds(server));
        let lingers = slot.filter(|slot| !slot.has_ended());
        lingers.map(Slot::end).is_some()
    }

    /// Forgets servers. Returns how many were known.
    pub fn remove<'a>(self, servers: impl Iterator<Item = &'a Server>) -> usize {
        let mut removed = 0usize;
        for server in servers {
            if let Some(slot) = self.window(server).find(|slot| slot.holds(server)) {
                slot.clear();
                removed = removed.saturating_add(1);
            }
        }
        removed
    }

    /// Returns the slots in which a server may be.
    fn window(self, server: &Server) -> impl Iterator<Item = &'z Slot> {
        let number = self.slots.len() as u64;
        let first = server.hash().checked_rem(number).unwrap_or_default() as usize;
        let (before, from) = self.slots.split_at_checked(first).unwrap_or_default();
        from.iter().chain(before).take(WINDOW)
    }

    fn finish(self) {
        then();
        let odd = self.generation() | 1;
        self.header.generation.set(odd.wrapping_add(1).max(FIRST));
    }
}

/// Returns how many seconds are left to a server that lingers since a second; `None`: its time is over.
pub fn seconds_left(since: u64, now: u64, time: u64) -> Option<u64> {
    let left = time.checked_sub(now.saturating_sub(since))?;
    (left != 0).then_some(left)
}

/// The generation of a new table.
const FIRST: u64 = 2;
