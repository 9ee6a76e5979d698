//! Text in a pool.

use core::marker::PhantomData;
use core::ptr::NonNull;
use core::slice;

use session_cookie::bytes::Sink;

use super::handle::Pool;

/// Text being written into a pool, with a fixed capacity.
pub(crate) struct Text<'p> {
    start: NonNull<u8>,
    length: usize,
    capacity: usize,
    pool: PhantomData<&'p ()>,
}

impl<'p> Pool<'p> {
    /// Returns an empty text with room for `capacity` bytes.
    #[inline(always)]
    pub(crate) fn text(self, capacity: usize) -> Option<Text<'p>> {
        Some(Text::over(self.bytes(capacity)?, capacity))
    }

    /// Returns a copy of `text`.
    pub(crate) fn copy(self, text: &[u8]) -> Option<&'p [u8]> {
        self.join([text])
    }

    /// Returns the concatenation of `pieces`.
    #[inline(always)]
    pub(crate) fn join<const N: usize>(self, pieces: [&[u8]; N]) -> Option<&'p [u8]> {
        let length = length(&pieces);
        Some(Text::over(self.bytes(length)?, length).filled(pieces))
    }

    /// Returns memory for a `T`, uninitialized, and the concatenation of `pieces`, which follows it.
    #[inline(always)]
    pub(crate) fn with_text<T, const N: usize>(
        self,
        pieces: [&[u8]; N],
    ) -> Option<(NonNull<T>, &'p [u8])> {
        let length = length(&pieces);
        let (place, start) = self.with_bytes(length)?;
        Some((place, Text::over(start, length).filled(pieces)))
    }
}

/// Returns the total length of the pieces. It does not overflow, because the pieces do not overlap in memory.
#[inline(always)]
fn length(pieces: &[&[u8]]) -> usize {
    (pieces.iter()).fold(0, |length, piece| length.wrapping_add(piece.len()))
}

impl<'p> Text<'p> {
    /// Returns an empty text in memory just allocated from a pool.
    #[inline(always)]
    fn over(start: NonNull<u8>, capacity: usize) -> Self {
        Text {
            start,
            length: 0,
            capacity,
            pool: PhantomData,
        }
    }

    /// Writes pieces that exactly fill the text.
    #[inline(always)]
    fn filled<const N: usize>(mut self, pieces: [&[u8]; N]) -> &'p [u8] {
        for piece in pieces {
            // SAFETY: the capacity of the text is the total length of the pieces.
            unsafe {
                self.start
                    .add(self.length)
                    .copy_from_nonoverlapping(NonNull::from(piece).cast(), piece.len());
            }
            self.length = self.length.wrapping_add(piece.len());
        }
        self.into_bytes()
    }

    /// Returns the written bytes.
    #[inline(always)]
    pub(crate) fn into_bytes(self) -> &'p [u8] {
        // SAFETY: `length` bytes have been written, in memory that lives as long as the pool.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// Appends a number of bytes known at compile time, which the compiler copies without a call.
    #[inline(always)]
    fn put_bytes<const N: usize>(&mut self, text: [u8; N]) {
        let length = self.length.saturating_add(N);
        if length <= self.capacity {
            // SAFETY: `N` more bytes fit after those written, and no other reference to that memory exists.
            unsafe { self.start.add(self.length).cast().write_unaligned(text) };
            self.length = length;
        }
    }
}

impl Sink for Text<'_> {
    /// Appends the text; drops it if it does not fit.
    #[inline(always)]
    fn put(&mut self, text: &[u8]) {
        let length = self.length.saturating_add(text.len());
        if length <= self.capacity {
            // SAFETY: the text fits after the bytes written, and no other reference to that memory exists.
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
