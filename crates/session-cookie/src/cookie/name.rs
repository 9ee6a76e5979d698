//! The name of a cookie, and the search for it in a `Cookie` field.
//!
//! Every request to a sticky upstream is searched. What is looked for is the first two bytes of the name side by
//! side, in windows of 32 places: what is found is seldom not the cookie (docs/performance.md). Where it is not, a client
//! may have meant it, and the search goes on by another way ([`Pairs`]).

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};
use core::ops::Deref;

use crate::bytes::{find, trim_end, trim_start, Beginnings, FirstBytes};
use crate::memory::{self, OutOfMemory};

/// The bytes of a word.
const WORD: usize = 8;

/// The name of a cookie, made ready to be searched for.
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
    /// The first bytes of the name and its equals sign as a number, and masks for those of the name, and of both.
    word: u64,
    mask: u64,
    pair_mask: u64,
}

/// A pair that was found in a field.
#[derive(Clone, Copy)]
pub(crate) struct Found<'h> {
    /// The part of the field up to the semicolon before it; empty if there is none.
    pub(crate) before: &'h [u8],
    /// The part of the field behind its equals sign.
    pub(crate) behind: &'h [u8],
}

impl Name {
    /// Makes a name ready, which is a token (RFC 6265, section 4.1.1).
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
    /// Memory is short.
    pub fn try_clone(&self) -> Result<Self, OutOfMemory> {
        Name::new(self)
    }

    /// Returns what follows the name at the start of a text.
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

    /// Returns the first pair of this name that begins in the last part of a field, `rest`, which begins where the field
    /// does, or where a pair of it ends.
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
        // Taken apart, so that what is returned need not lie in memory.
        let Found { before, behind } = self.find_otherwise(field, rest)?;
        Some(Found { before, behind })
    }

    /// Returns the part of a field that begins with its first pair of this name, if there is one that is written as usual,
    /// and where the first two bytes of the name stand nowhere before it. `None` tells nothing.
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

    /// Returns the first pair in short fields and of names of one byte, where pairs are written in another way than usual,
    /// and where the first two bytes of the name stand elsewhere in the field.
    #[cold]
    #[inline(never)]
    fn find_otherwise<'h>(&self, field: &'h [u8], rest: &'h [u8]) -> Option<Found<'h>> {
        self.pairs(field, field.len().wrapping_sub(rest.len()))
            .next()
    }

    /// Returns what follows the name and an equals sign at the start of a text; `None` may also mean that it is short.
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

    /// Returns whether a text begins with the name and an equals sign; `false` may also mean that it is short.
    #[inline(always)]
    fn begins_pair(&self, text: &[u8]) -> bool {
        let Some(word) = text.first_chunk::<WORD>() else {
            return false;
        };
        (u64::from_le_bytes(*word) ^ self.word) & self.pair_mask == 0
            && (self.text.len() < WORD || self.begins_long_pair(text))
    }

    /// Returns whether a text begins with the name, which fills a word, and an equals sign.
    #[inline(never)]
    fn begins_long_pair(&self, text: &[u8]) -> bool {
        text.starts_with(&self.text) && text.get(self.text.len()) == Some(&b'=')
    }

    /// Returns the pair of this name that begins with `text`, be there white space around the name. The text may also be
    /// a part of another name, or of a value.
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

/// The pairs of a name, found in time that is linear in the field, whatever a client has made it of: a name begins
/// a pair only behind a semicolon and white space, none of which can stand in it, so that places never overlap.
pub(crate) struct Pairs<'h, 'n> {
    name: &'n Name,
    field: &'h [u8],
    beginnings: Beginnings<'h>,
}

impl Name {
    /// Returns the pairs of this name that begin at `start`, which is where a field, or a pair of it, begins or ends, and
    /// behind it.
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
