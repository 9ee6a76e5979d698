//! The servers of which something was said, or that ask for something, in memory that the workers share.
//!
//! Whoever reads or changes it holds the lock of that memory; only the generation, the time of the next end, and up to when a
//! server asks are read without it. A process may be killed at any store, and the lock is taken away from it. So:
//!
//! * A slot tells by two words whether there is a server in it, stored when all else of it is in place.
//! * The generation is odd while something is changed. Whoever finds it odd with the lock held knows that somebody died
//!   there, and makes it even ([`Table::repair`]): whatever was changed by then, each worker compares the generation with
//!   that of what it has applied, and reads the table once more.
//! * Nothing leads from one slot to the other, and no content of a slot leads outside.

use core::sync::atomic::AtomicU64;

use super::slot::{Ended, Entry, Slot, Standing};
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
    /// Whether operators may say something, by the configuration in force.
    controlled: AtomicU64,
}

/// There is no room for a server, or for its names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// The place of a server, as long as the generation is the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(usize);

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
        for slot in self.slots {
            slot.set_over(None);
            slot.set_asked(None);
        }
        self.header.controlled.set(0);
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

    /// Returns of how many servers something was said.
    pub fn len(self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.over().is_some())
            .count()
    }

    /// Returns whether nothing was said.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Shows all servers of which something was said.
    pub fn each(self, mut show: impl FnMut(Entry<'_>)) {
        for slot in self.slots {
            let Some(over) = slot.over() else { continue };
            if let Some((upstream, address)) = slot.names().get() {
                show(Entry {
                    upstream,
                    address,
                    over,
                });
            }
        }
    }

    /// Shows what is known of the servers of an upstream, with their places and addresses.
    pub fn each_known(self, upstream: &[u8], mut show: impl FnMut(Place, &[u8], Standing)) {
        for (place, slot) in self.slots.iter().enumerate() {
            let standing = slot.standing();
            if standing.is_empty() {
                continue;
            }
            match slot.names().get() {
                Some((name, address)) if name == upstream => show(Place(place), address, standing),
                _ => {}
            }
        }
    }

    fn taken(self) -> impl Iterator<Item = &'z Slot> {
        self.slots.iter().filter(|slot| !slot.standing().is_empty())
    }

    /// Returns what was said of a server.
    pub fn find(self, upstream: &[u8], address: &[u8]) -> Option<Override> {
        self.slot_of(upstream, address)?.over()
    }

    /// Returns up to when a server asks to drain.
    pub fn find_asked(self, upstream: &[u8], address: &[u8]) -> Option<u64> {
        self.slot_of(upstream, address)?.asked()
    }

    /// Returns up to when the server at this place asks to drain. No lock is needed.
    pub fn asked_at(self, place: Place) -> Option<u64> {
        self.slots.get(place.0)?.asked()
    }

    fn slot_of(self, upstream: &[u8], address: &[u8]) -> Option<&'z Slot> {
        self.taken().find(|slot| slot.holds(upstream, address))
    }

    /// Says the same of servers of one upstream; `None`: nothing any more, and what they ask for themselves is over.
    /// Returns whether that was another thing.
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
            let before = self.standing(upstream, address);
            changes |= before.over != to || (to.is_none() && before.asked.is_some());
            if to.is_some() && before.over.is_none() {
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
            let is_known = |address: &&[u8]| self.slot_of(upstream, address).is_some();
            // First those that have a slot: what is new must not take it.
            #[allow(clippy::disallowed_methods)] // of an iterator over borrowed texts
            let known = addresses.clone().filter(is_known);
            known.for_each(|address| self.set(upstream, address, to));
            addresses.for_each(|address| self.set(upstream, address, to));
            self.finish();
        }
        Ok(changes)
    }

    fn standing(self, upstream: &[u8], address: &[u8]) -> Standing {
        let slot = self.slot_of(upstream, address);
        slot.map_or_else(Standing::default, Slot::standing)
    }

    fn set(self, upstream: &[u8], address: &[u8], to: Option<Override>) {
        if let Some(slot) = self.slot_of(upstream, address) {
            slot.set_over(to);
            if to.is_none() {
                slot.set_asked(None);
            }
        } else if to.is_some() {
            // What servers ask for takes no room from what is said.
            let unsaid = || self.slots.iter().find(|slot| slot.over().is_none());
            if let Some(slot) = self.free().or_else(unsaid) {
                let standing = Standing {
                    over: to,
                    asked: None,
                };
                slot.fill(upstream, address, standing);
            }
        }
    }

    fn free(self) -> Option<&'z Slot> {
        self.slots.iter().find(|slot| slot.standing().is_empty())
    }

    /// Notes up to when a server asks to drain; `None`: it does not. Returns whether it did not before, or did. Where it asks
    /// still, nobody has to be told.
    ///
    /// # Errors
    ///
    /// There is no room for it, and nothing has changed.
    pub fn ask(self, upstream: &[u8], address: &[u8], until: Option<u64>) -> Result<bool, Full> {
        let until = until.filter(|until| *until != 0);
        let slot = self.slot_of(upstream, address);
        let before = slot.and_then(Slot::asked);
        if until.is_some() == before.is_some() {
            if let Some((slot, until)) = slot.zip(until.filter(|_| until != before)) {
                // A later end is found when the one before has come.
                self.header.next_end.set(self.next_end().min(until));
                then();
                slot.set_asked(Some(until));
            }
            return Ok(false);
        }
        let free = || Slot::has_room(upstream, address).then(|| self.free())?;
        let free = slot.is_none().then(free).flatten();
        let is_saved = !self.is_unsaved(self.generation());
        match (slot, free) {
            (Some(slot), _) => {
                self.begin();
                slot.set_asked(until);
            }
            (None, Some(free)) => {
                self.begin();
                let standing = Standing {
                    over: None,
                    asked: until,
                };
                free.fill(upstream, address, standing);
            }
            (None, None) => return Err(Full),
        }
        self.finish_unsaid(is_saved);
        Ok(true)
    }

    /// Ends what is due now, of one server, which is returned; `None`: nothing is.
    pub fn end_one(self, now: u64) -> Option<Ended> {
        let is_due = |slot: &&Slot| slot.standing().end().is_some_and(|end| end <= now);
        let Some(slot) = self.slots.iter().find(is_due) else {
            // What was said to be the next end may be none.
            self.set_next_end();
            return None;
        };
        let over = slot.over().filter(|over| over.is_over(now));
        let ended = Ended {
            names: slot.names(),
            over,
        };
        let is_saved = !self.is_unsaved(self.generation());
        self.begin();
        match over {
            Some(over) => {
                slot.set_over(over.after());
                self.finish();
            }
            None => {
                slot.set_asked(None);
                self.finish_unsaid(is_saved);
            }
        }
        Some(ended)
    }

    /// Returns whether operators may say something, by the configuration in force.
    pub fn is_controlled(self) -> bool {
        self.header.controlled.get() != 0
    }

    /// Notes whether operators may say something, by the configuration that is in force from now on.
    pub fn set_controlled(self, controlled: bool) {
        self.header.controlled.set(controlled.into());
    }

    /// Forgets what was said.
    pub fn forget_said(self) {
        if !self.is_empty() {
            self.begin();
            self.slots.iter().for_each(|slot| slot.set_over(None));
            self.finish();
        }
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

    /// [`finish`](Self::finish) where all that was said stays as it was: if it was saved, it still is.
    fn finish_unsaid(self, is_saved: bool) {
        self.finish();
        if is_saved {
            self.note_saved(self.generation());
        }
    }

    fn set_next_end(self) {
        let ends = self.slots.iter().filter_map(|slot| slot.standing().end());
        self.header.next_end.set(ends.min().unwrap_or(u64::MAX));
    }
}

/// The generation of a new table.
const FIRST: u64 = 2;
