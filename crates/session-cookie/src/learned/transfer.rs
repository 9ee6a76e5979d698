//! Copying sessions from one table to another.

use super::chain::link_to;
use super::slot::{Slot, State};
use super::supply::give_back;
use super::table::Table;
use super::time::{Tick, Timeout};
use crate::word::Word;

impl Table<'_> {
    /// Copies the live sessions of another table; if there is no room for all, the most recently used ones.
    ///
    /// The sessions are copied in slices, so that no lock is held for long: `number` slots, starting at `start`, which is 0 in
    /// the first call. Returns the next `start`, or `None` at the end. Until then, this table must not be used otherwise. It must
    /// have been [cleared](Table::clear) with the [secret](Table::secret) of the other table, from which the keys are derived.
    /// Changes to a session of the other table after it was copied are ignored.
    ///
    /// At first, the copied sessions are in no chain: their slots form a heap with the oldest session at the front, which is
    /// replaced if a newer one needs room. After all slots have been examined, the copies are linked into chains, also in slices.
    /// The oldest sessions are then still near the front, where the clock hand starts.
    pub fn copy_slice(
        &self,
        other: &Table<'_>,
        start: usize,
        number: usize,
        now: Tick,
        timeout: Timeout,
    ) -> Option<usize> {
        let seen = other.capacity();
        let end = start.saturating_add(number.max(1));
        if let Some(to_link) = start.checked_sub(seen) {
            let end = to_link.saturating_add(number.max(1));
            (to_link..end.min(self.taken())).for_each(|index| self.link_copy(index));
            return (end < self.taken()).then(|| seen.saturating_add(end));
        }
        for index in start..end.min(other.taken()) {
            if let Some(slot) = other.alive(index, now, timeout) {
                self.add_copy(slot);
            }
        }
        Some(if end < other.taken() { end } else { seen })
    }

    fn taken(&self) -> usize {
        self.capacity().min(self.header.taken.get() as usize)
    }

    /// Returns the slot with this index if its session has not expired and is the one found by its key.
    fn alive(&self, index: usize, now: Tick, timeout: Timeout) -> Option<&Slot> {
        let slot = self.chains.slots.get(index)?;
        let index = u32::try_from(index).ok()?;
        let found = self.chains.entry(slot.key())?;
        (found.index == index && slot.state().is_alive(now, timeout)).then_some(slot)
    }

    /// Adds a session to the heap if there is room or if the heap contains an older session.
    fn add_copy(&self, session: &Slot) {
        let slots = self.chains.slots;
        let size = self.taken();
        if size < slots.len() {
            self.header
                .taken
                .set(link_to(u32::try_from(size).unwrap_or(u32::MAX)));
            self.rise(size, session);
        } else if slots.first().is_some_and(|oldest| oldest.is_older(session)) {
            self.sink(size, session);
        }
    }

    /// Inserts a session into the heap, sifting up from a position at the end.
    fn rise(&self, end: usize, session: &Slot) {
        let slots = self.chains.slots;
        let mut hole = end;
        while let Some(above) = hole.checked_sub(1).map(|before| before / 2) {
            match slots.get(above) {
                Some(parent) if session.is_older(parent) => self.copy(parent, hole),
                _ => break,
            }
            hole = above;
        }
        self.copy(session, hole);
    }

    /// Replaces the oldest session of the heap, sifting down from the front.
    fn sink(&self, size: usize, session: &Slot) {
        let slots = self.chains.slots.get(..size).unwrap_or_default();
        let mut hole = 0_usize;
        loop {
            let below = hole.saturating_mul(2).saturating_add(1);
            let children = slots.iter().enumerate().skip(below).take(2);
            let oldest = children.reduce(|one, two| if two.1.is_older(one.1) { two } else { one });
            match oldest {
                Some((index, child)) if child.is_older(session) => {
                    self.copy(child, hole);
                    hole = index;
                }
                _ => break,
            }
        }
        self.copy(session, hole);
    }

    fn copy(&self, session: &Slot, index: usize) {
        let state = session.state();
        if let (Some(slot), Some(server)) = (self.chains.slots.get(index), session.server(state)) {
            slot.fill(session.key(), &server, state.untouched());
        }
    }

    /// Makes a copied session visible. A session that was removed from the other table and added again in another slot was copied
    /// twice; the newer copy is kept.
    fn link_copy(&self, index: usize) {
        let (Some(slot), Ok(index)) = (self.chains.slots.get(index), u32::try_from(index)) else {
            return;
        };
        if let Some(twin) = self.chains.entry(slot.key()) {
            if slot.is_older(twin.slot) {
                give_back(self.header, index, slot);
                return;
            }
            twin.unlink();
            give_back(self.header, twin.index, twin.slot);
        }
        self.chains.link(index, slot);
    }
}

impl Slot {
    fn is_older(&self, other: &Slot) -> bool {
        let used = |slot: &Slot| State::used(slot.state());
        used(other).since(used(self)) > 0
    }
}
