//! The index of what is kept in a pool: chains of entries by the hash of their key, the newest first.

use core::cell::Cell;

use super::handle::Pool;
use super::slots::{Entry, Kept, PoolSlot, SlotKind};

/// Where a chain begins.
type Chain<'p> = Cell<Option<&'p Entry<'p>>>;

/// Lives in the pool; each [`Signpost`] in its list of cleanups leads there.
pub(super) struct Index<'p> {
    /// As many as the bits can tell.
    chains: Cell<&'p [Chain<'p>]>,
    bits: Cell<u32>,
    /// Entries in all of them.
    count: Cell<usize>,
}

/// What leads from the list to the index of everything behind it.
#[derive(Clone, Copy)]
pub(super) struct Signpost<'p>(pub(super) &'p Index<'p>);

// SAFETY: no other type has `SlotKind::Index`.
unsafe impl<'p> PoolSlot<'p> for Signpost<'p> {
    const KIND: SlotKind = SlotKind::Index;

    /// No key: nobody looks for it by one.
    fn key(&self) -> usize {
        0
    }
}

/// How many chains an index has first.
const BITS: u32 = 6;

impl<'p> Index<'p> {
    /// Returns the index of everything that is kept in the pool by now.
    pub(super) fn of(pool: Pool<'p>) -> Option<&'p Self> {
        let (index, mut newer) = newer(pool);
        let index: &Self = match index {
            Some(index) => index,
            None => {
                let chains = chains(pool, BITS)?;
                pool.place(|| Index {
                    chains: Cell::new(chains),
                    bits: Cell::new(BITS),
                    count: Cell::new(0),
                })?
            }
        };
        // Entries may only go where a signpost leads.
        let place = pool.array::<Kept<Signpost>>(1)?;
        while let Some(entry) = newer {
            newer = entry.older.get();
            index.insert(pool, entry);
        }
        // SAFETY: the place is new memory of the pool.
        unsafe { pool.keep_at(place, Signpost(index)) };
        Some(index)
    }

    /// Returns the newest entry of the chain in which those with this key are.
    pub(super) fn first(&self, key: usize) -> Option<&'p Entry<'p>> {
        self.chain(key)?.get()
    }

    /// Returns where the chain begins in which entries with this key are.
    fn chain(&self, key: usize) -> Option<&'p Chain<'p>> {
        // Addresses in a pool differ in the middle: the upper bits of the product depend on all of them.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        self.chains
            .get()
            .get(hash >> usize::BITS.wrapping_sub(self.bits.get()))
    }

    /// Adds an entry that is newer than all others.
    fn insert(&self, pool: Pool<'p>, entry: &'p Entry<'p>) {
        if self.count.get() >> self.bits.get() != 0 {
            self.grow(pool);
        }
        self.count.set(self.count.get().saturating_add(1));
        self.push(entry);
    }

    fn push(&self, entry: &'p Entry<'p>) {
        if let Some(chain) = self.chain(entry.key()) {
            entry.older.set(chain.replace(Some(entry)));
        }
    }

    /// Doubles the number of chains, unless memory is short. Each new one has entries of one old one only, so that their
    /// order stays if they are moved from the oldest on.
    fn grow(&self, pool: Pool<'p>) {
        let bits = self.bits.get().saturating_add(1);
        let Some(chains) = chains(pool, bits) else {
            return;
        };
        let old = self.chains.replace(chains);
        self.bits.set(bits);
        for chain in old {
            let mut entry = reversed(chain.get());
            while let Some(moved) = entry {
                entry = moved.older.get();
                self.push(moved);
            }
        }
    }
}

/// Returns empty chains, as many as the bits can tell.
fn chains<'p>(pool: Pool<'p>, bits: u32) -> Option<&'p [Chain<'p>]> {
    pool.filled(1usize.checked_shl(bits)?, || Cell::new(None))
}

/// Returns the index, if there is one, and the entries that are not in it, linked from the oldest on.
fn newer<'p>(pool: Pool<'p>) -> (Option<&'p Index<'p>>, Option<&'p Entry<'p>>) {
    let mut first = None;
    for entry in pool.cleanups().flatten() {
        if let Some(Signpost(index)) = entry.value() {
            return (Some(index), first);
        }
        entry.older.set(first);
        first = Some(entry);
    }
    (None, first)
}

/// Returns a chain with its entries in the other order.
fn reversed<'p>(mut entry: Option<&'p Entry<'p>>) -> Option<&'p Entry<'p>> {
    let mut first = None;
    while let Some(moved) = entry {
        entry = moved.older.replace(first);
        first = Some(moved);
    }
    first
}
