//! The entries in a pool's cleanup list that hold the values this module keeps.

use core::cell::Cell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::ngx_pool_cleanup_t;

use super::handle::Pool;

/// A value that can be kept in a pool that is live for `'p`.
///
/// # Safety
///
/// No other type has the same [`KIND`](PoolSlot::KIND): the kind alone determines the type of a kept value.
pub(crate) unsafe trait PoolSlot<'p>: Copy + 'p {
    /// Identifies the type.
    const KIND: SlotKind;

    /// Returns the key by which the value is looked up: an address.
    fn key(&self) -> usize;
}

/// The types of kept values.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum SlotKind {
    /// A view of the `Cookie` fields.
    View,
    /// A visit to a sticky upstream.
    Visit,
    /// A change to server states that waits for the request body.
    Change,
    /// A server that has left DNS.
    Lingerer,
    /// The index of the older entries.
    Index,
}

/// An entry of this module in the cleanup list. It records the type of its value: a handler for each type would not identify the
/// type, because the linker may merge equal functions.
#[repr(C)]
pub(super) struct Entry<'p> {
    cleanup: ngx_pool_cleanup_t,
    kind: SlotKind,
    key: usize,
    /// The next older entry in its chain of the index.
    pub(super) older: Cell<Option<&'p Entry<'p>>>,
}

/// A kept value with its entry.
#[repr(C)]
pub(crate) struct Kept<'p, T> {
    entry: Entry<'p>,
    value: T,
}

/// The handler that marks the entries of this module among a pool's cleanups. It does nothing.
unsafe extern "C" fn mark(_: *mut c_void) {}

impl<'p> Entry<'p> {
    /// Returns the key of the value.
    #[inline(always)]
    pub(super) fn key(&self) -> usize {
        self.key
    }

    /// Returns the value, if it is of this type and has this key.
    #[inline(always)]
    pub(super) fn value_of<T: PoolSlot<'p>>(&'p self, key: usize) -> Option<&'p T> {
        self.value().filter(|_| self.key == key)
    }

    /// Returns the value, if it is of this type.
    #[inline(always)]
    pub(super) fn value<T: PoolSlot<'p>>(&'p self) -> Option<&'p T> {
        let kept: *const Kept<'p, T> = core::ptr::from_ref(self).cast();
        // SAFETY: an entry is the first member of a `Kept`, whose value is of the type that the kind determines.
        (self.kind == T::KIND).then(|| unsafe { &(*kept).value })
    }
}

/// A position in a pool's cleanup list.
#[derive(Clone, Copy)]
pub(super) struct Cleanups<'p>(*mut ngx_pool_cleanup_t, PhantomData<&'p ()>);

impl Cleanups<'_> {
    /// Returns whether this is the end of the list.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_null()
    }
}

impl<'p> Iterator for Cleanups<'p> {
    /// An entry of this module; `None` for a cleanup of another module.
    type Item = Option<&'p Entry<'p>>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let is_mark = |handler| handler as usize == mark as *const () as usize;
        // SAFETY: the cleanup list of a live pool is well formed, and nginx modifies no cleanup before the pool is destroyed. A
        // cleanup whose handler is `mark` is the first member of an `Entry`.
        unsafe {
            let cleanup = self.0.as_ref()?;
            let entry = self.0.cast::<Entry<'p>>();
            self.0 = cleanup.next;
            Some(cleanup.handler.is_some_and(is_mark).then(|| &*entry))
        }
    }
}

impl<'p> Pool<'p> {
    /// Returns the cleanups, newest first.
    #[inline(always)]
    pub(super) fn cleanups(self) -> Cleanups<'p> {
        // SAFETY: the pool is live.
        Cleanups(unsafe { (*self.as_ptr()).cleanup }, PhantomData)
    }

    /// Keeps a value in the pool.
    pub(crate) fn keep<T: PoolSlot<'p>>(self, value: T) -> Option<&'p T> {
        let place = self.array::<Kept<T>>(1)?;
        // SAFETY: the pool has just allocated this memory for one such value.
        Some(unsafe { self.keep_at(place, value) })
    }

    /// Keeps a value in the pool, in memory that was already allocated from it.
    ///
    /// Links the entry as ngx_pool_cleanup_add() does, which would need a second allocation.
    ///
    /// # Safety
    ///
    /// `place` is memory from this pool with the size and alignment of a [`Kept`], and nothing else reads or writes it.
    #[inline(always)]
    pub(crate) unsafe fn keep_at<T: PoolSlot<'p>>(
        self,
        place: NonNull<Kept<'p, T>>,
        value: T,
    ) -> &'p T {
        // SAFETY: the caller guarantees that `place` is memory from the pool that nothing else uses; all of it is written, and it
        // lives as long as the pool. The pool is live, and the head of its list is a cleanup or null.
        unsafe {
            place.write(Kept {
                entry: Entry {
                    cleanup: ngx_pool_cleanup_t {
                        handler: Some(mark),
                        data: place.as_ptr().cast(),
                        next: (*self.as_ptr()).cleanup,
                    },
                    kind: T::KIND,
                    key: value.key(),
                    older: Cell::new(None),
                },
                value,
            });
            (*self.as_ptr()).cleanup = place.as_ptr().cast();
            &(*place.as_ptr()).value
        }
    }
}
