//! The request's `Cookie` field (RFC 6265, section 4.2): finding values by name; hiding pairs is in `hide.rs`.
//!
//! A field is pairs between semicolons. As user agents do, a semicolon separates inside double quotes
//! too (RFC 6265, section 5.2). Names are compared exactly, case and all.

mod hide;
mod name;

use crate::bytes::trimmed;
use name::{split_value, Found};

pub use hide::{HiddenPart, HiddenSpan, HidePlan, HideRule, SinglePair};
pub use name::Name;

/// Finds the values of all pairs called `name` in one field, in order, double quotes and all.
#[inline]
pub fn values<'h, 'n>(field: &'h [u8], name: &'n Name) -> Values<'h, 'n> {
    Values {
        field,
        rest: field,
        name,
    }
}

/// See [`values`].
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
