//! Fixed-capacity lists in a pool.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;

use super::handle::Pool;

/// A list in a pool, with a fixed capacity.
pub(crate) struct Stack<'p, T> {
    start: NonNull<T>,
    length: usize,
    capacity: usize,
    pool: PhantomData<&'p [T]>,
}

impl<'p> Pool<'p> {
    /// Returns an empty list with room for `capacity` values.
    pub(crate) fn stack<T: Copy>(self, capacity: usize) -> Option<Stack<'p, T>> {
        Some(Stack {
            start: self.array(capacity)?,
            length: 0,
            capacity,
            pool: PhantomData,
        })
    }
}

impl<'p, T: Copy> Stack<'p, T> {
    /// Appends a value; drops it if the list is full.
    pub(crate) fn push(&mut self, value: T) {
        if self.length < self.capacity {
            // SAFETY: the memory has room for one more value after those written, and no other reference to that part exists.
            unsafe { self.start.add(self.length).write(value) };
            self.length = self.length.saturating_add(1);
        }
    }

    /// Returns the values.
    pub(crate) fn into_slice(self) -> &'p [T] {
        // SAFETY: `length` values have been written, in memory that lives as long as the pool.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}
