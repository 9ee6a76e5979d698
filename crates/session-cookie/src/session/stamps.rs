//! Reading the text of two stamps, which nearly always have ten digits each, as a whole.
//!
//! Its 22 bytes are looked at in two blocks, which overlap. What may stand at each place is known, so that one comparison
//! tells whether all bytes are what they should be; and both numbers are made side by side: digits are joined to pairs,
//! pairs to numbers of up to four digits, these to numbers that a lane holds. The tests compare this with a reading of byte
//! after byte.

use wide::{i16x8, i32x8, u8x16};

/// The times of the use of a session, in seconds since the epoch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stamps {
    /// The last request.
    pub last_seen: u64,
    /// The first request.
    pub first_seen: u64,
}

/// The end of the id, and of the first stamp, in a value with stamps.
pub const STAMP: u8 = b'|';

/// The length of two stamps of ten digits, each after its mark.
pub(crate) const STAMPS: usize = 2 * (1 + 10);

/// A block of the text, and how it is read.
struct Block {
    /// A mark, or the digit zero: a byte differs from it in the value of its digit, and a mark in nothing.
    zeros: u8x16,
    /// The most by which a byte may differ.
    most: u8x16,
    /// What a pair of neighbours is multiplied by, so that their number is in the upper byte.
    pairs: i16x8,
    /// What the numbers of pairs are multiplied by before two and two of them are added.
    fours: i16x8,
}

const MARK: u8 = STAMP;
const ZERO: u8 = b'0';

/// The factors of a pair of digits, of a digit before a mark, and of what is not read in this block.
const DIGITS: i16 = 10 << 8 | 1;
const DIGIT: i16 = 1 << 8;
const UNREAD: i16 = 0;

/// The first 16 bytes, of which the first stamp is read: `|1`, `55`, `64`, `47`, `04`, `1|`. As the mark counts zero, these
/// are three, four and three digits.
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

/// The last 16 bytes, of which the second stamp is read: `15`, `56`, `44`, `70`, `41`, which are two, four and four digits.
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

/// What the numbers of both blocks are multiplied by before two and two of them are added: seven and three digits of the
/// first stamp, two and eight of the second.
const PARTS: i16x8 = i16x8::new([10_000, 1, 1, 0, 0, 1, 10_000, 1]);

/// Reads two stamps of ten digits, each after its mark.
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

/// Returns the numbers of up to four digits in a block.
#[inline(always)]
#[allow(clippy::arithmetic_side_effects)] // lanes wrap
fn fours(digits: u8x16, block: &Block) -> [i32; 4] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = digits.to_array();
    // The compiler knows that nothing is moved on a little-endian processor.
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

/// Joins the parts of a number, none of which is negative.
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

    /// The reading, byte after byte.
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
