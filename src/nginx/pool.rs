//! Memory of a request: freed with it, never before.

mod index;
mod kept;

use core::mem::size_of;
use core::ptr::NonNull;

use ngx::ffi::{ngx_palloc, ngx_pnalloc, ngx_pool_t};
use session_cookie::bytes::Sink;

pub(crate) use kept::{keep, keep_at, kept, newest, Keep, Kept, Kind};

/// Text that is written into a pool.
pub(crate) struct Text {
    start: NonNull<u8>,
    length: usize,
    room: usize,
}

impl Text {
    /// Makes room for `room` bytes.
    ///
    /// # Safety
    ///
    /// `pool` is live.
    #[inline]
    pub(crate) unsafe fn new(pool: *mut ngx_pool_t, room: usize) -> Option<Self> {
        // SAFETY: the caller's promise.
        let start = NonNull::new(unsafe { ngx_pnalloc(pool, room) }.cast())?;
        Some(Text {
            start,
            length: 0,
            room,
        })
    }

    /// What was written.
    ///
    /// # Safety
    ///
    /// The pool outlives `'a`.
    #[inline]
    pub(crate) unsafe fn into_bytes<'a>(self) -> &'a [u8] {
        // SAFETY: so many bytes were written.
        unsafe { core::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Sink for Text {
    /// What does not fit is dropped.
    #[inline]
    fn put(&mut self, text: &[u8]) {
        let length = self.length.saturating_add(text.len());
        if length <= self.room {
            // SAFETY: there is room, which nobody else knows of.
            unsafe {
                self.start
                    .add(self.length)
                    .copy_from_nonoverlapping(NonNull::from(text).cast(), text.len());
            }
            self.length = length;
        }
    }

    #[inline(always)]
    fn put_piece(&mut self, text: &[u8]) {
        match *text {
            [] => {}
            [a] => self.put_bytes([a]),
            [a, b] => self.put_bytes([a, b]),
            [a, b, c] => self.put_bytes([a, b, c]),
            [a, b, c, d] => self.put_bytes([a, b, c, d]),
            _ => self.put(text),
        }
    }
}

impl Text {
    /// Copies so few bytes that it takes no call.
    #[inline(always)]
    fn put_bytes<const N: usize>(&mut self, text: [u8; N]) {
        let length = self.length.saturating_add(N);
        if length <= self.room {
            // SAFETY: there is room, which nobody else knows of.
            unsafe { self.start.add(self.length).cast().write_unaligned(text) };
            self.length = length;
        }
    }
}

/// A copy of `text`.
///
/// # Safety
///
/// `pool` is live and outlives `'a`.
pub(crate) unsafe fn copy<'a>(pool: *mut ngx_pool_t, text: &[u8]) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe { join(pool, [text]) }
}

/// One text of several.
///
/// # Safety
///
/// `pool` is live and outlives `'a`.
#[inline]
pub(crate) unsafe fn join<'a, const N: usize>(
    pool: *mut ngx_pool_t,
    pieces: [&[u8]; N],
) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise; there is room.
    unsafe {
        let place = NonNull::new(ngx_pnalloc(pool, length(&pieces)).cast())?;
        Some(write(place, pieces))
    }
}

/// How long several pieces are together. They are parts of memory that do not overlap, so the sum does not overflow.
#[inline]
fn length(pieces: &[&[u8]]) -> usize {
    pieces
        .iter()
        .fold(0, |length, piece| length.wrapping_add(piece.len()))
}

/// Writes several pieces one behind the other.
///
/// # Safety
///
/// There is room for them, of memory that outlives `'a`.
#[inline]
unsafe fn write<'a, const N: usize>(start: NonNull<u8>, pieces: [&[u8]; N]) -> &'a [u8] {
    let mut end = start;
    // SAFETY: the caller's promise.
    unsafe {
        for piece in pieces {
            end.copy_from_nonoverlapping(NonNull::from(piece).cast(), piece.len());
            end = end.add(piece.len());
        }
        core::slice::from_raw_parts(start.as_ptr(), length(&pieces))
    }
}

/// How nginx aligns memory of a pool (`NGX_ALIGNMENT`).
pub(crate) const ALIGNMENT: usize = size_of::<core::ffi::c_ulong>();

/// Memory for `count` values of `T`, not initialized.
///
/// # Safety
///
/// `pool` is live.
pub(crate) unsafe fn array<T>(pool: *mut ngx_pool_t, count: usize) -> Option<NonNull<T>> {
    const { assert!(align_of::<T>() <= ALIGNMENT) };
    let size = size_of::<T>().checked_mul(count)?;
    // SAFETY: the pool is live; ngx_palloc aligns as T needs it.
    NonNull::new(unsafe { ngx_palloc(pool, size) }.cast())
}

/// Memory for a `T`, not initialized, and behind it one text of several.
///
/// # Safety
///
/// `pool` is live, and outlives `'a`.
#[inline]
pub(crate) unsafe fn with_text<'a, T, const N: usize>(
    pool: *mut ngx_pool_t,
    pieces: [&[u8]; N],
) -> Option<(NonNull<T>, &'a [u8])> {
    const { assert!(align_of::<T>() <= ALIGNMENT) };
    // SAFETY: the pool is live; ngx_palloc aligns as T needs it, and there is room behind it.
    unsafe {
        let place = ngx_palloc(pool, size_of::<T>().checked_add(length(&pieces))?);
        let place = NonNull::<T>::new(place.cast())?;
        Some((place, write(place.add(1).cast(), pieces)))
    }
}

/// A list in a pool, with room for a number of values that is known ahead.
pub(crate) struct Stack<T> {
    place: NonNull<T>,
    length: usize,
    room: usize,
}

impl<T: Copy> Stack<T> {
    /// Makes room for `room` values.
    ///
    /// # Safety
    ///
    /// `pool` is live, and outlives the list.
    pub(crate) unsafe fn new(pool: *mut ngx_pool_t, room: usize) -> Option<Self> {
        // SAFETY: the caller's promise.
        let place = unsafe { array(pool, room)? };
        Some(Stack {
            place,
            length: 0,
            room,
        })
    }

    /// Appends a value, if there is room.
    pub(crate) fn push(&mut self, value: T) {
        if self.length < self.room {
            // SAFETY: there is room.
            unsafe { self.place.add(self.length).write(value) };
            self.length = self.length.saturating_add(1);
        }
    }

    /// The values, for as long as the pool lives.
    ///
    /// # Safety
    ///
    /// The pool outlives `'a`.
    pub(crate) unsafe fn as_slice<'a>(&self) -> &'a [T] {
        // SAFETY: so many values were written.
        unsafe { core::slice::from_raw_parts(self.place.as_ptr(), self.length) }
    }
}
