//! Decimal numbers.

/// The number of digits of the largest `u64`.
pub const DECIMAL: usize = 20;

/// The digits of all numbers below 100.
static PAIRS: [[u8; 2]; 100] = pairs();

#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)] // evaluated by the compiler
const fn pairs() -> [[u8; 2]; 100] {
    let mut pairs = [[0; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number as usize] = [b'0' + number / 10, b'0' + number % 10];
        number += 1;
    }
    pairs
}

/// Parses a decimal number. A sign, any other non-digit, or an overflow gives `None`.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    match leading_decimal(digits) {
        Some((number, [])) => Some(number),
        _ => None,
    }
}

/// Parses the decimal number at the start of a text, and returns it with the remaining text.
#[inline]
pub fn leading_decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    // Times in seconds since the epoch have ten digits, so the first eight are converted at once.
    let (mut number, mut rest) = match text.split_first_chunk() {
        Some((block, rest)) => eight_digits(*block).map_or((0, text), |number| (number, rest)),
        None => (0, text),
    };
    while let [byte @ b'0'..=b'9', after @ ..] = rest {
        number = number
            .wrapping_mul(10)
            .wrapping_add(u64::from(*byte & 0x0f));
        rest = after;
    }

    let digits = text
        .split_at_checked(text.len().checked_sub(rest.len())?)?
        .0;
    match digits.len() {
        0 => None,
        1..DECIMAL => Some((number, rest)),
        // Only numbers with this many digits can overflow.
        _ => Some((core::str::from_utf8(digits).ok()?.parse().ok()?, rest)),
    }
}

/// Returns the digits of a number that has exactly ten.
#[inline(always)]
pub fn to_ten_digits(number: u64) -> Option<[u8; 10]> {
    if !(1_000_000_000..10_000_000_000).contains(&number) {
        return None;
    }
    let (high, low) = (number / 100_000_000, number % 100_000_000);
    let [tens, ones] = *PAIRS.get(usize::try_from(high).ok()?)?;
    let [a, b, c, d, e, f, g, h] = to_eight_digits(low);
    Some([tens, ones, a, b, c, d, e, f, g, h])
}

/// Returns the digits of a number below 100,000,000, the inverse of [`eight_digits`]. Quotients are computed by
/// multiplication, which is exact for numbers this small.
#[inline(always)]
fn to_eight_digits(number: u64) -> [u8; 8] {
    // In each lane, replaces `whole` by its quotient, and puts the remainder above it.
    let part = |whole: u64, quotients: u64, divisor: u64, bits: u32| {
        let remainders = whole.wrapping_sub(quotients.wrapping_mul(divisor));
        quotients | remainders << bits
    };
    let fours = part(number, number / 10_000, 10_000, 32);
    let hundreds = fours.wrapping_mul(10_486) >> 20 & 0x0000_007f_0000_007f;
    let pairs = part(fours, hundreds, 100, 16);
    let tens = pairs.wrapping_mul(103) >> 10 & 0x000f_000f_000f_000f;
    let digits = part(pairs, tens, 10, 8);
    (digits | 0x3030_3030_3030_3030).to_le_bytes()
}

/// Returns the number with these eight digits: neighbouring digits are combined to pairs, pairs to groups of four, and
/// these to the number.
#[inline]
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    let text = u64::from_le_bytes(digits);
    let high = text & 0xf0f0_f0f0_f0f0_f0f0;
    let carry = text.wrapping_add(0x0606_0606_0606_0606) & 0xf0f0_f0f0_f0f0_f0f0;
    if high != 0x3030_3030_3030_3030 || carry != high {
        return None;
    }
    let pairs = (text & 0x0f0f_0f0f_0f0f_0f0f).wrapping_mul(10 << 8 | 1) >> 8;
    let fours = (pairs & 0x00ff_00ff_00ff_00ff).wrapping_mul(100 << 16 | 1) >> 16;
    Some((fours & 0x0000_ffff_0000_ffff).wrapping_mul(10_000 << 32 | 1) >> 32)
}

#[cfg(test)]
mod tests {
    use super::super::sink::{Buffer, Sink};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_ends_where_its_digits_end() {
        assert_eq!(
            leading_decimal(b"1556447041|1"),
            Some((1_556_447_041, &b"|1"[..]))
        );
        assert_eq!(leading_decimal(b"12345678:"), Some((12_345_678, &b":"[..])));
        assert_eq!(leading_decimal(b"1234567/9"), Some((1_234_567, &b"/9"[..])));
        assert_eq!(leading_decimal(b"|1"), None);
    }

    #[test]
    fn a_number_with_a_sign_or_too_large_is_none() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "-1", "+1", "1x", "18446744073709551616", " 1"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn only_numbers_of_ten_digits_have_ten() {
        for number in [0, 999_999_999, 10_000_000_000, u64::MAX] {
            assert_eq!(to_ten_digits(number), None);
        }
        for number in 0..100_000 {
            for number in [number, 99_999_999 - number, number * 1_000] {
                let digits = alloc::format!("{number:08}");
                assert_eq!(to_eight_digits(number), digits.as_bytes());
            }
        }
    }

    proptest! {
        #[test]
        fn a_number_survives_writing_and_reading(number: u64, digits in 1u32..20) {
            for number in [number, number % 10u64.pow(digits)] {
                let mut text = Buffer::with_capacity(DECIMAL).unwrap();
                text.put_decimal(number);
                let text = text.as_bytes();
                let expected = alloc::format!("{number}");
                prop_assert_eq!(text, expected.as_bytes());
                prop_assert_eq!(decimal(text), Some(number));
            }
        }

        #[test]
        fn ten_digits_are_written(number in 1_000_000_000..10_000_000_000u64) {
            let digits = to_ten_digits(number).unwrap();
            prop_assert_eq!(digits.to_vec(), alloc::format!("{number}").into_bytes());
        }
    }
}
