//! The request's `Cookie` field (RFC 6265, section 4.2): finding values by name; hiding pairs is in `hide.rs`.
//!
//! A field is pairs between semicolons. As user agents do, a semicolon separates inside double quotes
//! too (RFC 6265, section 5.2). Names are compared exactly, case and all.

mod hide;
mod name;

use crate::bytes::trimmed;
use name::{split_value, Found};

pub use hide::{first_hidden, hides, strip, Hidden, Hide, Hides, One, Rule};
pub use name::Name;

pub(crate) use name::after_name;

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
    use super::name::oracle::by_eye;
    use super::*;
    use crate::bytes::BLOCK;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn found<'h>(field: &'h str, name: &str) -> Vec<&'h str> {
        values(field.as_bytes(), &Name::new(name.as_bytes()))
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

    proptest! {
        #[test]
        fn a_name_is_found_wherever_it_stands(
            field in "([a-c]{1,12}( ?= ?[a-c]{0,9})?;( )?){0,12}",
            name in "[a-c]{1,10}",
            own in "[a-c]{0,20}",
            before in 0_usize..90,
        ) {
            let mut field = field.into_bytes();
            let at = before.min(field.len());
            let pair = alloc::format!("; {name}={own};").into_bytes();
            field.splice(at..at, pair);
            let found: Vec<_> = values(&field, &Name::new(name.as_bytes())).map(<[u8]>::to_vec).collect();
            prop_assert!(!found.is_empty());
            prop_assert_eq!(found, by_eye(&field, name.as_bytes()));
        }

        /// A field that ends before, at and behind the ends of blocks, in which a name stands between
        /// white space, parts of it, and names of which it is a part.
        #[test]
        fn a_name_is_found_in_a_field_of_any_length(
            name in prop_oneof!["[a-c]{1,3}", "[a-c]{6,9}", "[a-c]{10,40}"],
            pieces in proptest::collection::vec((0_usize..12, "[ \t]{0,3}", "[a-c]{0,9}"), 0..12),
            blocks in 0_usize..7,
            beyond in 0_usize..4,
        ) {
            let mut field = alloc::string::String::new();
            for (kind, white, other) in &pieces {
                let (start, _) = name.split_at(name.len() / 2);
                field += &match kind {
                    0..4 => alloc::format!("; {name}={other}"),
                    4 => alloc::format!(";{white}{name}{white}={white}{other}{white}"),
                    5 => alloc::format!("{white};{name}={white}"),
                    6 => alloc::format!("; {other}{white}{name}={other}"),
                    7 => alloc::format!("; {name}{other}={other}"),
                    8 => alloc::format!("; {start}={other}"),
                    9 => alloc::format!("; {other}={white}{name}={other}"),
                    10 => alloc::format!("{white}{other};;"),
                    _ => alloc::format!("{name}={other}"),
                };
            }
            let length = (blocks * BLOCK + beyond).saturating_sub(2);
            for field in [field.trim_start_matches("; ").as_bytes(), field.as_bytes()] {
                for length in [length, field.len()] {
                    let start = field.get(..length).unwrap_or(field);
                    let end = field.get(field.len().saturating_sub(length)..).unwrap_or(field);
                    let mut longer = field.to_vec();
                    longer.resize(field.len().max(length), b'a');
                    for field in [start, end, &longer] {
                        let name = &Name::new(name.as_bytes());
                        let found: Vec<_> = values(field, name).map(<[u8]>::to_vec).collect();
                        let expected = by_eye(field, name);
                        prop_assert_eq!(&found, &expected);
                        let rule = Rule { name, hide: Hide::Pair };
                        match hides(field, &rule) {
                            Hides::Nothing => prop_assert!(expected.is_empty()),
                            Hides::One(one) => prop_assert_eq!(&[one.said.to_vec()][..], expected),
                            Hides::Else => prop_assert!(expected.len() > 1),
                        }
                    }
                }
            }
        }
    }
}
