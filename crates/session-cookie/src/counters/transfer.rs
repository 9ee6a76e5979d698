//! Copies the counts into a table of another size.

use super::counts::{sum, Counters, COUNTERS};
use super::slot::{Slot, SlotId};
use super::table::Table;
use crate::word::Word;

impl Table<'_> {
    /// Copies the counts of another table, as far as there is room. This table must have been [cleared](Table::clear)
    /// with the [secret](Table::secret) of the other one, from which the keys are derived. Changes that workers make to
    /// the other table during the copy may be missed, and later ones are.
    pub fn take_over(&self, other: &Table<'_>) {
        if !other.is_complete() {
            self.note_incomplete();
        }
        let taken = usize::try_from(other.header.taken.get()).unwrap_or_default();
        let used = || {
            (0u32..)
                .zip(other.slots.iter().take(taken))
                .filter(|(_, slot)| !slot.is_free())
        };
        // Upstreams are copied before their servers.
        let groups = used().filter(|(_, slot)| slot.group().is_none());
        let servers = used().filter(|(_, slot)| slot.group().is_some());
        for (index, slot) in groups.chain(servers) {
            let first = match slot.group() {
                None => None,
                Some(first) => {
                    let first = other.slot(first).and_then(|first| self.find(first.key()));
                    if first.is_none() {
                        continue;
                    }
                    first
                }
            };
            self.add_copy(other, SlotId(index), slot, first);
        }
    }

    fn add_copy(&self, other: &Table<'_>, id: SlotId, slot: &Slot, first: Option<SlotId>) {
        if other.find(slot.key()) != Some(id) {
            return;
        }
        let group = first.map_or(0, SlotId::link);
        let Some(copy) = self.register_at(slot.key(), group, slot.wanted.get()) else {
            return;
        };
        self.add_all(copy, other.counters(id));
        if let Some(copy) = self.slot(copy) {
            copy.leaving.copy(&slot.leaving);
            copy.configured.set(slot.configured.get());
        }
    }

    /// Returns the sums over all workers and resets them to 0.
    pub(super) fn take_counters(&self, id: SlotId) -> Counters {
        let lines = self.lines_of(id).iter();
        lines.fold([0; COUNTERS], |all, line| sum(all, line.take()))
    }
}
