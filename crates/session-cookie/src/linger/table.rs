//! The table of lingering servers, in memory shared by the worker processes.
//!
//! The lock of this memory must be held to read or change the table; only the generation may be read without it. A process may be
//! killed at any store, and its lock is then forcibly released. Therefore:
//!
//! * One word of a slot indicates whether it contains a server. It is stored after the other words have been written.
//! * The generation is odd while servers are added. If it is odd when a process acquires the lock, another process was killed
//!   while adding servers, and the generation is made even again ([`Table::repair`]). It changes only when servers are added, so
//!   a worker process that remembers the place of a server must check that the server is still there ([`Table::find`]).
//! * A server is stored within [`WINDOW`] slots of the position given by its hash. Finding it does not depend on other slots.

use core::sync::atomic::AtomicU64;

use super::slot::Slot;
use super::Server;
use crate::word::{then, Word};

/// The number of slots in which a server may be stored. Some of them are free unless more than half of all slots are in use.
pub(super) const WINDOW: usize = 64;

/// The header of the table.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    generation: AtomicU64,
}

/// The place of a server in the table. While the generation is unchanged, no other server takes this place.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Place(u32);

/// The result of adding servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Added {
    /// The number of servers that started lingering.
    pub new: usize,
    /// The number of other servers that were dropped early to make room.
    pub dropped: usize,
}

/// A handle to the table.
#[derive(Clone, Copy)]
pub struct Table<'z> {
    header: &'z Header,
    slots: &'z [Slot],
}

impl<'z> Table<'z> {
    /// Returns a handle to the table in this memory.
    pub fn new(header: &'z Header, slots: &'z [Slot]) -> Self {
        Table { header, slots }
    }

    /// Makes the table empty, whatever the memory contains.
    pub fn clear(self) {
        self.slots.iter().for_each(Slot::clear);
        self.header.generation.set(FIRST);
    }

    /// Returns the generation, which changes whenever servers are added. No lock is needed.
    #[inline]
    pub fn generation(self) -> u64 {
        self.header.generation.get()
    }

    /// Returns `true` if no server was ever added. No lock is needed.
    pub fn is_untouched(self) -> bool {
        self.generation() == FIRST
    }

    /// Completes a change whose process was killed. Must be called first after the lock is acquired.
    pub fn repair(self) {
        if self.generation() & 1 != 0 {
            self.finish();
        }
    }

    /// Returns the number of slots.
    pub fn len(self) -> usize {
        self.slots.len()
    }

    /// Returns `true` if there are no slots.
    pub fn is_empty(self) -> bool {
        self.slots.is_empty()
    }

    /// Calls `show` for each lingering server in a range of slots, with its place and the time at which it started lingering.
    /// Returns `true` if more slots follow the range.
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

    /// Returns the lingering server in this place and the time at which it started lingering.
    pub fn find(self, place: Place) -> Option<(Server, u64)> {
        let Place(place) = place;
        let slot = self.slots.get(usize::try_from(place).ok()?)?;
        slot.server().filter(|_| !slot.has_ended())
    }

    /// Lets servers linger from `now` for `time` seconds. All of them were still in DNS in the second `seen`. A server whose
    /// current time is not over, or that started lingering at `seen` or later, is left unchanged, even if its lingering was ended
    /// early: another worker process has already added it.
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

    /// Ends the lingering of a server, also for worker processes that have not yet noticed its disappearance. Returns `true` if
    /// it was lingering.
    pub fn end(self, server: &Server) -> bool {
        let slot = self.window(server).find(|slot| slot.holds(server));
        let lingers = slot.filter(|slot| !slot.has_ended());
        lingers.map(Slot::end).is_some()
    }

    /// Removes servers. Returns the number of servers that were in the table.
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

    /// Returns the slots in which a server may be stored.
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

/// Returns the remaining number of seconds of a server that started lingering at `since`, or `None` if its time is over.
pub fn seconds_left(since: u64, now: u64, time: u64) -> Option<u64> {
    let left = time.checked_sub(now.saturating_sub(since))?;
    (left != 0).then_some(left)
}

/// The generation of a new table.
const FIRST: u64 = 2;
