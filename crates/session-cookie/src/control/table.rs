//! The servers of which something was said, in memory that the workers share.
//!
//! Whoever reads or changes it holds the lock of that memory; only the generation and the time of the next end are read
//! without it. A process may be killed at any store, and the lock is taken away from it. So:
//!
//! * A slot tells by one word whether there is a server in it, stored when all else of it is in place.
//! * The generation is odd while something is changed. Whoever finds it odd with the lock held knows that somebody died
//!   there, and makes it even ([`Table::repair`]): whatever was changed by then, each worker compares the generation with
//!   that of what it has applied, and reads the table once more.
//! * Nothing leads from one slot to the other, and no content of a slot leads outside.

use core::sync::atomic::AtomicU64;

use super::slot::{Entry, Said, Slot};
use super::Override;
use crate::word::{then, Word};

/// What a table keeps of itself.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    generation: AtomicU64,
    /// The first second in which something ends.
    next_end: AtomicU64,
    /// The generation that was saved last.
    saved: AtomicU64,
}

/// There is no room for a server, or for its names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

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
        self.slots.iter().for_each(|slot| slot.set_over(None));
        self.header.next_end.set(u64::MAX);
        // There is nothing to save.
        self.header.saved.set(FIRST);
        self.header.generation.set(FIRST);
    }

    /// Returns what changes whenever something else does; never 0. No lock is needed.
    #[inline(always)]
    pub fn generation(self) -> u64 {
        self.header.generation.get()
    }

    /// Returns the first second in which something ends. No lock is needed.
    #[inline(always)]
    pub fn next_end(self) -> u64 {
        self.header.next_end.get()
    }

    /// Ends a change whose maker was killed. To be called by whoever has got the lock, before anything else.
    pub fn repair(self) {
        if self.generation() & 1 != 0 {
            self.finish();
        }
    }

    /// Returns how many servers there are.
    pub fn len(self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.over().is_some())
            .count()
    }

    /// Returns whether there is none.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Shows all servers.
    pub fn each(self, mut show: impl FnMut(Entry<'_>)) {
        for slot in self.slots {
            let Some(over) = slot.over() else { continue };
            if let Some(entry) = slot.names().entry(over) {
                show(entry);
            }
        }
    }

    /// Returns what was said of a server.
    pub fn find(self, upstream: &[u8], address: &[u8]) -> Option<Override> {
        self.slot_of(upstream, address)?.over()
    }

    fn slot_of(self, upstream: &[u8], address: &[u8]) -> Option<&'z Slot> {
        self.slots
            .iter()
            .find(|slot| slot.over().is_some() && slot.holds(upstream, address))
    }

    /// Says the same of servers of one upstream; `None`: nothing any more. Returns whether that was another thing.
    ///
    /// # Errors
    ///
    /// There is no room for all of them, and nothing has changed.
    pub fn change<'a>(
        self,
        upstream: &[u8],
        addresses: impl Iterator<Item = &'a [u8]> + Clone,
        to: Option<Override>,
    ) -> Result<bool, Full> {
        let (mut wanted, mut changes) = (0usize, false);
        #[allow(clippy::disallowed_methods)] // of an iterator over borrowed texts
        for address in addresses.clone() {
            let before = self.find(upstream, address);
            changes |= before != to;
            if to.is_some() && before.is_none() {
                wanted = wanted.saturating_add(1);
                if !Slot::has_room(upstream, address) {
                    return Err(Full);
                }
            }
        }
        if wanted > self.slots.len().saturating_sub(self.len()) {
            return Err(Full);
        }
        if changes {
            self.begin();
            addresses.for_each(|address| self.set(upstream, address, to));
            self.finish();
        }
        Ok(changes)
    }

    fn set(self, upstream: &[u8], address: &[u8], to: Option<Override>) {
        if let Some(slot) = self.slot_of(upstream, address) {
            slot.set_over(to);
        } else if let Some(over) = to {
            let free = self.slots.iter().find(|slot| slot.over().is_none());
            if let Some(slot) = free {
                slot.fill(upstream, address, over);
            }
        }
    }

    /// Ends what is due now, of one server, which is returned; `None`: nothing is.
    pub fn end_one(self, now: u64) -> Option<Said> {
        let due = self.slots.iter().find_map(|slot| {
            let over = slot.over().filter(|over| over.is_over(now))?;
            Some((slot, over))
        });
        let Some((slot, over)) = due else {
            // What was said to be the next end may be none.
            self.set_next_end();
            return None;
        };
        let said = Said {
            names: slot.names(),
            over,
        };
        self.begin();
        slot.set_over(over.after());
        self.finish();
        Some(said)
    }

    /// Returns whether a text of this generation is newer than what was saved last.
    pub fn is_unsaved(self, generation: u64) -> bool {
        // Even after a wrap, which no nginx lives to see.
        generation.wrapping_sub(self.header.saved.get()) as i64 > 0
    }

    /// Notes that a text of this generation was saved.
    pub fn note_saved(self, generation: u64) {
        self.header.saved.set(generation);
    }

    /// Notes that what is said was not saved where it is to be saved from now on.
    pub fn forget_saved(self) {
        self.header.saved.set(self.generation().wrapping_sub(1));
    }

    fn begin(self) {
        self.header.generation.set(self.generation() | 1);
        then();
    }

    fn finish(self) {
        self.set_next_end();
        then();
        let odd = self.generation() | 1;
        self.header.generation.set(odd.wrapping_add(1).max(FIRST));
    }

    fn set_next_end(self) {
        let ends = self.slots.iter().filter_map(|slot| slot.over()?.until);
        self.header.next_end.set(ends.min().unwrap_or(u64::MAX));
    }
}

/// The generation of a new table.
const FIRST: u64 = 2;
