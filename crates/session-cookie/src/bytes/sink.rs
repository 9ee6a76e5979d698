//! Destinations of text.

use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::memory::{self, OutOfMemory};

/// A destination of text. Whoever provides one has reserved memory for the most that is written.
pub trait Sink {
    /// Appends `text`.
    fn put(&mut self, text: &[u8]);

    /// Appends text of which there may be thousands of bytes in pieces of two or three: no call copies them.
    #[inline(always)]
    fn put_piece(&mut self, text: &[u8]) {
        self.put(text);
    }

    /// Appends a number in decimal.
    fn put_decimal(&mut self, number: u64) {
        self.put(itoa::Buffer::new().format(number).as_bytes());
    }
}

/// A text that does not fit is dropped.
impl<const N: usize> Sink for ArrayVec<u8, N> {
    fn put(&mut self, text: &[u8]) {
        let _ = self.try_extend_from_slice(text);
    }
}

/// The length of a text that is not written.
#[derive(Debug, Default)]
pub struct Length(pub usize);

impl Sink for Length {
    fn put(&mut self, text: &[u8]) {
        self.0 = self.0.saturating_add(text.len());
    }
}

/// A text of limited length: what does not fit is dropped.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    /// Returns an empty text with the capacity for a number of bytes.
    ///
    /// # Errors
    ///
    /// Memory is short.
    pub fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        memory::with_capacity(capacity).map(Buffer)
    }

    /// Returns what was written.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Empties the text.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

impl Sink for Buffer {
    /// Appends `text`, if the capacity allows it.
    fn put(&mut self, text: &[u8]) {
        let free = self.0.capacity().saturating_sub(self.0.len());
        if text.len() <= free {
            // Within the capacity: nothing is allocated.
            let _ = memory::append(&mut self.0, text);
        }
    }
}
