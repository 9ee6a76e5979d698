//! What is kept in a pool: entries of this module in its list of cleanups, each with a value behind it.

use core::cell::Cell;
use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::ngx_pool_cleanup_t;

use super::handle::Pool;

/// A value that is kept in a pool that lives for `'p`.
///
/// # Safety
///
/// No other type has this [`KIND`](PoolSlot::KIND): by the kind alone it is known which type a value is of.
pub(crate) unsafe trait PoolSlot<'p>: Copy + 'p {
    /// Tells one type from the other.
    const KIND: SlotKind;

    /// Returns what it is looked for by: an address.
    fn key(&self) -> usize;
}

/// The types that are kept.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum SlotKind {
    /// A view of the `Cookie` fields.
    View,
    /// A visit to a sticky upstream.
    Visit,
    /// A change that waits for the body of its request.
    Change,
    /// A server that has left DNS.
    Lingerer,
    /// The index of those that are older.
    Index,
}

/// An entry of this module in the list. It tells its type, because functions are no mark for it: the linker may give two equal
/// functions one address.
#[repr(C)]
pub(super) struct Entry<'p> {
    cleanup: ngx_pool_cleanup_t,
    kind: SlotKind,
    key: usize,
    /// The next older one in its chain of the index.
    pub(super) older: Cell<Option<&'p Entry<'p>>>,
}

/// A kept value.
#[repr(C)]
pub(crate) struct Kept<'p, T> {
    entry: Entry<'p>,
    value: T,
}

/// Marks the entries of this module among the cleanups of a pool; there is nothing to clean up.
unsafe extern "C" fn mark(_: *mut c_void) {}

impl<'p> Entry<'p> {
    /// Returns what the value is looked for by.
    #[inline(always)]
    pub(super) fn key(&self) -> usize {
        self.key
    }

    /// Returns the value, if it is of this type and looked for by this key.
    #[inline(always)]
    pub(super) fn value_of<T: PoolSlot<'p>>(&'p self, key: usize) -> Option<&'p T> {
        self.value().filter(|_| self.key == key)
    }

    /// Returns the value, if it is of this type.
    #[inline(always)]
    pub(super) fn value<T: PoolSlot<'p>>(&'p self) -> Option<&'p T> {
        let kept: *const Kept<'p, T> = core::ptr::from_ref(self).cast();
        // SAFETY: an entry of a kind is the first member of what was kept, with a value of the kind's type behind it.
        (self.kind == T::KIND).then(|| unsafe { &(*kept).value })
    }
}

/// A place in the list of a pool's cleanups.
#[derive(Clone, Copy)]
pub(super) struct Cleanups<'p>(*mut ngx_pool_cleanup_t, PhantomData<&'p ()>);

impl Cleanups<'_> {
    /// Returns whether this is the end of the list.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_null()
    }
}

impl<'p> Iterator for Cleanups<'p> {
    /// An entry of this module, or another module's.
    type Item = Option<&'p Entry<'p>>;

    #[inline(always)]
    fn next(&mut self) -> Option<Self::Item> {
        let is_mark = |handler| handler as usize == mark as *const () as usize;
        // SAFETY: the list of a live pool is well formed, and nginx writes to no cleanup before the pool is destroyed;
        // where the mark is, it begins an entry.
        unsafe {
            let cleanup = self.0.as_ref()?;
            let entry = self.0.cast::<Entry<'p>>();
            self.0 = cleanup.next;
            Some(cleanup.handler.is_some_and(is_mark).then(|| &*entry))
        }
    }
}

impl<'p> Pool<'p> {
    /// Returns the cleanups, the newest first.
    #[inline(always)]
    pub(super) fn cleanups(self) -> Cleanups<'p> {
        // SAFETY: the pool is live.
        Cleanups(unsafe { (*self.as_ptr()).cleanup }, PhantomData)
    }

    /// Keeps a value in the pool.
    pub(crate) fn keep<T: PoolSlot<'p>>(self, value: T) -> Option<&'p T> {
        let place = self.array::<Kept<T>>(1)?;
        // SAFETY: the pool has just given this place, for one such value.
        Some(unsafe { self.keep_at(place, value) })
    }

    /// Keeps a value in the pool, at a place that the pool has given already.
    ///
    /// As ngx_pool_cleanup_add() does it, which would allocate twice.
    ///
    /// # Safety
    ///
    /// `place` is memory of this pool, as large and as aligned as a [`Kept`], and nobody else reads or writes there.
    #[inline(always)]
    pub(crate) unsafe fn keep_at<T: PoolSlot<'p>>(
        self,
        place: NonNull<Kept<'p, T>>,
        value: T,
    ) -> &'p T {
        // SAFETY: the place is memory of the pool that nobody else writes to, as the caller vouches: it is written whole, and
        // lives as long as the pool. The pool is live, and its list begins with an entry or null.
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
