//! Searches a `Cookie` field for the name of a cookie.
//!
//! The fields of every request to a sticky upstream are searched. The search looks for the first two bytes of the name,
//! in windows of 32 places, which seldom finds anything but the cookie (docs/performance.md). If it does, the place may
//! still be a pair in an unusual form, and a slower search ([`Pairs`]) goes on from there.

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};
use core::ops::Deref;

use crate::bytes::{find, trim_end, trim_start, Beginnings, FirstBytes};
use crate::memory::{self, OutOfMemory};

/// The size of a word in bytes.
const WORD: usize = 8;

/// The name of a cookie, prepared for searches.
///
/// ```
/// use session_cookie::cookie::Name;
///
/// let name = Name::new(b"route")?;
/// assert_eq!(*name, *b"route");
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub struct Name {
    text: Box<[u8]>,
    first_bytes: FirstBytes,
    /// The first bytes of the name and the equals sign as a number, and masks for the bytes of the name and of both.
    word: u64,
    mask: u64,
    pair_mask: u64,
}

/// A pair found in a field.
#[derive(Clone, Copy)]
pub(crate) struct Found<'h> {
    /// The part of the field before the semicolon that precedes the pair; empty if there is none.
    pub(crate) before: &'h [u8],
    /// The part of the field after the pair's equals sign.
    pub(crate) behind: &'h [u8],
}

impl Name {
    /// Prepares a name. It must be a token (RFC 6265, section 4.1.1).
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn new(name: &[u8]) -> Result<Self, OutOfMemory> {
        let (mut word, mut mask, mut pair_mask) = ([0; WORD], [0; WORD], [0; WORD]);
        let places = word.iter_mut().zip(&mut pair_mask);
        for ((place, bits), byte) in places.zip(name.iter().chain(b"=")) {
            (*place, *bits) = (*byte, u8::MAX);
        }
        for (bits, _) in mask.iter_mut().zip(name) {
            *bits = u8::MAX;
        }
        Ok(Name {
            text: memory::boxed(name)?,
            first_bytes: FirstBytes::of(name),
            word: u64::from_le_bytes(word),
            mask: u64::from_le_bytes(mask),
            pair_mask: u64::from_le_bytes(pair_mask),
        })
    }

    /// Copies a name.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Name::new(self)
    }

    /// Returns the text after the name if a text begins with the name.
    #[inline(always)]
    pub(crate) fn strip<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        text.get(self.text.len()..).filter(|_| self.begins(text))
    }

    /// Returns whether a text begins with the name.
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

    /// Returns the first pair of this name that begins in `rest`, the last part of a field. `rest` begins where the
    /// field begins or where one of its pairs ends.
    #[inline(always)]
    pub(crate) fn find<'h>(&self, field: &'h [u8], mut rest: &'h [u8]) -> Option<Found<'h>> {
        if self.first_bytes.can_search(field) {
            let place = self.first_bytes.find_next(field, rest)?;
            let (before, text) = field.split_at_checked(place)?;
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
        // Destructured, so that the result can be returned in registers.
        let Found { before, behind } = self.find_otherwise(field, rest)?;
        Some(Found { before, behind })
    }

    /// Returns the part of a field from its first pair of this name on. The pair must be in the usual form, and the first two
    /// bytes of the name must not occur before it: otherwise returns `None`, which does not mean that there is no pair.
    #[inline(always)]
    pub(super) fn find_usual<'h>(&self, field: &'h [u8]) -> Option<&'h [u8]> {
        let place = self.first_bytes.find_first(field)?;
        let text = field.get(place..)?;
        if !self.begins_pair(text) {
            return None;
        }
        let is_behind_another = match place.checked_sub(2) {
            Some(end) => field.get(end..place)? == b"; ",
            None => place == 0,
        };
        is_behind_another.then_some(text)
    }

    /// Returns the first pair in all other cases: in short fields, for names of one byte, for pairs in an unusual form,
    /// and if the first two bytes of the name also occur elsewhere in the field.
    #[cold]
    #[inline(never)]
    fn find_otherwise<'h>(&self, field: &'h [u8], rest: &'h [u8]) -> Option<Found<'h>> {
        self.pairs(field, field.len().wrapping_sub(rest.len()))
            .next()
    }

    /// Returns the text after the name and an equals sign if a text begins with both. `None` may also mean that the
    /// text is too short.
    #[inline(always)]
    pub(crate) fn strip_usual<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        if self.begins_pair(text) {
            text.get(self.text.len().wrapping_add(1)..)
        } else {
            None
        }
    }

    /// Returns the text after the equals sign if a text begins with a pair of this name.
    #[inline(always)]
    pub(crate) fn value_of<'t>(&self, pair: &'t [u8]) -> Option<&'t [u8]> {
        match self.strip_usual(pair) {
            Some(value) => Some(value),
            None => trim_start(self.strip(trim_start(pair))?).strip_prefix(b"="),
        }
    }

    /// Returns whether a text begins with the name and an equals sign. `false` may also mean that the text is too short.
    #[inline(always)]
    fn begins_pair(&self, text: &[u8]) -> bool {
        let Some(word) = text.first_chunk::<WORD>() else {
            return false;
        };
        (u64::from_le_bytes(*word) ^ self.word) & self.pair_mask == 0
            && (self.text.len() < WORD || self.begins_long_pair(text))
    }

    /// Returns whether a text begins with the name, which is at least one word long, and an equals sign.
    #[inline(never)]
    fn begins_long_pair(&self, text: &[u8]) -> bool {
        text.starts_with(&self.text) && text.get(self.text.len()) == Some(&b'=')
    }

    /// Returns the pair of this name that begins with `text`, with or without white space around the name. `text` may
    /// also begin inside another name or inside a value, in which case this returns `None`.
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
}

/// Iterates over the pairs of a name in time linear in the length of the field, whatever a client sends. A name begins
/// a pair only after a semicolon or white space, which cannot be part of a name, so matches never overlap.
pub(crate) struct Pairs<'h, 'n> {
    name: &'n Name,
    field: &'h [u8],
    beginnings: Beginnings<'h>,
}

impl Name {
    /// Returns the pairs of this name from `start` on. `start` is where the field or one of its pairs begins or ends.
    #[inline]
    pub(crate) fn pairs<'h>(&self, field: &'h [u8], start: usize) -> Pairs<'h, '_> {
        Pairs {
            name: self,
            field,
            beginnings: Beginnings::new(field, start),
        }
    }
}

impl<'h> Iterator for Pairs<'h, '_> {
    type Item = Found<'h>;

    #[inline(always)]
    fn next(&mut self) -> Option<Found<'h>> {
        loop {
            let place = self.beginnings.next(&self.name.first_bytes)?;
            let (before, text) = self.field.split_at_checked(place)?;
            if let Some(found) = self.name.pair_at(before, text) {
                return Some(found);
            }
        }
    }
}

/// Splits the text after an equals sign at the end of the pair.
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
