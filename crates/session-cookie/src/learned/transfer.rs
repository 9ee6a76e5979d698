//! Copying the sessions of a table into another one.

use super::chain::link_to;
use super::slot::{Slot, State};
use super::supply::give_back;
use super::table::Table;
use super::time::{Tick, Timeout};
use crate::word::Word;

impl Table<'_> {
    /// Copies the sessions of another table that are alive; if there is no room for all, the most recently used ones.
    ///
    /// It is done in slices, so that no lock is held for long: from `start` on, which is 0 at first, `number` slots.
    /// Returns the next start, or `None` at the end. Until then this table is used for nothing else; it was
    /// [cleared](Table::clear) with the other one's [secret](Table::secret), on which the keys depend. What becomes of a
    /// session of the other table after it was copied is not followed.
    ///
    /// The sessions come into no chain at first: their slots are a heap with the oldest in front, which makes room for a
    /// newer one. When all have been seen, the slots are linked, also in slices. The oldest are still near the front
    /// then, where the hand of the clock begins.
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

    /// The session in a slot, if it is alive, and the one that is found by its key.
    fn alive(&self, index: usize, now: Tick, timeout: Timeout) -> Option<&Slot> {
        let slot = self.chains.slots.get(index)?;
        let index = u32::try_from(index).ok()?;
        let found = self.chains.entry(slot.key())?;
        (found.index == index && slot.state().is_alive(now, timeout)).then_some(slot)
    }

    /// Adds a session to the heap, if there is room or an older one in it.
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

    /// Puts a session into the heap, from an end on upwards.
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

    /// Puts a session into the heap in place of the oldest, from the front on downwards.
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

    /// Makes a copied session visible. One that had left the other table, and come back to another slot of it, was
    /// copied twice: the newer copy counts.
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
