//! Chains of slots, one a bucket.

use core::sync::atomic::AtomicU32;

use super::slot::Slot;
use crate::key::Key;
use crate::word::{then, Word};

/// The steps of a walk along a chain. No chain of keys is as long, so what lies behind is not looked for.
const STEPS: u32 = 64;

/// A link that leads nowhere.
pub(super) const END: u32 = 0;

/// The link that leads to a slot.
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

/// A slot, and the link by which it was reached.
pub(super) struct Entry<'z> {
    pub(super) index: u32,
    pub(super) slot: &'z Slot,
    link: &'z AtomicU32,
}

impl Entry<'_> {
    /// Takes the slot out of its chain, with one store.
    pub(super) fn unlink(&self) {
        self.link.set(self.slot.next.get());
    }
}

impl<'z> Chains<'z> {
    /// The slot to which a link leads, with its index: none from the end, and none from a link that was never made.
    #[inline(always)]
    pub(super) fn follow(&self, link: u32) -> Option<(u32, &'z Slot)> {
        let index = link.wrapping_sub(1);
        Some((index, self.slots.get(index as usize)?))
    }

    /// The head of the chain of a key; there is one if there are buckets.
    #[inline(always)]
    fn bucket(&self, key: Key) -> Option<&'z AtomicU32> {
        let Key([hash, _]) = key;
        #[allow(clippy::cast_possible_truncation)] // the lower bits
        let hash = hash as usize;
        self.buckets.get(hash & self.buckets.len().wrapping_sub(1))
    }

    /// A walk along the chain of a key.
    #[inline(always)]
    pub(super) fn walk(&self, key: Key) -> Option<Walk<'z>> {
        Some(Walk {
            chains: *self,
            link: self.bucket(key)?,
            steps: STEPS,
        })
    }

    /// The slot of a key that its chain leads to, for whoever leaves the chain as it is: it is what requests wait for.
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

    /// The slot of a key, with its place in the chain.
    pub(super) fn entry(&self, key: Key) -> Option<Entry<'z>> {
        self.walk(key)?.find(|entry| entry.slot.holds(key))
    }

    /// The slot of this index in the chain of its key, if it is there.
    pub(super) fn linked(&self, index: u32, slot: &Slot) -> Option<Entry<'z>> {
        self.walk(slot.key())?.find(|entry| entry.index == index)
    }

    /// Makes the session in a slot visible, with the last of two stores.
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
    /// Ends the chain where the walk ended. Nothing happens to a chain that ends there. If memory was overwritten, one
    /// may lead outside, or back to itself.
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
