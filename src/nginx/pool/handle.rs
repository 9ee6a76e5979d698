//! A handle of an nginx memory pool.

use core::ffi::{c_ulong, c_void};
use core::marker::PhantomData;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use ngx::ffi::{ngx_palloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_t};

/// The alignment of memory from a pool (`NGX_ALIGNMENT`).
const ALIGNMENT: usize = size_of::<c_ulong>();

/// A handle of a pool, valid for `'p`. Memory from the pool is freed when the pool is destroyed.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p>(NonNull<ngx_pool_t>, PhantomData<&'p ()>);

impl<'p> Pool<'p> {
    /// Creates the handle of a pool.
    ///
    /// # Safety
    ///
    /// `pool` is not null and is live for `'p`.
    #[inline(always)]
    pub(crate) unsafe fn new(pool: *mut ngx_pool_t) -> Self {
        // SAFETY: the caller guarantees that `pool` is not null.
        Pool(unsafe { NonNull::new_unchecked(pool) }, PhantomData)
    }

    /// Returns nginx's pointer to the pool.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_pool_t {
        self.0.as_ptr()
    }

    /// Allocates memory for `count` values of `T`, uninitialized.
    #[inline(always)]
    pub(crate) fn array<T>(self, count: usize) -> Option<NonNull<T>> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        let size = size_of::<T>().checked_mul(count)?;
        // SAFETY: the pool is live. The assertion above ensures that the alignment of ngx_palloc() suffices for a `T`.
        NonNull::new(unsafe { ngx_palloc(self.as_ptr(), size) }.cast())
    }

    /// Allocates `size` bytes, uninitialized.
    #[inline(always)]
    pub(super) fn bytes(self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the pool is live.
        NonNull::new(unsafe { ngx_pnalloc(self.as_ptr(), size) }.cast())
    }

    /// Allocates memory for a `T` followed by `size` bytes, uninitialized.
    #[inline(always)]
    pub(super) fn with_bytes<T>(self, size: usize) -> Option<(NonNull<T>, NonNull<u8>)> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        let whole = size_of::<T>().checked_add(size)?;
        // SAFETY: the pool is live. The assertion above ensures that the alignment of ngx_palloc() suffices for a `T`; the bytes
        // begin where the `T` ends.
        unsafe {
            let place = NonNull::<T>::new(ngx_palloc(self.as_ptr(), whole).cast())?;
            Some((place, place.add(1).cast()))
        }
    }

    /// Allocates a slice of `count` values, each made by `value`.
    pub(super) fn filled<T>(self, count: usize, value: impl Fn() -> T) -> Option<&'p [T]> {
        let start = self.array::<T>(count)?;
        // SAFETY: the pool has just allocated memory for `count` values, and all of them are written.
        unsafe {
            for at in 0..count {
                start.add(at).write(value());
            }
            Some(slice::from_raw_parts(start.as_ptr(), count))
        }
    }

    /// Allocates a value in the pool.
    #[inline(always)]
    pub(crate) fn place<T>(self, value: impl FnOnce() -> T) -> Option<&'p mut T> {
        let mut place = self.array::<T>(1)?;
        // SAFETY: the pool has just allocated this memory, with the size and alignment of a `T`; no other reference to it exists.
        unsafe {
            place.write(value());
            Some(place.as_mut())
        }
    }

    /// Allocates a value that is dropped when the pool is destroyed.
    pub(crate) fn place_dropped<T>(self, value: impl FnOnce() -> T) -> Option<&'p mut T> {
        // SAFETY: the pool is live.
        let cleanup = unsafe { ngx_pool_cleanup_add(self.as_ptr(), 0).as_mut()? };
        let value = self.place(value)?;
        cleanup.data = ptr::from_mut(value).cast();
        cleanup.handler = Some(drop_value::<T>);
        Some(value)
    }
}

/// A pointer to a value in a pool that is live for `'p`.
pub(crate) struct Placed<'p, T>(*const T, PhantomData<&'p T>);

#[allow(clippy::disallowed_methods)] // copying a pointer allocates nothing
impl<T> Clone for Placed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Placed<'_, T> {}

impl<'p, T> Placed<'p, T> {
    /// Creates the pointer.
    ///
    /// # Safety
    ///
    /// `value` points to a `T` that lives for `'p`, and no `&mut` to it exists when it is read.
    #[inline(always)]
    pub(crate) unsafe fn new(value: *const T) -> Self {
        Placed(value, PhantomData)
    }

    /// Returns whether both point to the same value.
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }

    /// Returns the value.
    pub(crate) fn get(self) -> &'p T {
        // SAFETY: the value is live, and no `&mut` to it exists, as `new` requires.
        unsafe { &*self.0 }
    }
}

/// The cleanup handler of [`Pool::place_dropped`].
unsafe extern "C" fn drop_value<T>(value: *mut c_void) {
    // SAFETY: nginx calls this once, with the value that `place_dropped` has made, when the value is no longer used.
    unsafe { value.cast::<T>().drop_in_place() }
}
