//! Words of shared memory, and the order in which they are stored.

use core::sync::atomic::{fence, AtomicU32, AtomicU64, Ordering};

/// A word of shared memory, with relaxed loads and stores: a lock orders them, or only the value of the word matters.
pub(crate) trait Word {
    type Value;

    fn get(&self) -> Self::Value;

    fn set(&self, value: Self::Value);
}

impl Word for AtomicU32 {
    type Value = u32;

    #[inline(always)]
    fn get(&self) -> u32 {
        self.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set(&self, value: u32) {
        #[cfg(test)]
        death::before_store();
        self.store(value, Ordering::Relaxed);
    }
}

impl Word for AtomicU64 {
    type Value = u64;

    #[inline(always)]
    fn get(&self) -> u64 {
        self.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn set(&self, value: u64) {
        #[cfg(test)]
        death::before_store();
        self.store(value, Ordering::Relaxed);
    }
}

/// Orders all stores before this call before all stores after it, for the compiler and for the processor. On x86-64
/// this takes no instruction.
#[inline(always)]
pub(crate) fn then() {
    fence(Ordering::Release);
}

/// Simulates the death of a process at one of its stores.
#[cfg(test)]
pub(crate) mod death {
    extern crate std;

    use core::cell::Cell;
    use std::boxed::Box;
    use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

    std::thread_local! {
        static STORES_LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    }

    struct Dead;

    pub(crate) fn before_store() {
        match STORES_LEFT.get() {
            None => {}
            Some(0) => resume_unwind(Box::new(Dead)),
            Some(left) => STORES_LEFT.set(Some(left - 1)),
        }
    }

    /// Runs `operation`, which dies after this number of stores; returns `None` if it has died.
    pub(crate) fn after<T>(stores: u32, operation: impl FnOnce() -> T) -> Option<T> {
        STORES_LEFT.set(Some(stores));
        let outcome = catch_unwind(AssertUnwindSafe(operation));
        STORES_LEFT.set(None);
        outcome
            .map_err(|reason| {
                if !reason.is::<Dead>() {
                    resume_unwind(reason);
                }
            })
            .ok()
    }
}
