//! nginx's pool.

use core::ffi::{c_ulong, c_void};
use core::marker::PhantomData;
use core::mem::size_of;
use core::ptr::{self, NonNull};
use core::slice;

use ngx::ffi::{ngx_palloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_t};

/// How nginx aligns memory of a pool (`NGX_ALIGNMENT`).
const ALIGNMENT: usize = size_of::<c_ulong>();

/// A pool; `'p` is its life. What it gives is freed when it is destroyed.
#[derive(Clone, Copy)]
pub(crate) struct Pool<'p>(NonNull<ngx_pool_t>, PhantomData<&'p ()>);

impl<'p> Pool<'p> {
    /// Returns the pool behind one of nginx's pointers.
    ///
    /// # Safety
    ///
    /// `pool` is not null, and lives for `'p`.
    #[inline(always)]
    pub(crate) unsafe fn new(pool: *mut ngx_pool_t) -> Self {
        // SAFETY: the caller vouches for a pool, which is not null.
        Pool(unsafe { NonNull::new_unchecked(pool) }, PhantomData)
    }

    /// nginx's own pointer to the pool.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_pool_t {
        self.0.as_ptr()
    }

    /// Returns memory for `count` values of `T`, not initialized.
    #[inline(always)]
    pub(crate) fn array<T>(self, count: usize) -> Option<NonNull<T>> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        let size = size_of::<T>().checked_mul(count)?;
        // SAFETY: the pool is live; ngx_palloc() aligns as T needs it.
        NonNull::new(unsafe { ngx_palloc(self.as_ptr(), size) }.cast())
    }

    /// Returns memory for `size` bytes, not initialized.
    #[inline(always)]
    pub(super) fn bytes(self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: the pool is live.
        NonNull::new(unsafe { ngx_pnalloc(self.as_ptr(), size) }.cast())
    }

    /// Returns memory for a `T`, not initialized, and `size` bytes behind it.
    #[inline(always)]
    pub(super) fn with_bytes<T>(self, size: usize) -> Option<(NonNull<T>, NonNull<u8>)> {
        const { assert!(align_of::<T>() <= ALIGNMENT) };
        let whole = size_of::<T>().checked_add(size)?;
        // SAFETY: the pool is live; ngx_palloc() aligns as T needs it, and the bytes begin where the T ends.
        unsafe {
            let place = NonNull::<T>::new(ngx_palloc(self.as_ptr(), whole).cast())?;
            Some((place, place.add(1).cast()))
        }
    }

    /// Returns a slice of `count` values in the pool.
    pub(super) fn filled<T>(self, count: usize, value: impl Fn() -> T) -> Option<&'p [T]> {
        let start = self.array::<T>(count)?;
        // SAFETY: new memory of the pool for so many values, which are all written.
        unsafe {
            for at in 0..count {
                start.add(at).write(value());
            }
            Some(slice::from_raw_parts(start.as_ptr(), count))
        }
    }

    /// Makes a value in the pool, at its place.
    #[inline(always)]
    pub(crate) fn place<T>(self, value: impl FnOnce() -> T) -> Option<&'p mut T> {
        let mut place = self.array::<T>(1)?;
        // SAFETY: new memory of the pool, of the size and alignment of a T, that nobody else knows of.
        unsafe {
            place.write(value());
            Some(place.as_mut())
        }
    }

    /// Makes a value in the pool, which drops it when it is destroyed.
    pub(crate) fn place_dropped<T>(self, value: impl FnOnce() -> T) -> Option<&'p mut T> {
        // SAFETY: the pool is live.
        let cleanup = unsafe { ngx_pool_cleanup_add(self.as_ptr(), 0).as_mut()? };
        let value = self.place(value)?;
        cleanup.data = ptr::from_mut(value).cast();
        cleanup.handler = Some(drop_value::<T>);
        Some(value)
    }
}

/// A value in a pool that lives for `'p`, known by its place.
pub(crate) struct Placed<'p, T>(*const T, PhantomData<&'p T>);

#[allow(clippy::disallowed_methods)] // a handle allocates nothing
impl<T> Clone for Placed<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Placed<'_, T> {}

impl<'p, T> Placed<'p, T> {
    /// Makes the handle.
    ///
    /// # Safety
    ///
    /// A `T` is there for `'p`, and nobody holds it exclusively when it is read.
    #[inline(always)]
    pub(crate) unsafe fn new(value: *const T) -> Self {
        Placed(value, PhantomData)
    }

    /// Returns whether both are one value.
    pub(crate) fn is(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }

    /// Returns the value.
    pub(crate) fn get(self) -> &'p T {
        // SAFETY: the value is there, and nobody holds it exclusively, as `new` demands.
        unsafe { &*self.0 }
    }
}

/// Drops what a pool was given.
unsafe extern "C" fn drop_value<T>(value: *mut c_void) {
    // SAFETY: nginx calls this once, when nobody holds the value any more, with what `place_dropped` has made.
    unsafe { value.cast::<T>().drop_in_place() }
}
