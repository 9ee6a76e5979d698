//! The index of what is kept in a pool: chains of entries by the hash of their key, the newest first.

use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_pcalloc, ngx_pool_t};

use super::array;
use super::kept::{ours, put, Entry, Kind};

/// Lives in the pool; each of the entries of kind [`Kind::Index`] in its list of cleanups leads there.
pub(super) struct Index {
    /// As many as the bits can tell.
    chains: NonNull<*mut Entry>,
    bits: u32,
    /// Entries in all of them.
    count: usize,
}

/// How many chains an index has first.
const BITS: u32 = 6;

impl Index {
    /// The index of everything that is kept in the pool by now.
    ///
    /// # Safety
    ///
    /// `pool` is live.
    pub(super) unsafe fn of(pool: *mut ngx_pool_t) -> Option<NonNull<Self>> {
        // SAFETY: the pool is live, and its list well formed. What is allocated is written before it is read.
        unsafe {
            let (index, first) = match newer(pool) {
                (Some(index), first) => (index, first),
                (None, first) => {
                    let index = array::<Index>(pool, 1)?;
                    index.write(Index {
                        chains: chains(pool, BITS)?,
                        bits: BITS,
                        count: 0,
                    });
                    (index, first)
                }
            };
            let signpost = array::<Entry>(pool, 1)?;
            let mut entry = first;
            while !entry.is_null() {
                let next = (*entry).older;
                (*index.as_ptr()).insert(pool, entry);
                entry = next;
            }
            let key = index.as_ptr().expose_provenance();
            put(pool, signpost.as_ptr(), Kind::Index, key);
            Some(index)
        }
    }

    /// The index to which an entry leads.
    ///
    /// # Safety
    ///
    /// The entry is live, and of kind [`Kind::Index`].
    pub(super) unsafe fn behind(entry: *mut Entry) -> NonNull<Self> {
        // SAFETY: such an entry has the address as its key.
        unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut((*entry).key)) }
    }

    /// Where the chain begins in which entries with this key are.
    pub(super) fn chain(&self, key: usize) -> NonNull<*mut Entry> {
        // Addresses in a pool differ in the middle: the upper bits of the product depend on all of them.
        let hash = key.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize);
        let number = hash >> usize::BITS.wrapping_sub(self.bits);
        // SAFETY: there are as many chains.
        unsafe { self.chains.add(number) }
    }

    /// Adds an entry that is newer than all others.
    unsafe fn insert(&mut self, pool: *mut ngx_pool_t, entry: *mut Entry) {
        // SAFETY: the caller gives an entry of the pool.
        unsafe {
            if self.count >> self.bits != 0 {
                self.grow(pool);
            }
            self.count = self.count.saturating_add(1);
            self.push(entry);
        }
    }

    unsafe fn push(&mut self, entry: *mut Entry) {
        // SAFETY: as above.
        unsafe {
            let chain = self.chain((*entry).key);
            (*entry).older = chain.read();
            chain.write(entry);
        }
    }

    /// Doubles the number of chains, unless memory is short. Each new one has entries of one old one only, so that their
    /// order stays if they are moved from the oldest on.
    unsafe fn grow(&mut self, pool: *mut ngx_pool_t) {
        // SAFETY: as above; there are so many chains.
        unsafe {
            let (old, count) = (self.chains, 1usize << self.bits);
            let Some(chains) = chains(pool, self.bits.saturating_add(1)) else {
                return;
            };
            self.chains = chains;
            self.bits = self.bits.saturating_add(1);
            for number in 0..count {
                let mut entry = reversed(old.add(number).read());
                while !entry.is_null() {
                    let next = (*entry).older;
                    self.push(entry);
                    entry = next;
                }
            }
        }
    }
}

/// Empty chains, as many as the bits can tell.
unsafe fn chains(pool: *mut ngx_pool_t, bits: u32) -> Option<NonNull<*mut Entry>> {
    let size = size_of::<*mut Entry>().checked_shl(bits)?;
    // SAFETY: the pool is live; zeros are null.
    NonNull::new(unsafe { ngx_pcalloc(pool, size) }.cast())
}

/// The index, if there is one, and the entries that are not in it, linked from the oldest on.
unsafe fn newer(pool: *mut ngx_pool_t) -> (Option<NonNull<Index>>, *mut Entry) {
    // SAFETY: the list of a live pool is well formed.
    unsafe {
        let (mut cleanup, mut first) = ((*pool).cleanup, ptr::null_mut());
        while !cleanup.is_null() {
            if let Some(entry) = ours(cleanup) {
                if (*entry).kind == Kind::Index {
                    return (Some(Index::behind(entry)), first);
                }
                (*entry).older = first;
                first = entry;
            }
            cleanup = (*cleanup).next;
        }
        (None, first)
    }
}

/// A chain with its entries in the other order.
unsafe fn reversed(mut entry: *mut Entry) -> *mut Entry {
    let mut first = ptr::null_mut();
    // SAFETY: a chain of live entries.
    unsafe {
        while !entry.is_null() {
            let next = (*entry).older;
            (*entry).older = first;
            first = entry;
            entry = next;
        }
    }
    first
}
