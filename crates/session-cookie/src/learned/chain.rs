//! Chains of slots, one per bucket.

use core::sync::atomic::AtomicU32;

use super::slot::Slot;
use crate::key::Key;
use crate::word::{then, Word};

/// The maximum number of steps in a walk along a chain. No chain of keys is that long, so slots after these are ignored.
const STEPS: u32 = 64;

/// The link that ends a chain.
pub(super) const END: u32 = 0;

/// Returns the link to a slot.
#[inline(always)]
pub(super) fn link_to(index: u32) -> u32 {
    index.wrapping_add(1)
}

/// The chains of a table.
#[derive(Clone, Copy)]
pub(super) struct Chains<'z> {
    pub(super) buckets: &'z [AtomicU32],
    pub(super) slots: &'z [Slot],
}

/// A slot, and the link that leads to it.
pub(super) struct Entry<'z> {
    pub(super) index: u32,
    pub(super) slot: &'z Slot,
    link: &'z AtomicU32,
}

impl Entry<'_> {
    /// Removes the slot from its chain, with one store.
    pub(super) fn unlink(&self) {
        self.link.set(self.slot.next.get());
    }
}

impl<'z> Chains<'z> {
    /// Returns the slot that a link leads to, with its index, or `None` for the end of a chain and for an invalid link.
    #[inline(always)]
    pub(super) fn follow(&self, link: u32) -> Option<(u32, &'z Slot)> {
        let index = link.wrapping_sub(1);
        Some((index, self.slots.get(index as usize)?))
    }

    /// Returns the head of the chain of a key, or `None` if there are no buckets.
    #[inline(always)]
    fn bucket(&self, key: Key) -> Option<&'z AtomicU32> {
        let Key([hash, _]) = key;
        #[allow(clippy::cast_possible_truncation)] // the lower bits
        let hash = hash as usize;
        self.buckets.get(hash & self.buckets.len().wrapping_sub(1))
    }

    /// Returns a walk along the chain of a key.
    #[inline(always)]
    pub(super) fn walk(&self, key: Key) -> Option<Walk<'z>> {
        Some(Walk {
            chains: *self,
            link: self.bucket(key)?,
            steps: STEPS,
        })
    }

    /// Returns the slot of a key, for lookups that do not change the chain. This is on the critical path of requests.
    #[inline(always)]
    pub(super) fn find(&self, key: Key) -> Option<&'z Slot> {
        let mut link = self.bucket(key)?.get();
        for _ in 0..STEPS {
            let (_, slot) = self.follow(link)?;
            if slot.holds(key) {
                return Some(slot);
            }
            link = slot.next.get();
        }
        None
    }

    /// Returns the slot of a key, with the link that leads to it.
    pub(super) fn entry(&self, key: Key) -> Option<Entry<'z>> {
        self.walk(key)?.find(|entry| entry.slot.holds(key))
    }

    /// Returns the slot with this index, if it is in the chain of its key.
    pub(super) fn linked(&self, index: u32, slot: &Slot) -> Option<Entry<'z>> {
        self.walk(slot.key())?.find(|entry| entry.index == index)
    }

    /// Makes the session in a slot visible, with the second of two stores.
    pub(super) fn link(&self, index: u32, slot: &Slot) {
        if let Some(bucket) = self.bucket(slot.key()) {
            slot.next.set(bucket.get());
            then();
            bucket.set(link_to(index));
        }
    }
}

/// A walk along a chain.
pub(super) struct Walk<'z> {
    chains: Chains<'z>,
    link: &'z AtomicU32,
    steps: u32,
}

impl Walk<'_> {
    /// Cuts off the chain where the walk ended. This changes nothing if the chain ends there. If the memory is corrupt, a link
    /// may lead outside the table or back into the chain.
    pub(super) fn cut(&self) {
        if self.link.get() != END {
            self.link.set(END);
        }
    }
}

impl<'z> Iterator for Walk<'z> {
    type Item = Entry<'z>;

    #[inline(always)]
    fn next(&mut self) -> Option<Entry<'z>> {
        self.steps = self.steps.checked_sub(1)?;
        let link = self.link;
        let (index, slot) = self.chains.follow(link.get())?;
        self.link = &slot.next;
        Some(Entry { index, slot, link })
    }
}
