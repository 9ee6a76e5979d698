//! The name of a cookie, and the search for it in a `Cookie` field.
//!
//! Every request to a sticky upstream comes here. What is looked for is the first two bytes of the name side by
//! side, in windows of 32 places: what is found is seldom not the cookie (docs/performance.md). Where it is not, a client
//! may have meant it, and the search goes on by another way ([`Pairs`]).

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};
use core::ops::Deref;

use wide::u8x16;

use crate::bytes::{find, padded, trim_end, trim_start, BLOCK};
use crate::memory::{self, OutOfMemory};

/// Bytes of a word.
const WORD: usize = 8;
/// Where a name may begin in a window: at each of its bytes but the last, which may only be the second of one.
const PLACES: usize = 2 * BLOCK;
const WINDOW: usize = PLACES + 1;
/// Half a window.
const HALF_WINDOW: usize = BLOCK + 1;

/// The name of a cookie, made ready to be searched for.
pub struct Name {
    text: Box<[u8]>,
    /// The first byte and the second, as often as a block has bytes; the second is zero if there is none.
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
    ///
    /// # Errors
    ///
    /// Memory is short.
    pub fn new(name: &[u8]) -> Result<Self, OutOfMemory> {
        let (mut word, mut mask, mut pair_mask) = ([0; WORD], [0; WORD], [0; WORD]);
        let places = word.iter_mut().zip(&mut pair_mask);
        for ((place, bits), byte) in places.zip(name.iter().chain(b"=")) {
            (*place, *bits) = (*byte, u8::MAX);
        }
        for (bits, _) in mask.iter_mut().zip(name) {
            *bits = u8::MAX;
        }
        let byte = |at: usize| name.get(at).copied().unwrap_or_default();
        let (first, second) = (byte(0), byte(1));
        Ok(Name {
            text: memory::boxed(name)?,
            first: [first; BLOCK],
            second: [second; BLOCK],
            windows_from: if name.len() > 1 { WINDOW } else { usize::MAX },
            word: u64::from_le_bytes(word),
            mask: u64::from_le_bytes(mask),
            pair_mask: u64::from_le_bytes(pair_mask),
        })
    }

    /// Copies a name.
    ///
    /// # Errors
    ///
    /// Memory is short.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Name::new(self)
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

    /// The first pair of this name that begins in the last part of a field, `rest`, which begins where the field does, or
    /// where a pair of it ends.
    #[inline(always)]
    pub(crate) fn find<'h>(&self, field: &'h [u8], mut rest: &'h [u8]) -> Option<Found<'h>> {
        if field.len() >= self.windows_from {
            let (before, text) = field.split_at_checked(self.next_place(field, rest)?)?;
            if let Some(behind) = self.strip_usual(text) {
                if let Some(before) = before.strip_suffix(b"; ") {
                    return Some(Found { before, behind });
                }
                if before.is_empty() {
                    return Some(Found { before, behind });
                }
            }
            rest = text;
        }
        // Taken apart, so that what is returned need not lie in memory.
        let Found { before, behind } = self.find_otherwise(field, rest)?;
        Some(Found { before, behind })
    }

    /// The same for short fields and names of one byte, for pairs that are written in another way than usual, and for
    /// fields in which the first two bytes of the name stand elsewhere.
    #[cold]
    #[inline(never)]
    fn find_otherwise<'h>(&self, field: &'h [u8], rest: &'h [u8]) -> Option<Found<'h>> {
        self.pairs(field, field.len().wrapping_sub(rest.len()))
            .next()
    }

    /// What follows the name and an equals sign at the start of a text; `None` may also mean that it is short.
    #[inline(always)]
    pub(crate) fn strip_usual<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        if self.begins_pair(text) {
            text.get(self.text.len().wrapping_add(1)..)
        } else {
            None
        }
    }

    /// Returns what follows the equals sign of the pair that begins a text, if it has this name.
    #[inline(always)]
    pub(crate) fn value_of<'t>(&self, pair: &'t [u8]) -> Option<&'t [u8]> {
        match self.strip_usual(pair) {
            Some(value) => Some(value),
            None => trim_start(self.strip(trim_start(pair))?).strip_prefix(b"="),
        }
    }

    /// Does the text begin with the name and an equals sign? `false` may also mean that it is short.
    #[inline(always)]
    fn begins_pair(&self, text: &[u8]) -> bool {
        let Some(word) = text.first_chunk::<WORD>() else {
            return false;
        };
        (u64::from_le_bytes(*word) ^ self.word) & self.pair_mask == 0
            && (self.text.len() < WORD || self.begins_long_pair(text))
    }

    /// The same for a name that fills a word.
    #[inline(never)]
    fn begins_long_pair(&self, text: &[u8]) -> bool {
        text.starts_with(&self.text) && text.get(self.text.len()) == Some(&b'=')
    }

    /// The pair of this name that begins with `text`, be there white space around the name. It may also be a
    /// part of another name, or of a value.
    #[inline(always)]
    fn pair_at<'h>(&self, before: &'h [u8], text: &'h [u8]) -> Option<Found<'h>> {
        let behind = trim_start(self.strip(text)?).strip_prefix(b"=")?;
        let before = match trim_end(before) {
            [] => &[],
            [before @ .., b';'] => before,
            _ => return None,
        };
        Some(Found { before, behind })
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

    /// In which places of a window the first two bytes of the name stand: a bit for each, the lowest for the first.
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

/// Places where a name may begin, with the byte before the first of them and the one behind the last.
const PAIR_WINDOW: usize = 1 + BLOCK + 1;

/// Every pair of a name, found in time that is linear in the field, whatever a client has made it of.
///
/// A name begins a pair only behind a semicolon and white space, none of which can stand in it: places where it could
/// begin never overlap. They are found in blocks, by the byte before them and their first two bytes.
#[derive(Debug)]
pub(crate) struct Pairs<'h, 'n> {
    name: &'n Name,
    field: &'h [u8],
    /// Where the pair could begin: a bit for each place, the lowest for `from`.
    places: u32,
    from: usize,
    /// What was not looked at, and the byte before it.
    rest: &'h [u8],
}

impl Name {
    /// The pairs of this name that begin at `start` or behind it, which is where a field, or a pair of it, begins or ends.
    #[inline]
    pub(crate) fn pairs<'h>(&self, field: &'h [u8], start: usize) -> Pairs<'h, '_> {
        Pairs {
            name: self,
            field,
            // Nothing stands before the first place, so it is not found in a block.
            places: u32::from(start == 0),
            from: 0,
            rest: field.get(start.saturating_sub(1)..).unwrap_or_default(),
        }
    }

    /// In which places of a window a pair of this name could begin.
    #[inline(always)]
    fn beginnings(&self, window: &[u8; PAIR_WINDOW]) -> u32 {
        let ([before @ .., _, _], [_, these @ .., _], [_, _, next @ ..]) = (window, window, window);
        let before = u8x16::new(*before);
        let is = |byte| before.cmp_eq(u8x16::splat(byte));
        let mut places =
            (is(b';') | is(b' ') | is(b'\t')) & u8x16::new(*these).cmp_eq(u8x16::new(self.first));
        let next = u8x16::new(*next);
        let next_is = |byte| next.cmp_eq(u8x16::splat(byte));
        places &= if self.text.len() > 1 {
            next.cmp_eq(u8x16::new(self.second))
        } else {
            next_is(b'=') | next_is(b' ') | next_is(b'\t')
        };
        // It has a bit for each byte.
        u32::from(places.move_mask() as u16)
    }
}

impl<'h> Iterator for Pairs<'h, '_> {
    type Item = Found<'h>;

    #[inline(always)]
    fn next(&mut self) -> Option<Found<'h>> {
        loop {
            while self.places == 0 {
                self.from = self
                    .field
                    .len()
                    .wrapping_sub(self.rest.len())
                    .wrapping_add(1);
                self.places = match self.rest.first_chunk() {
                    Some(window) => self.name.beginnings(window),
                    None if self.rest.len() > 1 => self.name.beginnings(&padded(self.rest)),
                    None => return None,
                };
                self.rest = self.rest.get(BLOCK..).unwrap_or_default();
            }
            let place = self
                .from
                .wrapping_add(self.places.trailing_zeros() as usize);
            self.places &= self.places.wrapping_sub(1);
            let (before, text) = self.field.split_at_checked(place)?;
            if let Some(found) = self.name.pair_at(before, text) {
                return Some(found);
            }
        }
    }
}

/// Splits what follows an equals sign where the pair ends.
#[inline(always)]
pub(super) fn split_value(behind: &[u8]) -> Option<(&[u8], &[u8])> {
    match find(b';', behind) {
        Some(end) => behind.split_at_checked(end),
        None => Some((behind, &[])),
    }
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
