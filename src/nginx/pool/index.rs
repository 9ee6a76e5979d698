//! An index of the values kept in a pool: a hash table of their entries by key. Each chain has its newest entry first.

use core::cell::Cell;

use super::handle::Pool;
use super::slots::{Entry, Kept, PoolSlot, SlotKind};

/// The head of a chain.
type Chain<'p> = Cell<Option<&'p Entry<'p>>>;

/// The index. It is allocated from the pool; each [`Signpost`] in the pool's cleanup list points to it.
pub(super) struct Index<'p> {
    /// Two to the power of `bits`.
    chains: Cell<&'p [Chain<'p>]>,
    bits: Cell<u32>,
    /// The number of entries in all chains.
    count: Cell<usize>,
}

/// A kept value that points to the index of all entries after it in the cleanup list.
#[derive(Clone, Copy)]
pub(super) struct Signpost<'p>(pub(super) &'p Index<'p>);

// SAFETY: no other type has `SlotKind::Index`.
unsafe impl<'p> PoolSlot<'p> for Signpost<'p> {
    const KIND: SlotKind = SlotKind::Index;

    /// Signposts are not looked up by key.
    fn key(&self) -> usize {
        0
    }
}

/// The initial number of chains, as a power of two.
const BITS: u32 = 6;

impl<'p> Index<'p> {
    /// Returns the index of all values kept in the pool so far.
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
        // Allocate the signpost first: entries may be in the index only if a signpost points to it.
        let place = pool.array::<Kept<Signpost>>(1)?;
        while let Some(entry) = newer {
            newer = entry.older.get();
            index.insert(pool, entry);
        }
        // SAFETY: the pool has just allocated this memory for one such value.
        unsafe { pool.keep_at(place, Signpost(index)) };
        Some(index)
    }

    /// Returns the newest entry of the chain for this key.
    pub(super) fn first(&self, key: usize) -> Option<&'p Entry<'p>> {
        self.chain(key)?.get()
    }

    /// Returns the head of the chain for this key.
    fn chain(&self, key: usize) -> Option<&'p Chain<'p>> {
        // Addresses in a pool differ in their middle bits; the upper bits of the product depend on all of them.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        self.chains
            .get()
            .get(hash >> usize::BITS.wrapping_sub(self.bits.get()))
    }

    /// Adds an entry that is newer than all entries in the index.
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

    /// Doubles the number of chains, unless memory is short. A new chain gets entries of one old chain only, so moving them from
    /// the oldest to the newest keeps their order.
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

/// Returns two to the power of `bits` empty chains.
fn chains<'p>(pool: Pool<'p>, bits: u32) -> Option<&'p [Chain<'p>]> {
    pool.filled(1usize.checked_shl(bits)?, || Cell::new(None))
}

/// Returns the index, if there is one, and the entries that are not in it yet, linked from the oldest to the newest.
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

/// Reverses the order of a chain.
fn reversed<'p>(mut entry: Option<&'p Entry<'p>>) -> Option<&'p Entry<'p>> {
    let mut first = None;
    while let Some(moved) = entry {
        entry = moved.older.replace(first);
        first = Some(moved);
    }
    first
}
