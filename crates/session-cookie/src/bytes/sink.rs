//! Output buffers for text.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::memory::{self, OutOfMemory};

/// An output buffer for text. Memory for the longest possible output must have been reserved.
pub trait Sink {
    /// Appends `text`.
    fn put(&mut self, text: &[u8]);

    /// Appends a short text. There may be thousands of pieces of two or three bytes, so implementations should copy
    /// them without a function call.
    #[inline(always)]
    fn put_piece(&mut self, text: &[u8]) {
        self.put(text);
    }

    /// Appends a number in decimal.
    fn put_decimal(&mut self, number: u64) {
        self.put(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// A text that does not fit is discarded.
impl<const N: usize> Sink for ArrayVec<u8, N> {
    fn put(&mut self, text: &[u8]) {
        let _ = self.try_extend_from_slice(text);
    }
}

/// Counts the length of a text without storing it.
#[derive(Debug, Default)]
pub struct Length(pub usize);

impl Sink for Length {
    fn put(&mut self, text: &[u8]) {
        self.0 = self.0.saturating_add(text.len());
    }
}

/// A buffer of fixed capacity. A text that does not fit is discarded.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Returns an empty buffer with this capacity in bytes.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        memory::with_capacity(capacity).map(Buffer)
    }

    /// Returns the buffered text.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Empties the buffer.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Sink for Buffer {
    /// Appends `text` if the capacity allows it.
    fn put(&mut self, text: &[u8]) {
        let free = self.0.capacity().saturating_sub(self.0.len());
        if text.len() <= free {
            // This stays within the capacity, so nothing is allocated.
            let _ = memory::append(&mut self.0, text);
        }
    }
}
