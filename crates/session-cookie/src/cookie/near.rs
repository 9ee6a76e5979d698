//! Searching for a byte that mostly stands among the next few.

use crate::text::find;

/// [`find`] where the byte mostly is near.
#[inline(always)]
pub(super) fn find_near(byte: u8, text: &[u8]) -> Option<usize> {
    let Some(word) = text.first_chunk() else {
        return text.iter().position(|other| *other == byte);
    };
    match places_in_word(byte, word) {
        0 => find_farther(byte, text),
        places => Some(lowest(places)),
    }
}

/// How near that is.
const NEAR: usize = 8;

/// In which places of a word the byte stands: the upper bit of each.
#[inline(always)]
pub(super) fn places_in_word(byte: u8, word: &[u8; NEAR]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = u64::from_le_bytes(*word) ^ u64::from_le_bytes([byte; NEAR]);
    !((other & LOW).wrapping_add(LOW) | other | LOW)
}

/// The first of these places.
#[inline(always)]
pub(super) fn lowest(places: u64) -> usize {
    places.trailing_zeros() as usize / 8
}

#[inline(never)]
fn find_farther(byte: u8, text: &[u8]) -> Option<usize> {
    let rest = text.get(NEAR..)?;
    Some(find(byte, rest)?.wrapping_add(NEAR))
}
