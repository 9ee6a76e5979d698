//! The name of a cookie, and the search for it in a `Cookie` field.
//!
//! Every request to a sticky upstream comes here. What is looked for is the first two bytes of the name side by
//! side, in windows of 32 places: what is found is seldom not the cookie (docs/performance.md).

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};
use core::ops::Deref;

use wide::u8x16;

use crate::text::{find, trim_end, trim_start, BLOCK};

/// Bytes of a word.
const WORD: usize = 8;
/// Where a name may begin in a window: at each of its bytes but the last, which may only be the second of one.
const PLACES: usize = 2 * BLOCK;
const WINDOW: usize = PLACES + 1;
/// The same for fields that are shorter than a window.
const SHORT_WINDOW: usize = BLOCK + 1;

/// The name of a cookie, made ready to be searched for.
#[derive(Clone)]
pub struct Name {
    text: Box<[u8]>,
    /// The first byte and the second, as often as a block has bytes; both are zero if there is no second.
    /// Plain bytes: nginx's pools would not align vectors.
    first: [u8; BLOCK],
    second: [u8; BLOCK],
    /// How long a field must be to be searched by windows. For a name of one byte, which has no second, none is.
    windows_from: usize,
    /// The first bytes of the name and its equals sign as a number; which of its bits are of the name, and
    /// which are of either.
    word: u64,
    mask: u64,
    pair_mask: u64,
}

/// A pair that was found in a field.
#[derive(Clone, Copy)]
pub(crate) struct Found<'h> {
    /// What stands before the semicolon before it; nothing, if there is none.
    pub(crate) before: &'h [u8],
    /// What follows its equals sign, up to the end of the field.
    pub(crate) behind: &'h [u8],
}

impl Name {
    /// Takes a name, which is a token (RFC 6265, section 4.1.1).
    pub fn new(name: &[u8]) -> Self {
        let (mut word, mut mask, mut pair_mask) = ([0; WORD], [0; WORD], [0; WORD]);
        let places = word.iter_mut().zip(&mut pair_mask);
        for ((place, bits), byte) in places.zip(name.iter().chain(b"=")) {
            (*place, *bits) = (*byte, u8::MAX);
        }
        for (bits, _) in mask.iter_mut().zip(name) {
            *bits = u8::MAX;
        }
        let [first, second] = name.first_chunk().copied().unwrap_or_default();
        Name {
            text: name.into(),
            first: [first; BLOCK],
            second: [second; BLOCK],
            windows_from: if name.len() > 1 { WINDOW } else { usize::MAX },
            word: u64::from_le_bytes(word),
            mask: u64::from_le_bytes(mask),
            pair_mask: u64::from_le_bytes(pair_mask),
        }
    }

    /// What follows the name at the start of a text.
    #[inline(always)]
    pub(crate) fn strip<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        text.get(self.text.len()..).filter(|_| self.begins(text))
    }

    /// Does the text begin with the name?
    #[inline(always)]
    fn begins(&self, text: &[u8]) -> bool {
        match text.first_chunk::<WORD>() {
            Some(word) => {
                (u64::from_le_bytes(*word) ^ self.word) & self.mask == 0
                    && (self.text.len() <= WORD || text.starts_with(&self.text))
            }
            None => text.starts_with(&self.text),
        }
    }

    /// The first pair of this name that begins in the last part of a field, `rest`.
    #[inline(always)]
    pub(crate) fn find<'h>(&self, field: &'h [u8], mut rest: &'h [u8]) -> Option<Found<'h>> {
        if field.len() < self.windows_from {
            // Taken apart here and below, so that what is returned need not lie in memory.
            let Found { before, behind } = self.find_without_windows(field, rest)?;
            return Some(Found { before, behind });
        }
        loop {
            let (before, text) = field.split_at_checked(self.next_place(field, rest)?)?;
            if self.begins_pair(text) {
                let behind = text.get(self.text.len().wrapping_add(1)..)?;
                if let Some(before) = before.strip_suffix(b"; ") {
                    return Some(Found { before, behind });
                }
                if before.is_empty() {
                    return Some(Found { before, behind });
                }
            }
            if self.begins_out_of_line(text) {
                if let Some(Found { before, behind }) = self.pair_at(before, text) {
                    return Some(Found { before, behind });
                }
            }
            rest = text.get(1..)?;
        }
    }

    /// Does the text begin with the name and an equals sign? `false` may also mean that it is short.
    #[inline(always)]
    fn begins_pair(&self, text: &[u8]) -> bool {
        text.first_chunk::<WORD>().is_some_and(|word| {
            (u64::from_le_bytes(*word) ^ self.word) & self.pair_mask == 0
                && (self.text.len() < WORD
                    || (text.starts_with(&self.text) && text.get(self.text.len()) == Some(&b'=')))
        })
    }

    /// [`Self::begins`], apart so that it takes no registers from what mostly happens.
    #[cold]
    #[inline(never)]
    fn begins_out_of_line(&self, text: &[u8]) -> bool {
        self.begins(text)
    }

    /// The pair of this name that begins with `text`, be there white space around the name. It may also be a
    /// part of another name, or of a value.
    #[cold]
    #[inline(never)]
    fn pair_at<'h>(&self, before: &'h [u8], text: &'h [u8]) -> Option<Found<'h>> {
        let behind = trim_start(self.strip(text)?).strip_prefix(b"=")?;
        let before = match trim_end(before) {
            [] => &[],
            [before @ .., b';'] => before,
            _ => return None,
        };
        Some(Found { before, behind })
    }

    /// [`Self::find`] for fields that are shorter than a window, and for names of one byte.
    #[inline(never)]
    fn find_without_windows<'h>(&self, field: &'h [u8], mut rest: &'h [u8]) -> Option<Found<'h>> {
        loop {
            let place = match field.last_chunk() {
                Some(last) if self.text.len() > 1 => self.next_place_in_short(field, last, rest)?,
                _ => self.next_place_by_bytes(field, rest)?,
            };
            let (before, text) = field.split_at_checked(place)?;
            if let Some(found) = self.pair_at(before, text) {
                return Some(found);
            }
            rest = text.get(1..)?;
        }
    }

    /// Where the first two bytes of the name stand next in a field, in its last part `rest`.
    #[inline(always)]
    fn next_place(&self, field: &[u8], mut rest: &[u8]) -> Option<usize> {
        while let Some(window) = rest.first_chunk() {
            let places = self.places(window);
            if places != 0 {
                return Some(lowest(places, field, rest));
            }
            rest = rest.get(PLACES..)?;
        }
        if rest.len() <= self.text.len() {
            return None;
        }
        // The rest is looked at together with some bytes before it, whose places go: fewer than there are.
        let overlap = WINDOW.wrapping_sub(rest.len()) as u32;
        let places = self.places(field.last_chunk()?).wrapping_shr(overlap);
        (places != 0).then(|| lowest(places, field, rest))
    }

    /// The same with short windows, of which the field has one at least, and no two: `last` is its last one.
    #[inline(always)]
    fn next_place_in_short(
        &self,
        field: &[u8],
        last: &[u8; SHORT_WINDOW],
        mut rest: &[u8],
    ) -> Option<usize> {
        if let Some(window) = rest.first_chunk() {
            let places = self.places_in_short(window);
            if places != 0 {
                return Some(lowest(places.into(), field, rest));
            }
            rest = rest.get(BLOCK..)?;
        }
        if rest.len() <= self.text.len() {
            return None;
        }
        let overlap = SHORT_WINDOW.wrapping_sub(rest.len()) as u32;
        let places = u32::from(self.places_in_short(last)).wrapping_shr(overlap);
        (places != 0).then(|| lowest(places, field, rest))
    }

    /// Where all of the name stands next, for names of one byte and fields without any window.
    #[inline(always)]
    fn next_place_by_bytes(&self, field: &[u8], mut rest: &[u8]) -> Option<usize> {
        let first = *self.text.first()?;
        loop {
            rest = rest.get(find(first, rest)?..)?;
            if self.begins(rest) {
                return Some(field.len().wrapping_sub(rest.len()));
            }
            rest = rest.get(1..)?;
        }
    }

    /// In which places of a window the first two bytes of the name stand: a bit for each, the lowest for the first.
    #[inline(always)]
    fn places(&self, window: &[u8; WINDOW]) -> u32 {
        match (window.first_chunk(), window.last_chunk()) {
            (Some(low), Some(high)) => {
                u32::from(self.places_in_short(low))
                    | u32::from(self.places_in_short(high)) << BLOCK
            }
            _ => 0,
        }
    }

    #[inline(always)]
    fn places_in_short(&self, window: &[u8; SHORT_WINDOW]) -> u16 {
        let ([these @ .., _], [_, next @ ..]) = (window, window);
        let these = u8x16::new(*these).cmp_eq(u8x16::new(self.first));
        let next = u8x16::new(*next).cmp_eq(u8x16::new(self.second));
        // It has a bit for each byte.
        (these & next).move_mask() as u16
    }
}

/// Where in a field the lowest of these places in its last part is.
#[inline(always)]
fn lowest(places: u32, field: &[u8], rest: &[u8]) -> usize {
    let before = field.len().wrapping_sub(rest.len());
    before.wrapping_add(places.trailing_zeros() as usize)
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl Debug for Name {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.escape_ascii())
    }
}
