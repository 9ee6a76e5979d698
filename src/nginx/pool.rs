//! Memory of a request: freed with it, never before.

use core::mem::size_of;
use core::ptr::NonNull;

use ngx::ffi::{ngx_palloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_cleanup_pt, ngx_pool_t};

/// Unaligned, zeroed memory for text.
///
/// # Safety
///
/// `pool` is live and outlives `'a`.
pub(crate) unsafe fn text<'a>(pool: *mut ngx_pool_t, length: usize) -> Option<&'a mut [u8]> {
    // SAFETY: the pool is live; the memory is ours alone, and initialized before it becomes a slice.
    unsafe {
        let memory = NonNull::new(ngx_pnalloc(pool, length).cast::<u8>())?;
        memory.write_bytes(0, length);
        Some(core::slice::from_raw_parts_mut(memory.as_ptr(), length))
    }
}

/// A copy of `text`.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn copy<'a>(pool: *mut ngx_pool_t, from: &[u8]) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    let memory = unsafe { text(pool, from.len())? };
    memory.copy_from_slice(from);
    Some(memory)
}

/// Memory for `count` values of `T`, not initialized.
///
/// # Safety
///
/// `pool` is live.
pub(crate) unsafe fn array<T>(pool: *mut ngx_pool_t, count: usize) -> Option<NonNull<T>> {
    let size = size_of::<T>().checked_mul(count)?;
    // SAFETY: the pool is live; ngx_palloc aligns for every type of nginx.
    NonNull::new(unsafe { ngx_palloc(pool, size) }.cast())
}

/// Keeps a value in the pool where [`find`] finds it under its mark, however the request is redirected
/// inside nginx. The mark is a function that does nothing: there is nothing to clean up.
///
/// # Safety
///
/// `pool` is live. `T` needs no `drop`.
pub(crate) unsafe fn keep<T: Copy>(
    pool: *mut ngx_pool_t,
    mark: ngx_pool_cleanup_pt,
    value: T,
) -> Option<NonNull<T>> {
    // SAFETY: nginx allocates size_of::<T>() aligned bytes behind `data`.
    unsafe {
        let cleanup = NonNull::new(ngx_pool_cleanup_add(pool, size_of::<T>()))?.as_ptr();
        let place = NonNull::new((*cleanup).data.cast::<T>())?;
        place.write(value);
        (*cleanup).handler = mark;
        Some(place)
    }
}

/// The newest value under a mark that satisfies `accept`.
///
/// # Safety
///
/// `pool` is live, and all values under `mark` are of type `T`.
pub(crate) unsafe fn find<T>(
    pool: *mut ngx_pool_t,
    mark: ngx_pool_cleanup_pt,
    accept: impl Fn(&T) -> bool,
) -> Option<NonNull<T>> {
    let address = |handler: ngx_pool_cleanup_pt| handler.map(|handler| handler as usize);
    // SAFETY: the list of a live pool is well formed; the mark says what `data` points to.
    unsafe {
        let mut cleanup = (*pool).cleanup;
        while !cleanup.is_null() {
            if address((*cleanup).handler) == address(mark) {
                if let Some(value) = NonNull::new((*cleanup).data.cast::<T>()) {
                    if accept(value.as_ref()) {
                        return Some(value);
                    }
                }
            }
            cleanup = (*cleanup).next;
        }
    }
    None
}
