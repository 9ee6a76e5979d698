//! Searches in header fields. Most are so short that the call overhead of a library would dominate (docs/performance.md).
//!
//! Bytes are compared in blocks. The crate `wide` turns the result into a mask with one bit for each place. The tests
//! compare every search with one that examines byte after byte.

use wide::u8x16;

/// The size of a vector register in bytes.
const BLOCK: usize = 16;

/// The length of most IDs. The byte that a search looks for usually follows such an ID.
pub const USUAL_LENGTH: usize = 32;

/// Returns the first place of `byte` in a text.
#[inline(always)]
pub fn find(byte: u8, text: &[u8]) -> Option<usize> {
    // The byte usually ends an ID.
    if let Some((id, [end, ..])) = text.split_first_chunk::<USUAL_LENGTH>() {
        if *end == byte && !is_in(byte, id) {
            return Some(USUAL_LENGTH);
        }
    }
    let mut rest = text;
    while let Some((block, after)) = rest.split_first_chunk() {
        let places = places_of(byte, block);
        if places != 0 {
            return Some(lowest(places.into(), text, rest));
        }
        rest = after;
    }
    if rest.is_empty() {
        return None;
    }
    let Some(last) = text.last_chunk() else {
        return find_in_short(byte, text);
    };
    // The rest is searched together with some bytes before it, whose places are shifted out. The shift is less than the width.
    let overlap = BLOCK.wrapping_sub(rest.len()) as u32;
    let places = places_of(byte, last).wrapping_shr(overlap);
    (places != 0).then(|| lowest(places.into(), text, rest))
}

/// Returns whether a text contains `byte`.
#[inline(always)]
pub fn contains(byte: u8, text: &[u8]) -> bool {
    match <&[u8; USUAL_LENGTH]>::try_from(text) {
        Ok(id) => is_in(byte, id),
        Err(_) => find_in_short(byte, text).is_some(),
    }
}

/// Returns whether a block contains `byte`. The compiler vectorizes this.
#[inline(always)]
fn is_in<const N: usize>(byte: u8, block: &[u8; N]) -> bool {
    block
        .iter()
        .fold(false, |is_in, other| is_in | (*other == byte))
}

/// Returns the places of `byte` in a block as a mask, with the lowest bit for the first byte.
#[inline(always)]
fn places_of(byte: u8, block: &[u8; BLOCK]) -> u16 {
    // The mask has 16 bits, one for each byte.
    u8x16::new(*block).cmp_eq(u8x16::splat(byte)).move_mask() as u16
}

/// Returns the lowest of these places, which are relative to `rest`, the last part of a text.
#[inline(always)]
fn lowest(places: u32, text: &[u8], rest: &[u8]) -> usize {
    let before = text.len().wrapping_sub(rest.len());
    before.wrapping_add(places.trailing_zeros() as usize)
}

#[inline(never)]
fn find_in_short(byte: u8, text: &[u8]) -> Option<usize> {
    text.iter().position(|other| *other == byte)
}

/// The bytes of a word, in which [`find_near`] looks first.
const NEAR: usize = 8;

/// Returns the first place of `byte` in a text. Fast if the place is near the start.
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

#[inline(never)]
fn find_farther(byte: u8, text: &[u8]) -> Option<usize> {
    let rest = text.get(NEAR..)?;
    Some(find(byte, rest)?.wrapping_add(NEAR))
}

/// Returns the places of `byte` in a word, with the highest bit of each matching byte set.
#[inline(always)]
pub(crate) fn places_in_word(byte: u8, word: &[u8; NEAR]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = u64::from_le_bytes(*word) ^ u64::from_le_bytes([byte; NEAR]);
    !((other & LOW).wrapping_add(LOW) | other | LOW)
}

/// Returns the first place in the result of [`places_in_word`].
#[inline(always)]
pub(crate) fn lowest_in_word(places: u64) -> usize {
    places.trailing_zeros() as usize / 8
}

/// The number of places in a window where two adjacent bytes may begin: all but the last byte, which can only be the second.
const PLACES: usize = 2 * BLOCK;
const WINDOW: usize = PLACES + 1;
const HALF_WINDOW: usize = BLOCK + 1;

/// The first two bytes of a searched word, or its only byte.
#[derive(Clone, Copy)]
pub(crate) struct FirstBytes {
    /// Each byte is repeated to fill a block; the second is zero if the word has only one byte. These are plain arrays
    /// because memory from nginx's pools is not aligned for vectors.
    first: [u8; BLOCK],
    second: [u8; BLOCK],
    /// The length of the word.
    length: usize,
    /// The shortest text that [`FirstBytes::find_next`] can search.
    shortest_text: usize,
}

impl FirstBytes {
    pub(crate) fn of(word: &[u8]) -> Self {
        let byte = |at: usize| word.get(at).copied().unwrap_or_default();
        FirstBytes {
            first: [byte(0); BLOCK],
            second: [byte(1); BLOCK],
            length: word.len(),
            shortest_text: if word.len() > 1 { WINDOW } else { usize::MAX },
        }
    }

    /// Returns whether a text is long enough for [`FirstBytes::find_next`]. For a word of one byte, no text is.
    #[inline(always)]
    pub(crate) fn can_search(&self, text: &[u8]) -> bool {
        text.len() >= self.shortest_text
    }

    /// Returns the first place of both bytes in a text. Fast if the place is near the start. `None` may also mean that
    /// the text is too short.
    #[inline(always)]
    pub(crate) fn find_first(&self, text: &[u8]) -> Option<usize> {
        match self.places(text.first_chunk()?) {
            0 => self.find_later(text),
            places => Some(places.trailing_zeros() as usize),
        }
    }

    /// Returns the first place after those of the first window.
    #[inline(never)]
    fn find_later(&self, text: &[u8]) -> Option<usize> {
        self.find_next(text, text.get(PLACES..)?)
    }

    /// Returns the next place of both bytes in a text, searching its last part, `rest`.
    #[inline(always)]
    pub(crate) fn find_next(&self, text: &[u8], mut rest: &[u8]) -> Option<usize> {
        while let Some(window) = rest.first_chunk() {
            let places = self.places(window);
            if places != 0 {
                return Some(lowest(places, text, rest));
            }
            rest = rest.get(PLACES..)?;
        }
        if rest.len() <= self.length {
            return None;
        }
        // The rest is searched together with some bytes before it, whose places are shifted out. The shift is less than
        // the width.
        let overlap = WINDOW.wrapping_sub(rest.len()) as u32;
        let places = self.places(text.last_chunk()?).wrapping_shr(overlap);
        (places != 0).then(|| lowest(places, text, rest))
    }

    /// Returns the places of both bytes in a window as a mask, with the lowest bit for the first byte.
    #[inline(always)]
    fn places(&self, window: &[u8; WINDOW]) -> u32 {
        match (window.first_chunk(), window.last_chunk()) {
            (Some(low), Some(high)) => {
                u32::from(self.places_in_half(low)) | u32::from(self.places_in_half(high)) << BLOCK
            }
            _ => 0,
        }
    }

    #[inline(always)]
    fn places_in_half(&self, window: &[u8; HALF_WINDOW]) -> u16 {
        let ([these @ .., _], [_, next @ ..]) = (window, window);
        let these = u8x16::new(*these).cmp_eq(u8x16::new(self.first));
        let next = u8x16::new(*next).cmp_eq(u8x16::new(self.second));
        // The mask has 16 bits, one for each byte.
        (these & next).move_mask() as u16
    }

    /// Returns the places in a window, except its first byte, where a name with these bytes may begin a pair: after a
    /// semicolon or white space. A name of one byte must also end there.
    #[inline(always)]
    fn beginnings(&self, window: &[u8; 1 + BLOCK + 1]) -> u32 {
        let ([before @ .., _, _], [_, these @ .., _], [_, _, next @ ..]) = (window, window, window);
        let before = u8x16::new(*before);
        let is = |byte| before.cmp_eq(u8x16::splat(byte));
        let mut places =
            (is(b';') | is(b' ') | is(b'\t')) & u8x16::new(*these).cmp_eq(u8x16::new(self.first));
        let next = u8x16::new(*next);
        let next_is = |byte| next.cmp_eq(u8x16::splat(byte));
        places &= if self.length > 1 {
            next.cmp_eq(u8x16::new(self.second))
        } else {
            next_is(b'=') | next_is(b' ') | next_is(b'\t')
        };
        // The mask has 16 bits, one for each byte.
        u32::from(places.move_mask() as u16)
    }
}

/// Iterates over the places of a field where a name may begin a pair, in order and in time linear in the length of the field.
pub(crate) struct Beginnings<'h> {
    field: &'h [u8],
    /// A bit for each place, the lowest for the place `from`.
    places: u32,
    from: usize,
    /// The part that has not been searched, and the byte before it.
    rest: &'h [u8],
}

impl<'h> Beginnings<'h> {
    /// Returns the places from `start` on. `start` is where the field or one of its pairs begins or ends.
    #[inline]
    pub(crate) fn new(field: &'h [u8], start: usize) -> Self {
        Beginnings {
            field,
            // The search in a block needs a byte before a place, so it does not find the first one.
            places: u32::from(start == 0),
            from: 0,
            rest: field.get(start.saturating_sub(1)..).unwrap_or_default(),
        }
    }

    /// Returns the next place where a name with these bytes may begin.
    #[inline(always)]
    pub(crate) fn next(&mut self, bytes: &FirstBytes) -> Option<usize> {
        while self.places == 0 {
            let before = self.field.len().wrapping_sub(self.rest.len());
            self.from = before.wrapping_add(1);
            self.places = match self.rest.first_chunk() {
                Some(window) => bytes.beginnings(window),
                None if self.rest.len() > 1 => bytes.beginnings(&padded(self.rest)),
                None => return None,
            };
            self.rest = self.rest.get(BLOCK..).unwrap_or_default();
        }
        let place = self.places.trailing_zeros() as usize;
        self.places &= self.places.wrapping_sub(1);
        Some(self.from.wrapping_add(place))
    }
}

/// Returns a text that does not fill a block, padded with zeros.
fn padded<const N: usize>(text: &[u8]) -> [u8; N] {
    let mut block = [0; N];
    for (place, byte) in block.iter_mut().zip(text) {
        *place = *byte;
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    /// Reference implementations, which examine byte after byte.
    mod naive {
        use alloc::vec::Vec;

        pub(super) fn find(byte: u8, text: &[u8]) -> Option<usize> {
            text.iter().position(|other| *other == byte)
        }

        pub(super) fn find_next(
            bytes: [u8; 2],
            text: &[u8],
            start: usize,
            length: usize,
        ) -> Option<usize> {
            let place = (start..text.len()).find(|at| text[*at..].starts_with(&bytes))?;
            (place + length < text.len()).then_some(place)
        }

        pub(super) fn beginnings(name: &[u8], field: &[u8], start: usize) -> Vec<usize> {
            let begins = |at: usize| match (at.checked_sub(1), name) {
                (None, _) => true,
                (Some(before), [only]) => {
                    b"; \t".contains(&field[before])
                        && field[at] == *only
                        && (field.get(at + 1)).is_some_and(|next| b"= \t".contains(next))
                }
                (Some(before), name) => {
                    b"; \t".contains(&field[before]) && field[at..].starts_with(&name[..2])
                }
            };
            (start..field.len().max(1))
                .filter(|at| begins(*at))
                .collect()
        }
    }

    #[test]
    fn the_end_of_a_word_is_searched_as_the_rest() {
        let word = *b"abcdefgh";
        for (place, byte) in word.iter().enumerate() {
            assert_eq!(lowest_in_word(places_in_word(*byte, &word)), place);
        }
        assert_eq!(places_in_word(b'x', &word), 0);
    }

    proptest! {
        #[test]
        fn the_first_byte_is_found(text in "[ab\u{7f}\u{80}]{0,40}|a{31,33}b?c{0,2}") {
            for byte in [b'a', b'b', b'c', 0x7f, 0x80, 0xc2] {
                let text = text.as_bytes();
                let place = naive::find(byte, text);
                prop_assert_eq!(contains(byte, text), place.is_some());
                prop_assert_eq!(find(byte, text), place);
                prop_assert_eq!(find_near(byte, text), place);
            }
        }

        #[test]
        fn two_bytes_are_found_in_windows(text in "[abc]{33,120}|c{31,80}abc{0,40}", start in 0_usize..120) {
            let text = text.as_bytes();
            let start = start.min(text.len());
            for word in [&b"ab"[..], b"aa", b"bca"] {
                let bytes = FirstBytes::of(word);
                prop_assert!(bytes.can_search(text));
                prop_assert_eq!(bytes.find_first(text), bytes.find_next(text, text));
                let found = bytes.find_next(text, &text[start..]);
                let expected = naive::find_next([word[0], word[1]], text, start, word.len());
                // A place too near the end for a pair may be found as well.
                if found != expected {
                    prop_assert!(expected.is_none() && found.is_some_and(|at| at + word.len() >= text.len()));
                }
            }
        }

        #[test]
        fn pairs_begin_behind_semicolons_and_white_space(field in "[ab;= \t]{0,80}", pairs in 0_usize..4) {
            let field = field.as_bytes();
            let ends = |at: &usize| field[*at] == b';';
            let start = (0..field.len()).filter(ends).nth(pairs).unwrap_or(0);
            for name in [&b"a"[..], b"ab", b"aab"] {
                let bytes = FirstBytes::of(name);
                let mut beginnings = Beginnings::new(field, start);
                let found: Vec<_> = core::iter::from_fn(|| beginnings.next(&bytes)).collect();
                prop_assert_eq!(found, naive::beginnings(name, field, start));
            }
        }
    }
}
