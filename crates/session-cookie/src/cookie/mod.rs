//! The `Cookie` field of a request (RFC 6265, section 4.2). [`values`] finds the cookies of a name, a [`HideRule`]
//! hides them, and a [`Follow`] checks whether an application's cookie is present.
//!
//! A field consists of pairs separated by semicolons. As in user agents, a semicolon inside double quotes also
//! separates (RFC 6265, section 5.2). Names are compared exactly, including case.

mod follow;
mod hide;
mod name;

use crate::bytes::trimmed;
use name::{split_value, Found};

pub use follow::{Copies, Follow};
pub use hide::{HiddenPart, HiddenSpan, HidePlan, HideRule, SinglePair};
pub use name::Name;

pub(crate) use follow::halves;

/// Returns an iterator over the values of all pairs of a name in one field, in order, including double quotes.
///
/// ```
/// use session_cookie::cookie::{values, Name};
///
/// let name = Name::new(b"route")?;
/// let found: Vec<_> = values(b"a=b; route=1; route=\"2\"", &name).collect();
/// assert_eq!(found, [&b"1"[..], b"\"2\""]);
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[inline]
pub fn values<'h, 'n>(field: &'h [u8], name: &'n Name) -> Values<'h, 'n> {
    Values {
        field,
        rest: field,
        name,
    }
}

/// The iterator that [`values`] returns.
#[derive(Clone, Debug)]
#[allow(clippy::disallowed_methods)] // the clone of a reference allocates nothing
pub struct Values<'h, 'n> {
    field: &'h [u8],
    rest: &'h [u8],
    name: &'n Name,
}

impl<'h> Iterator for Values<'h, '_> {
    type Item = &'h [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'h [u8]> {
        let Found { behind, .. } = self.name.find(self.field, self.rest)?;
        let (value, after) = split_value(behind)?;
        self.rest = after;
        Some(trimmed(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn found<'h>(field: &'h str, name: &str) -> Vec<&'h str> {
        values(field.as_bytes(), &Name::new(name.as_bytes()).unwrap())
            .map(|value| core::str::from_utf8(value).unwrap())
            .collect()
    }

    #[test]
    fn the_name_is_exact() {
        assert_eq!(found("myroute=x; route=ID", "route"), ["ID"]);
        assert_eq!(found("Route=x; route2=y; route", "route"), [""; 0]);
        assert_eq!(found("a=route=x", "route"), [""; 0]);
    }

    #[test]
    fn a_name_that_overlaps_itself_is_found() {
        assert_eq!(
            found("aa=1; aaa=2; xaa=3; aa; aa=aa=4", "aa"),
            ["1", "aa=4"]
        );
    }

    #[test]
    fn white_space_around_name_and_value_is_cut() {
        assert_eq!(found(" \troute \t= ID\t ;a=b", "route"), ["ID"]);
    }

    #[test]
    fn every_pair_of_the_name_is_found_in_order() {
        assert_eq!(
            found("route=1;route=;x=y; route=\"3\"", "route"),
            ["1", "", "\"3\""]
        );
    }
}
