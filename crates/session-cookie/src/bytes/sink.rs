//! Writing text.

use alloc::vec::Vec;

use super::decimal::{DECIMAL, PAIRS};

/// Where text is written to. Whoever provides one has made room for the most that is written.
pub trait Sink {
    /// Appends `text`.
    fn put(&mut self, text: &[u8]);

    /// The same for text of which there may be thousands of bytes in pieces of two or three: no call copies them.
    #[inline(always)]
    fn put_piece(&mut self, text: &[u8]) {
        self.put(text);
    }

    /// Appends a number in decimal.
    #[inline]
    fn put_decimal(&mut self, mut number: u64) {
        let mut digits = [b'0'; DECIMAL];
        let mut unused = DECIMAL;
        for place in digits.rchunks_exact_mut(2) {
            let pair = usize::try_from(number % 100).ok();
            place.copy_from_slice(pair.and_then(|pair| PAIRS.get(pair)).unwrap_or(b"00"));
            unused = unused.wrapping_sub(2);
            number /= 100;
            if number == 0 {
                break;
            }
        }
        self.put(match digits.get(unused..) {
            Some([b'0', digits @ ..]) if !digits.is_empty() => digits,
            Some(digits) => digits,
            None => &[],
        });
    }
}

impl Sink for Vec<u8> {
    fn put(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }
}
