//! The request's `Cookie` field (RFC 6265, section 4.2): finding values by name, hiding pairs.
//!
//! A field is pairs between semicolons. As user agents do, a semicolon separates inside double quotes
//! too (RFC 6265, section 5.2). Names are compared exactly, case and all.

use crate::text::{trim, trim_end, trim_start, Writer};

/// Parts `name=value` between two semicolons, without the white space around name and value.
#[inline]
fn pair<'h>(segment: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let text = trim_start(segment);
    // Nearly every other name differs in its first letter, which costs less than a comparison.
    if text.first() != name.first() {
        return None;
    }
    let rest = text.strip_prefix(name)?;
    Some(trim(trim_start(rest).strip_prefix(b"=")?))
}

/// The text between semicolons, separators excluded.
#[derive(Clone, Debug)]
struct Segments<'h>(Option<&'h [u8]>);

impl<'h> Iterator for Segments<'h> {
    type Item = &'h [u8];

    #[inline]
    fn next(&mut self) -> Option<&'h [u8]> {
        let rest = self.0?;
        match memchr::memchr(b';', rest).and_then(|end| rest.split_at_checked(end)) {
            Some((segment, tail)) => {
                self.0 = tail.get(1..);
                Some(segment)
            }
            None => {
                self.0 = None;
                Some(rest)
            }
        }
    }
}

/// The values of all pairs called `name` in one field, in order, double quotes and all.
pub fn values<'h, 'n>(
    field: &'h [u8],
    name: &'n [u8],
) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
    Segments(Some(field)).filter_map(move |segment| pair(segment, name))
}

/// How much of a pair the server behind must not see.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Hide {
    /// The whole pair.
    Pair,
    /// What comes before the value that the application gave: the id and [`PREFIX_END`].
    Prefix,
}

/// What to hide from the server behind: one cookie, by name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rule<'a> {
    /// The cookie's name.
    pub name: &'a [u8],
    /// What of it goes.
    pub hide: Hide,
}

/// Ends the id in the value of a cookie in prefix mode.
pub const PREFIX_END: u8 = b'~';

/// Splits `ID~value` at the first tilde: the id, and the value as the application gave it.
///
/// A user agent may have put the whole in double quotes; the opening quote then belongs to the value.
pub fn split_prefix(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = value.strip_prefix(b"\"").unwrap_or(value);
    let (id, rest) = inner.split_at_checked(memchr::memchr(PREFIX_END, inner)?)?;
    Some((id, rest.get(1..)?))
}

/// Does any rule name a pair of this field?
pub fn is_named(field: &[u8], rules: &[Rule]) -> bool {
    rules
        .iter()
        .any(|rule| values(field, rule.name).next().is_some())
}

/// Writes the field without what the rules hide, and returns its length; 0: nothing is left of it.
///
/// The other pairs stay to the byte, in order. The result is never longer than `field`, so `memory` of
/// that length suffices.
pub fn strip(field: &[u8], rules: &[Rule], memory: &mut [u8]) -> usize {
    let mut out = Writer::new(memory);

    for segment in Segments(Some(field)) {
        let named = rules
            .iter()
            .find_map(|rule| Some((rule.hide, pair(segment, rule.name)?)));

        if matches!(named, Some((Hide::Pair, _))) || trim_start(segment).is_empty() {
            continue;
        }

        let segment = if out.is_empty() {
            trim_start(segment)
        } else {
            out.put(b";");
            segment
        };

        match named.and_then(|(_, value)| Some((value, split_prefix(value)?.1))) {
            Some((value, application)) => {
                let before = trim_end(segment).len().saturating_sub(value.len());
                out.put(segment.get(..before).unwrap_or_default());
                if value.starts_with(b"\"") {
                    out.put(b"\"");
                }
                out.put(application);
            }
            None => out.put(segment),
        }
    }

    out.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn found<'h>(field: &'h str, name: &str) -> Vec<&'h str> {
        values(field.as_bytes(), name.as_bytes())
            .map(|value| core::str::from_utf8(value).unwrap())
            .collect()
    }

    fn stripped(field: &str, name: &str, hide: Hide) -> alloc::string::String {
        let mut memory = alloc::vec![0; field.len()];
        let rules = [Rule {
            name: name.as_bytes(),
            hide,
        }];
        let length = strip(field.as_bytes(), &rules, &mut memory);
        memory.truncate(length);
        alloc::string::String::from_utf8(memory).unwrap()
    }

    #[test]
    fn the_name_is_exact() {
        assert_eq!(found("myroute=x; route=ID", "route"), ["ID"]);
        assert_eq!(found("Route=x; route2=y; route", "route"), [""; 0]);
        assert_eq!(found("a=route=x", "route"), [""; 0]);
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

    #[test]
    fn hiding_leaves_a_clean_field() {
        for (field, left) in [
            ("a=b; route=X; c=d", "a=b; c=d"),
            ("route=X; c=d", "c=d"),
            ("a=b; route=X", "a=b"),
            ("a=b;route=X;c=d", "a=b;c=d"),
            ("route=X", ""),
            ("route=X; route=Y;", ""),
            ("xroute=v; route=X; latest=42", "xroute=v; latest=42"),
            ("a=\"x; route=X", "a=\"x"),
        ] {
            assert_eq!(stripped(field, "route", Hide::Pair), left, "{field}");
        }
    }

    #[test]
    fn the_prefix_goes_and_the_value_of_the_application_stays() {
        for (field, left) in [
            ("a=b; s=ID~v~w; c=d", "a=b; s=v~w; c=d"),
            ("s=\"ID~v\"", "s=\"v\""),
            ("s=ID~\"v\"", "s=\"v\""),
            ("s=v", "s=v"),
            ("s = ID~ ; c=d", "s = ; c=d"),
        ] {
            assert_eq!(stripped(field, "s", Hide::Prefix), left, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_stripped(field: Vec<u8>, name in "[a-c]{1,2}") {
            let name = name.as_bytes();
            prop_assert!(values(&field, name).count() <= field.len());
            for hide in [Hide::Pair, Hide::Prefix] {
                let mut memory = alloc::vec![0; field.len()];
                let length = strip(&field, &[Rule { name, hide }], &mut memory);
                prop_assert!(length <= field.len());
            }
        }

        #[test]
        fn a_hidden_name_is_gone_and_the_others_stay(
            pairs in proptest::collection::vec(("[a-d]", "[x-z~\"=]{0,4}"), 0..8),
            separator in "; ?",
        ) {
            let join = |pairs: &[(alloc::string::String, alloc::string::String)]| {
                pairs.iter().map(|(n, v)| alloc::format!("{n}={v}")).collect::<Vec<_>>().join(&separator)
            };
            let others: Vec<_> = pairs.iter().filter(|(name, _)| name != "b").cloned().collect();
            prop_assert_eq!(stripped(&join(&pairs), "b", Hide::Pair), join(&others));
        }
    }
}
