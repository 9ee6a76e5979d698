//! Frees the slots of servers that no longer exist.

use core::sync::atomic::AtomicU32;

use super::slot::{Slot, SlotId, END};
use super::table::Table;
use crate::key::Key;
use crate::word::{then, Word};

impl Table<'_> {
    /// Frees slots that are no longer used, examining `number` slots from the index `start` on. The counts of a server
    /// are added to its upstream. Returns the index at which to continue, or `None` at the end.
    ///
    /// `is_wanted` returns whether a key is that of an existing server or of a part of an existing upstream. Slots
    /// registered after the second `before` are kept, since there may be servers that the caller does not know yet.
    pub fn sweep(
        &self,
        start: usize,
        number: usize,
        before: u32,
        is_wanted: impl Fn(Key) -> bool,
    ) -> Option<usize> {
        let end = start.saturating_add(number.max(1));
        let slots = self.slots.iter().enumerate().take(end).skip(start);
        for (index, slot) in slots {
            let Ok(id) = u32::try_from(index).map(SlotId) else {
                return None;
            };
            let is_old = !slot.is_free() && slot.wanted.get() <= before;
            let is_lost = || self.find(slot.key()) != Some(id);
            let keeps = slot.group().is_none() && self.members(id).next().is_some();
            if is_old && !keeps && (is_lost() || !is_wanted(slot.key())) {
                self.give_back(id, slot);
            }
        }
        (end < self.slots.len()).then_some(end)
    }

    fn give_back(&self, id: SlotId, slot: &Slot) {
        if let Some(bucket) = self.bucket(slot.key()) {
            self.unlink(bucket, id, |slot| &slot.next);
        }
        if let Some(first) = slot.group() {
            let counted = self.take_counters(id);
            self.fold(first, counted);
            if let Some(head) = self.slot(first) {
                self.unlink(&head.member, id, |slot| &slot.member);
            }
        }
        then();
        slot.wanted.set(0);
    }

    /// Removes a slot from the list that begins with this link.
    fn unlink(&self, head: &AtomicU32, id: SlotId, link: impl Fn(&Slot) -> &AtomicU32 + Copy) {
        let after = self.slot(id).map_or(END, |slot| link(slot).get());
        if head.get() == id.link() {
            head.set(after);
            return;
        }
        let mut list = self.walk(head.get(), move |slot| link(slot).get());
        if let Some((_, before)) = list.find(|(_, slot)| link(slot).get() == id.link()) {
            link(before).set(after);
        }
    }
}
