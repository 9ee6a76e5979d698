//! Bytes of header fields: white space, tokens, searching and writing.

use alloc::vec::Vec;

use wide::u8x16;

use crate::id::MD5_HEX;

/// Is this optional white space (OWS) of RFC 9110, section 5.6.3?
pub const fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Cuts white space at both ends.
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// Cuts white space at the start.
#[inline]
pub fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_ows(*first) {
            break;
        }
        text = rest;
    }
    text
}

/// Cuts white space at the end.
#[inline]
pub fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_ows(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Takes one pair of double quotes off a value that stands in them (RFC 6265, section 4.1.1).
pub fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// Is this a token (RFC 9110, section 5.6.2), the form that a cookie's name must have?
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Is every byte a cookie-octet (RFC 6265, section 4.1.1), so that it can stand in a cookie's value?
pub fn is_cookie_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\'))
}

/// Is this an attribute's value (RFC 6265, section 4.1.1): no control character, no semicolon?
pub fn is_attribute_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b' '..=b'~') && *byte != b';')
}

/// Is this a host name as the `Domain` attribute takes it, with or without a leading dot?
///
/// Labels of letters, digits, hyphens and underscores; RFC 6265, section 5.2.3, drops the dot.
pub fn is_domain(text: &[u8]) -> bool {
    let name = text.strip_prefix(b".").unwrap_or(text);
    name.split(|byte| *byte == b'.').all(|label| {
        !label.is_empty()
            && label
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

/// Where `byte` stands first in `text`.
///
/// What is searched in a request is mostly shorter than what the call of a library pays for
/// (docs/performance.md).
#[inline(always)]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    // Mostly it is what ends an id.
    if let Some((id, [end, ..])) = text.split_first_chunk::<MD5_HEX>() {
        if *end == byte && !is_in(byte, id) {
            return Some(MD5_HEX);
        }
    }
    // The rest is the end of the text.
    let lowest = |places: u16, rest: &[u8]| {
        let before = text.len().wrapping_sub(rest.len());
        before.wrapping_add(places.trailing_zeros() as usize)
    };
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk() {
        let places = places_of(byte, block);
        if places != 0 {
            return Some(lowest(places, rest));
        }
        rest = after;
    }
    if rest.is_empty() {
        return None;
    }
    let Some(last) = text.last_chunk() else {
        return find_in_short(byte, text);
    };
    // It is looked at together with some bytes before it, whose places go: fewer than there are.
    let overlap = BLOCK.wrapping_sub(rest.len()) as u32;
    let places = places_of(byte, last).wrapping_shr(overlap);
    (places != 0).then(|| lowest(places, rest))
}

/// Does `byte` stand in `text`?
#[inline(always)]
pub fn contains(byte: u8, text: &[u8]) -> bool {
    match <&[u8; MD5_HEX]>::try_from(text) {
        Ok(id) => is_in(byte, id),
        Err(_) => find_in_short(byte, text).is_some(),
    }
}

/// The compiler makes comparisons of vectors of this.
#[inline(always)]
fn is_in<const N: usize>(byte: u8, block: &[u8; N]) -> bool {
    block
        .iter()
        .fold(false, |is_in, other| is_in | (*other == byte))
}

/// Bytes of a vector register, where there are any.
pub(crate) const BLOCK: usize = 16;

/// In which places of a block `byte` stands: a bit for each, the lowest for the first.
#[inline(always)]
fn places_of(byte: u8, block: &[u8; BLOCK]) -> u16 {
    // It has a bit for each byte.
    u8x16::new(*block).cmp_eq(u8x16::splat(byte)).move_mask() as u16
}

/// A text that does not fill a block, and zeros.
pub(crate) fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    for (place, byte) in block.iter_mut().zip(text) {
        *place = *byte;
    }
    block
}

#[inline(never)]
fn find_in_short(byte: u8, text: &[u8]) -> Option<usize> {
    text.iter().position(|other| *other == byte)
}

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

/// The digits of the numbers below 100.
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

impl Sink for Vec<u8> {
    fn put(&mut self, text: &[u8]) {
        self.extend_from_slice(text);
    }
}

/// Digits of the largest `u64`.
pub const DECIMAL: usize = 20;

/// Reads a decimal number: digits only, no sign, no overflow.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    match leading_decimal(digits) {
        Some((number, [])) => Some(number),
        _ => None,
    }
}

/// Reads the decimal number at the start, and returns what follows it.
#[inline]
pub fn leading_decimal(text: &[u8]) -> Option<(u64, &[u8])> {
    // Seconds since the epoch have ten digits.
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
        // Only so many digits can be too many.
        _ => Some((core::str::from_utf8(digits).ok()?.parse().ok()?, rest)),
    }
}

/// The number of ten digits, which seconds since the epoch have from 2001 to 2286.
#[inline]
pub fn ten_digits(digits: &[u8; 10]) -> Option<u64> {
    let [tens, ones, rest @ ..] = digits;
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 {
        return None;
    }
    let high = u64::from(tens.wrapping_mul(10).wrapping_add(ones));
    Some(
        high.wrapping_mul(100_000_000)
            .wrapping_add(eight_digits(*rest)?),
    )
}

/// The ten digits of a number that has so many.
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

/// The digits of a number below 100,000,000: the way of [`eight_digits`] back. The quotients are those of
/// multiplications, which are exact for numbers as small as these.
#[inline(always)]
fn to_eight_digits(number: u64) -> [u8; 8] {
    // What takes the place of `whole` in each lane: its quotient, and above it the remainder.
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

/// The number of eight digits; neighbours are joined to pairs, pairs to fours, these to eight.
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
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_is_cut_at_both_ends() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b"  "), b"");
    }

    #[test]
    fn only_a_whole_pair_of_quotes_is_taken_off() {
        assert_eq!(unquote(b"\"a\""), b"a");
        assert_eq!(unquote(b"\"a"), b"\"a");
        assert_eq!(unquote(b"\""), b"\"");
    }

    #[test]
    fn domains() {
        for good in ["www.xxx.com", ".taobao.com", "localhost", "a-b.c_d.e"] {
            assert!(is_domain(good.as_bytes()), "{good}");
        }
        for bad in ["", ".", "a..b", "a;Secure", "a b", "..a"] {
            assert!(!is_domain(bad.as_bytes()), "{bad}");
        }
    }

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
                let mut text = Vec::new();
                text.put_decimal(number);
                prop_assert_eq!(&text, &alloc::format!("{number}").into_bytes());
                prop_assert_eq!(decimal(&text), Some(number));
            }
        }

        #[test]
        fn ten_digits_are_written_and_read(number in 1_000_000_000..10_000_000_000u64, other: [u8; 10]) {
            let digits = to_ten_digits(number).unwrap();
            prop_assert_eq!(digits.to_vec(), alloc::format!("{number}").into_bytes());
            prop_assert_eq!(ten_digits(&digits), Some(number));
            prop_assert_eq!(ten_digits(&other), decimal(&other));
            for at in 0..digits.len() {
                let mut digits = digits;
                digits[at] = other[at];
                prop_assert_eq!(ten_digits(&digits), decimal(&digits));
            }
        }

        #[test]
        fn the_first_byte_is_found(text in "[ab\u{7f}\u{80}]{0,40}|a{31,33}b?c{0,2}") {
            for byte in [b'a', b'b', b'c', 0x7f, 0x80, 0xc2] {
                let text = text.as_bytes();
                prop_assert_eq!(contains(byte, text), text.contains(&byte));
                prop_assert_eq!(find(byte, text), text.iter().position(|other| *other == byte));
            }
        }
    }
}
