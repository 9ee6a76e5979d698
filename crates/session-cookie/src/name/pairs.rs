//! Every pair of a name, found in time that is linear in the field, whatever a client has made it of.
//!
//! A name begins a pair only behind a semicolon and white space, none of which can stand in it: places where it could
//! begin never overlap. They are found in blocks, by the byte before them and their first two bytes.

use wide::u8x16;

use super::{Found, Name};
use crate::text::{padded, BLOCK};

/// Places where a name may begin, with the byte before the first of them and the one behind the last.
const WINDOW: usize = 1 + BLOCK + 1;

/// See [`Name::pairs`].
#[derive(Clone, Debug)]
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
    fn beginnings(&self, window: &[u8; WINDOW]) -> u32 {
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
