//! What the module keeps in the pool of a request, where it is found again however the request is redirected inside
//! nginx, which clears a module's contexts.
//!
//! A main request and its subrequests share one pool, and its list of cleanups is all that leads there. Other modules put
//! entries into it for each subrequest, and so does this one: a page with thousands of them must not walk the list for each.
//! Where a walk becomes long, an index of what is kept is made in the pool, and an entry in the list that leads to it: the
//! next walk ends there. Nearly every request has a handful of cleanups, and no index.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_pool_cleanup_t, ngx_pool_t};

use super::array;
use super::index::Index;

/// A value that is kept.
pub(crate) trait Keep: Copy {
    /// Tells one type from the other.
    const KIND: Kind;

    /// What it is looked for by: an address.
    fn key(&self) -> usize;
}

/// The types that are kept.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A view of the `Cookie` fields.
    View,
    /// A visit to a sticky upstream.
    Visit,
    /// No value: what leads to the index of those that are older.
    Index,
}

/// An entry of ours in the list. It tells its type, because functions are no mark for it: the linker may give two equal
/// functions one address.
#[repr(C)]
pub(super) struct Entry {
    cleanup: ngx_pool_cleanup_t,
    pub(super) kind: Kind,
    /// What the value is looked for by, or the address of the index.
    pub(super) key: usize,
    /// The next older one in its chain of the index. Means nothing before it is there.
    pub(super) older: *mut Entry,
}

/// A kept value.
#[repr(C)]
pub(crate) struct Kept<T> {
    entry: Entry,
    value: T,
}

/// Marks our entries among the cleanups of a pool; there is nothing to clean up.
unsafe extern "C" fn mark(_: *mut c_void) {}

/// The entry of ours that a cleanup is.
#[inline(always)]
pub(super) unsafe fn ours(cleanup: *mut ngx_pool_cleanup_t) -> Option<*mut Entry> {
    let is_mark = |handler| handler as usize == mark as *const () as usize;
    // SAFETY: the caller gives a cleanup of a live pool; where our mark is, it begins an entry.
    unsafe { (*cleanup).handler.is_some_and(is_mark) }.then_some(cleanup.cast())
}

/// Keeps a value in the pool.
///
/// # Safety
///
/// `pool` is live.
pub(crate) unsafe fn keep<T: Keep>(pool: *mut ngx_pool_t, value: T) -> Option<NonNull<T>> {
    // SAFETY: the caller's promise; the place is new memory of the pool.
    unsafe {
        let place = array::<Kept<T>>(pool, 1)?;
        Some(keep_at(pool, place.as_ptr(), value))
    }
}

/// Keeps a value in the pool, at a place that the pool has given already.
///
/// # Safety
///
/// `pool` is live, `place` is memory of it, and nobody else writes there.
#[inline]
pub(crate) unsafe fn keep_at<T: Keep>(
    pool: *mut ngx_pool_t,
    place: *mut Kept<T>,
    value: T,
) -> NonNull<T> {
    // SAFETY: the caller's promise.
    unsafe {
        put(pool, &raw mut (*place).entry, T::KIND, value.key());
        let place = &raw mut (*place).value;
        place.write(value);
        NonNull::new_unchecked(place)
    }
}

/// Puts an entry into the list.
#[inline(always)]
pub(super) unsafe fn put(pool: *mut ngx_pool_t, place: *mut Entry, kind: Kind, key: usize) {
    // SAFETY: as in `keep_at`. As ngx_pool_cleanup_add() does it, which would allocate twice.
    unsafe {
        (*place).cleanup = ngx_pool_cleanup_t {
            handler: Some(mark),
            data: place.cast(),
            next: (*pool).cleanup,
        };
        (*place).kind = kind;
        (*place).key = key;
        (*pool).cleanup = place.cast();
    }
}

/// The newest value of a type with this key.
///
/// # Safety
///
/// `pool` is live.
#[inline(always)]
pub(crate) unsafe fn newest<T: Keep>(pool: *mut ngx_pool_t, key: usize) -> Option<NonNull<T>> {
    // SAFETY: the list of a live pool is well formed; an entry of a kind has its value behind it.
    unsafe {
        let mut cleanup = (*pool).cleanup;
        for _ in 0..FAR {
            if cleanup.is_null() {
                return None;
            }
            if let Some(entry) = ours(cleanup) {
                if is_value::<T>(entry, key) {
                    return Some(value(entry));
                }
                if (*entry).kind == Kind::Index {
                    break;
                }
            }
            cleanup = (*cleanup).next;
        }
        newest_far(pool, key)
    }
}

/// How many cleanups are walked over: more than what nearly every request has.
const FAR: usize = 16;

/// [`newest`] where there are many cleanups.
#[cold]
#[inline(never)]
unsafe fn newest_far<T: Keep>(pool: *mut ngx_pool_t, key: usize) -> Option<NonNull<T>> {
    // SAFETY: the pool is live.
    unsafe { kept(pool, key) }.next()
}

/// The values of a type with this key, the newest first.
///
/// # Safety
///
/// `pool` is live as long as the iterator is used.
pub(crate) unsafe fn kept<T: Keep>(pool: *mut ngx_pool_t, key: usize) -> All<T> {
    All {
        pool,
        key,
        // SAFETY: the pool is live.
        next: Next::Cleanup(unsafe { (*pool).cleanup }),
        left: FAR,
        last: ptr::null_mut(),
        values: PhantomData,
    }
}

/// See [`kept`].
pub(crate) struct All<T> {
    pool: *mut ngx_pool_t,
    key: usize,
    next: Next,
    /// How far the walk may still go.
    left: usize,
    /// The one that was found last.
    last: *mut Entry,
    values: PhantomData<T>,
}

/// Where the search goes on.
enum Next {
    /// In the list.
    Cleanup(*mut ngx_pool_cleanup_t),
    /// In a chain of the index.
    Entry(*mut Entry),
}

impl<T: Keep> Iterator for All<T> {
    type Item = NonNull<T>;

    fn next(&mut self) -> Option<NonNull<T>> {
        // SAFETY: the list of a live pool is well formed, and so is the index; an entry of a kind has its value behind it.
        unsafe {
            loop {
                let entry = match self.next {
                    Next::Cleanup(cleanup) if cleanup.is_null() => return None,
                    Next::Cleanup(_) if self.left == 0 => {
                        self.leave();
                        continue;
                    }
                    Next::Cleanup(cleanup) => {
                        self.left = self.left.wrapping_sub(1);
                        self.next = Next::Cleanup((*cleanup).next);
                        match ours(cleanup) {
                            Some(entry) => entry,
                            None => continue,
                        }
                    }
                    Next::Entry(entry) if entry.is_null() => return None,
                    Next::Entry(entry) => {
                        self.next = Next::Entry((*entry).older);
                        entry
                    }
                };
                if (*entry).kind == Kind::Index {
                    let chain = Index::behind(entry).as_ref().chain(self.key);
                    self.next = Next::Entry(chain.read());
                } else if is_value::<T>(entry, self.key) {
                    self.last = entry;
                    return Some(value(entry));
                }
            }
        }
    }
}

impl<T: Keep> All<T> {
    /// Goes on in the index, after the one that was found last.
    unsafe fn leave(&mut self) {
        // SAFETY: as in `next`.
        unsafe {
            let Some(index) = Index::of(self.pool) else {
                // Memory is short, and the walk goes on.
                self.left = usize::MAX;
                return;
            };
            self.next = Next::Entry(if self.last.is_null() {
                index.as_ref().chain(self.key).read()
            } else {
                (*self.last).older
            });
        }
    }
}

/// Is it an entry with a value of this type and key?
#[inline(always)]
unsafe fn is_value<T: Keep>(entry: *mut Entry, key: usize) -> bool {
    // SAFETY: the caller gives a live entry.
    unsafe { (*entry).kind == T::KIND && (*entry).key == key }
}

/// The value behind an entry of its kind.
#[inline(always)]
unsafe fn value<T: Keep>(entry: *mut Entry) -> NonNull<T> {
    // SAFETY: the caller's promise.
    unsafe { NonNull::new_unchecked(&raw mut (*entry.cast::<Kept<T>>()).value) }
}
