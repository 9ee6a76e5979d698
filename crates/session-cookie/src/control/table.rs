//! The table of server states in memory that the worker processes share.
//!
//! The table may be read or changed only while the lock of that memory is held. The generation, the time of the next
//! end, and the time up to which a server has requested draining may be read without it. A process may be killed at any
//! store, and nginx then releases its lock. Therefore:
//!
//! * Two words of a slot show whether the slot is in use. They are stored last.
//! * The generation is odd during a change. A process that holds the lock and finds it odd knows that another process
//!   was killed during a change, and makes it even ([`Table::repair`]). Each worker compares the generation with the
//!   one that it has applied, and reads the table again, whatever part of the change was stored.
//! * Slots do not refer to each other, and their content is not used to access other memory.

use core::sync::atomic::AtomicU64;

use super::slot::{Ended, Entry, Slot, Standing};
use super::Override;
use crate::word::{then, Word};

/// The header of a table.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    generation: AtomicU64,
    /// The earliest second in which a state ends.
    next_end: AtomicU64,
    /// The generation that was last saved.
    saved: AtomicU64,
    /// Whether the current configuration lets operators change states.
    controlled: AtomicU64,
}

/// The table has no room for a server, or a slot has none for its names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// The index of a server's slot, valid as long as the generation does not change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place(usize);

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

    /// Initializes an empty table, whatever the memory contains.
    pub fn clear(self) {
        for slot in self.slots {
            slot.set_over(None);
            slot.set_asked(None);
        }
        self.header.controlled.set(0);
        self.header.next_end.set(u64::MAX);
        // An empty table need not be saved.
        self.header.saved.set(FIRST);
        self.header.generation.set(FIRST);
    }

    /// Returns the generation, which changes with every change of the table and is never 0. No lock is needed.
    #[inline(always)]
    pub fn generation(self) -> u64 {
        self.header.generation.get()
    }

    /// Returns the earliest second in which a state ends. No lock is needed.
    #[inline(always)]
    pub fn next_end(self) -> u64 {
        self.header.next_end.get()
    }

    /// Completes a change during which a process was killed. Must be called first whenever the lock has been acquired.
    pub fn repair(self) {
        if self.generation() & 1 != 0 {
            self.finish();
        }
    }

    /// Returns the number of servers whose state an operator has set.
    pub fn len(self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.over().is_some())
            .count()
    }

    /// Returns whether no operator has set a state.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Passes all servers whose state an operator has set to `show`.
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

    /// Passes the places, addresses and recorded states of the servers of an upstream to `show`.
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

    /// Returns the state that an operator has set for a server.
    pub fn find(self, upstream: &[u8], address: &[u8]) -> Option<Override> {
        self.slot_of(upstream, address)?.over()
    }

    /// Returns the second up to which a server has requested draining.
    pub fn find_asked(self, upstream: &[u8], address: &[u8]) -> Option<u64> {
        self.slot_of(upstream, address)?.asked()
    }

    /// Returns the second up to which the server at this place has requested draining. No lock is needed.
    pub fn asked_at(self, place: Place) -> Option<u64> {
        self.slots.get(place.0)?.asked()
    }

    fn slot_of(self, upstream: &[u8], address: &[u8]) -> Option<&'z Slot> {
        self.taken().find(|slot| slot.holds(upstream, address))
    }

    /// Sets the same state for several servers of one upstream. `None` removes the state and also ends draining that
    /// the servers have requested. Returns whether that has changed anything.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no room for all of them; nothing has changed then.
    pub fn change<'a>(
        self,
        upstream: &[u8],
        addresses: impl Iterator<Item = &'a [u8]> + Clone,
        to: Option<Override>,
    ) -> Result<bool, Full> {
        let (mut wanted, mut changes) = (0usize, false);
        #[allow(clippy::disallowed_methods)] // cloning this iterator allocates nothing
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
            // Servers that already have a slot come first, so that a new server cannot take their slot.
            #[allow(clippy::disallowed_methods)] // cloning this iterator allocates nothing
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
            // Requests of servers must not take room from operators.
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

    /// Records the second up to which a server has requested draining; `None` if it no longer does. Returns whether the
    /// server has begun or stopped requesting it. If it only continues, other workers need not be notified.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no room for it; nothing has changed then.
    pub fn ask(self, upstream: &[u8], address: &[u8], until: Option<u64>) -> Result<bool, Full> {
        let until = until.filter(|until| *until != 0);
        let slot = self.slot_of(upstream, address);
        let before = slot.and_then(Slot::asked);
        if until.is_some() == before.is_some() {
            if let Some((slot, until)) = slot.zip(until.filter(|_| until != before)) {
                // The later end is found when the earlier one has passed.
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

    /// Ends a state that is due now, and returns it, or returns `None` if none is due.
    pub fn end_one(self, now: u64) -> Option<Ended> {
        let is_due = |slot: &&Slot| slot.standing().end().is_some_and(|end| end <= now);
        let Some(slot) = self.slots.iter().find(is_due) else {
            // The recorded next end may have been postponed or removed.
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

    /// Returns whether the current configuration lets operators change states.
    pub fn is_controlled(self) -> bool {
        self.header.controlled.get() != 0
    }

    /// Records whether the configuration that takes effect lets operators change states.
    pub fn set_controlled(self, controlled: bool) {
        self.header.controlled.set(controlled.into());
    }

    /// Removes all states that operators have set.
    pub fn forget_said(self) {
        if !self.is_empty() {
            self.begin();
            self.slots.iter().for_each(|slot| slot.set_over(None));
            self.finish();
        }
    }

    /// Returns whether this generation is newer than the one that was last saved.
    pub fn is_unsaved(self, generation: u64) -> bool {
        // The difference is correct even after a wraparound.
        generation.wrapping_sub(self.header.saved.get()) as i64 > 0
    }

    /// Records that this generation was saved.
    pub fn note_saved(self, generation: u64) {
        self.header.saved.set(generation);
    }

    /// Records that the current states have not been saved to the file that is used from now on.
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

    /// Does the same as [`finish`](Self::finish) if the states set by operators have not changed. If they were saved,
    /// they still are.
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
