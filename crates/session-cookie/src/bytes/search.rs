//! Searching for a byte.

use wide::u8x16;

/// The length of most ids, behind which what is searched for mostly stands.
pub const USUAL_LENGTH: usize = 32;

/// Where `byte` stands first in `text`.
///
/// What is searched in a request is mostly shorter than what the call of a library pays for
/// (docs/performance.md).
#[inline(always)]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    // Mostly it is what ends an id.
    if let Some((id, [end, ..])) = text.split_first_chunk::<USUAL_LENGTH>() {
        if *end == byte && !is_in(byte, id) {
            return Some(USUAL_LENGTH);
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
    match <&[u8; USUAL_LENGTH]>::try_from(text) {
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

/// [`find`] where the byte mostly is near.
#[inline(always)]
pub(crate) fn find_near(byte: u8, text: &[u8]) -> Option<usize> {
    let Some(word) = text.first_chunk() else {
        return text.iter().position(|other| *other == byte);
    };
    match places_in_word(byte, word) {
        0 => find_farther(byte, text),
        places => Some(lowest_in_word(places)),
    }
}

/// How near that is.
const NEAR: usize = 8;

/// In which places of a word the byte stands: the upper bit of each.
#[inline(always)]
pub(crate) fn places_in_word(byte: u8, word: &[u8; NEAR]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = u64::from_le_bytes(*word) ^ u64::from_le_bytes([byte; NEAR]);
    !((other & LOW).wrapping_add(LOW) | other | LOW)
}

/// The first of these places.
#[inline(always)]
pub(crate) fn lowest_in_word(places: u64) -> usize {
    places.trailing_zeros() as usize / 8
}

#[inline(never)]
fn find_farther(byte: u8, text: &[u8]) -> Option<usize> {
    let rest = text.get(NEAR..)?;
    Some(find(byte, rest)?.wrapping_add(NEAR))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
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
