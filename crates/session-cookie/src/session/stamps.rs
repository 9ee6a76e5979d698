//! Vectorized parsing of two timestamps of ten digits each, which nearly all values have.
//!
//! The 22 bytes are read as two overlapping blocks of 16. The range allowed at each position is fixed, so a single comparison
//! validates all bytes. Both numbers are computed in parallel: digits are combined to pairs, pairs to numbers of up to four
//! digits, and these to numbers that still fit in a lane. The tests compare the results with those of a byte-by-byte parser.

use wide::{i16x8, i32x8, u8x16};

/// The times at which a session was used, in seconds since the epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamps {
    /// The time of the last request.
    pub last_seen: u64,
    /// The time of the first request.
    pub first_seen: u64,
}

/// The separator that precedes each timestamp in a value.
pub const STAMP: u8 = b'|';

/// The length of two timestamps of ten digits, each preceded by its separator.
pub(crate) const STAMPS: usize = 2 * (1 + 10);

/// The constants used to parse one block of the text.
struct Block {
    /// The separator or the digit zero for each byte. XOR with it yields the value of a digit, and 0 for the separator.
    zeros: u8x16,
    /// The maximum result of the XOR for each byte.
    most: u8x16,
    /// The factors of pairs of adjacent bytes. They put the number formed by a pair into the upper byte.
    pairs: i16x8,
    /// The factors of the numbers formed by pairs, before adjacent numbers are added.
    fours: i16x8,
}

const MARK: u8 = STAMP;
const ZERO: u8 = b'0';

/// The factors of a pair of digits, of a digit followed by a separator, and of a pair that is ignored in this block.
const DIGITS: i16 = 10 << 8 | 1;
const DIGIT: i16 = 1 << 8;
const UNREAD: i16 = 0;

/// The first 16 bytes, which contain the first timestamp: `|1`, `55`, `64`, `47`, `04`, `1|`. The separator counts as zero, so
/// these form numbers of three, four and three digits.
const START: Block = Block {
    zeros: u8x16::new([
        MARK, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, MARK, ZERO, ZERO, ZERO,
        ZERO,
    ]),
    most: u8x16::new([0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 0, 9, 9, 9, 9]),
    pairs: i16x8::new([
        DIGITS, DIGITS, DIGITS, DIGITS, DIGITS, DIGIT, UNREAD, UNREAD,
    ]),
    fours: i16x8::new([100, 1, 100, 1, 10, 1, 0, 0]),
};

/// The last 16 bytes, which contain the second timestamp: `15`, `56`, `44`, `70`, `41`, that is two, four and four digits.
const END: Block = Block {
    zeros: u8x16::new([
        ZERO, ZERO, ZERO, ZERO, ZERO, MARK, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,
        ZERO,
    ]),
    most: u8x16::new([9, 9, 9, 9, 9, 0, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
    pairs: i16x8::new([
        UNREAD, UNREAD, UNREAD, DIGITS, DIGITS, DIGITS, DIGITS, DIGITS,
    ]),
    fours: i16x8::new([0, 0, 0, 1, 100, 1, 100, 1]),
};

/// The factors of the numbers of both blocks, before adjacent numbers are added: seven and three digits of the first timestamp,
/// two and eight digits of the second.
const PARTS: i16x8 = i16x8::new([10_000, 1, 1, 0, 0, 1, 10_000, 1]);

/// Parses two timestamps of ten digits, each preceded by its separator.
#[inline(always)]
pub(super) fn read(text: &[u8; STAMPS]) -> Option<Stamps> {
    let start = u8x16::new(*text.first_chunk()?) ^ START.zeros;
    let end = u8x16::new(*text.last_chunk()?) ^ END.zeros;
    let excess = start.saturating_sub(START.most) | end.saturating_sub(END.most);
    if excess.cmp_eq(u8x16::ZERO).move_mask() != 0xffff {
        return None;
    }
    let [a, b, c, d] = fours(start, &START);
    let [e, f, g, h] = fours(end, &END);
    let fours = i16x8::from_i32x8_saturate(i32x8::new([a, b, c, d, e, f, g, h]));
    let [seven, three, two, eight] = fours.dot(PARTS).to_array();
    Some(Stamps {
        last_seen: joined(seven, 1_000, three),
        first_seen: joined(two, 100_000_000, eight),
    })
}

/// Returns the numbers of up to four digits that a block consists of.
#[inline(always)]
#[allow(clippy::arithmetic_side_effects)] // lanes wrap
fn fours(digits: u8x16, block: &Block) -> [i32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = digits.to_array();
    // On a little-endian processor, the compiler optimizes this conversion away.
    let pairs = [
        [a, b],
        [c, d],
        [e, f],
        [g, h],
        [i, j],
        [k, l],
        [m, n],
        [o, p],
    ];
    let pairs: i16x8 = (i16x8::new(pairs.map(i16::from_le_bytes)) * block.pairs) >> 8;
    pairs.dot(block.fours).to_array()
}

/// Combines the two parts of a number. Neither part is negative.
#[inline(always)]
fn joined(high: i32, factor: u64, low: i32) -> u64 {
    u64::from(high as u32)
        .wrapping_mul(factor)
        .wrapping_add(u64::from(low as u32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// A byte-by-byte parser.
    fn naive(text: &[u8]) -> Option<Stamps> {
        let number = |stamp: &[u8]| {
            let (mark, digits) = stamp.split_first()?;
            let mut digits = digits.iter().map(|byte| char::from(*byte).to_digit(10));
            let number = digits.try_fold(0, |number, digit| Some(number * 10 + u64::from(digit?)));
            number.filter(|_| *mark == STAMP)
        };
        let (last_seen, first_seen) = text.split_at(STAMPS / 2);
        Some(Stamps {
            last_seen: number(last_seen)?,
            first_seen: number(first_seen)?,
        })
    }

    #[test]
    fn each_place_takes_its_digits_or_its_mark_and_nothing_else() {
        for (text, is_read) in [
            (b"|0000000000|0000000000", true),
            (b"|9999999999|9999999999", true),
            (b"|1556447041|1556440041", true),
            (b"||||||||||||||||||||||", false),
        ] {
            assert_eq!(read(text), naive(text));
            assert_eq!(read(text).is_some(), is_read);
            for at in 0..STAMPS {
                for byte in 0..=u8::MAX {
                    let mut text = *text;
                    text[at] = byte;
                    assert_eq!(read(&text), naive(&text), "{byte} at {at}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn stamps_are_read_as_byte_after_byte(text in "\\|[0-9]{10}\\|[0-9]{10}", bytes: [u8; STAMPS]) {
            let text: Vec<_> = text.into_bytes();
            let text: &[u8; STAMPS] = text.first_chunk().unwrap();
            prop_assert!(read(text).is_some());
            prop_assert_eq!(read(text), naive(text));
            prop_assert_eq!(read(&bytes), naive(&bytes));
        }
    }
}
