//! Memory of a request: freed with it, never before.

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::NonNull;

use ngx::ffi::{ngx_palloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_pool_t};
use session_cookie::text::Sink;

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
}

/// A copy of `text`.
///
/// # Safety
///
/// `pool` is live and outlives `'a`.
pub(crate) unsafe fn copy<'a>(pool: *mut ngx_pool_t, text: &[u8]) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe {
        let mut copy = Text::new(pool, text.len())?;
        copy.put(text);
        Some(copy.into_bytes())
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

/// What the module keeps in the pool of a request, where it is found again however the request is
/// redirected inside nginx, which clears a module's contexts.
pub(crate) trait Keep: Copy {
    /// Tells one type from the other.
    const KIND: Kind;
}

/// The types that are kept.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A view of the `Cookie` fields.
    View,
    /// A visit to a sticky upstream.
    Visit,
}

/// A kept value, behind what tells its type: functions are no mark for it, because the linker may give
/// two equal functions one address.
#[repr(C)]
struct Kept<T> {
    kind: Kind,
    value: T,
}

/// Marks our values among the cleanups of a pool; there is nothing to clean up.
unsafe extern "C" fn kept(_: *mut c_void) {}

/// Keeps a value in the pool.
///
/// # Safety
///
/// `pool` is live.
pub(crate) unsafe fn keep<T: Keep>(pool: *mut ngx_pool_t, value: T) -> Option<NonNull<T>> {
    // SAFETY: nginx allocates the bytes for a Kept<T>, aligned, behind `data`.
    unsafe {
        let cleanup = NonNull::new(ngx_pool_cleanup_add(pool, size_of::<Kept<T>>()))?.as_ptr();
        let place = NonNull::new((*cleanup).data.cast::<Kept<T>>())?.as_ptr();
        place.write(Kept {
            kind: T::KIND,
            value,
        });
        (*cleanup).handler = Some(kept);
        Some(NonNull::from(&mut (*place).value))
    }
}

/// The newest value of its type that satisfies `accept`.
///
/// # Safety
///
/// `pool` is live.
pub(crate) unsafe fn find<T: Keep>(
    pool: *mut ngx_pool_t,
    accept: impl Fn(&T) -> bool,
) -> Option<NonNull<T>> {
    // SAFETY: the list of a live pool is well formed; behind our mark there is a kind and its value.
    unsafe {
        let mut cleanup = (*pool).cleanup;
        while let Some(entry) = cleanup.as_ref() {
            if entry
                .handler
                .is_some_and(|handler| handler as usize == kept as *const () as usize)
                && *entry.data.cast::<Kind>() == T::KIND
            {
                let value = &mut (*entry.data.cast::<Kept<T>>()).value;
                if accept(value) {
                    return Some(NonNull::from(value));
                }
            }
            cleanup = entry.next;
        }
    }
    None
}
