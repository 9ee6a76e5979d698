//! The request's `Cookie` field (RFC 6265, section 4.2): finding values by name, hiding pairs.
//!
//! A field is pairs between semicolons. As user agents do, a semicolon separates inside double quotes
//! too (RFC 6265, section 5.2). Names are compared exactly, case and all.

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};
use core::ops::Deref;
use memchr::memmem::Finder;

use crate::text::{find, is_ows, trim, trim_end, trim_start, Sink};

/// The name of a cookie, made ready to be searched for.
///
/// Boxed, because what is made ready may be aligned more strictly than the memory of an owner is.
#[derive(Clone)]
pub struct Name(Box<Finder<'static>>);

impl Name {
    /// Takes a name, which is a token (RFC 6265, section 4.1.1).
    pub fn new(name: &[u8]) -> Self {
        Name(Box::new(Finder::new(name).into_owned()))
    }
}

impl Deref for Name {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.0.needle()
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

/// Where a pair stands in its field.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Behind the semicolon before it, or the start of the field.
    start: usize,
    /// Behind its equals sign.
    value: usize,
    /// The semicolon behind it, or the end of the field.
    end: usize,
}

/// What follows `name=` at the start of a pair, where there may be white space around the name.
#[inline]
pub(crate) fn after_name<'h>(pair: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    trim_start(trim_start(pair).strip_prefix(name)?).strip_prefix(b"=")
}

/// The first pair of this name that stands behind `from`, which is the start of the field or a semicolon.
#[inline(always)]
fn next_pair(field: &[u8], mut from: usize, name: &Name) -> Option<Place> {
    loop {
        let at = name.0.find(field.get(from..)?)?.checked_add(from)?;
        let after = at.checked_add(name.len())?;
        from = at.checked_add(1)?;

        // The name may also be a part of another, or of a value.
        let before = trim_end(field.get(..at)?);
        if !matches!(before.last(), None | Some(b';')) {
            continue;
        }
        let Some(value) = trim_start(field.get(after..)?).strip_prefix(b"=") else {
            continue;
        };

        let start = field.len().checked_sub(value.len())?;
        return Some(Place {
            start: before.len(),
            value: start,
            end: find(b';', value).map_or(field.len(), |end| start.saturating_add(end)),
        });
    }
}

/// Finds the values of all pairs called `name` in one field, in order, double quotes and all.
#[inline]
pub fn values<'h, 'n>(field: &'h [u8], name: &'n Name) -> Values<'h, 'n> {
    Values {
        field,
        from: 0,
        name,
    }
}

/// See [`values`].
#[derive(Clone, Debug)]
pub struct Values<'h, 'n> {
    field: &'h [u8],
    from: usize,
    name: &'n Name,
}

impl<'h> Iterator for Values<'h, '_> {
    type Item = &'h [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'h [u8]> {
        let pair = next_pair(self.field, self.from, self.name)?;
        self.from = pair.end;
        self.field.get(pair.value..pair.end).map(trim)
    }
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
    pub name: &'a Name,
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
    let (id, rest) = inner.split_at_checked(find(PREFIX_END, inner)?)?;
    Some((id, rest.get(1..)?))
}

/// A pair that a rule names.
#[derive(Clone, Copy, Debug)]
pub struct Hidden(Place);

impl Hidden {
    /// Its value in the field in which it was found.
    #[inline]
    pub fn value<'h>(&self, field: &'h [u8]) -> &'h [u8] {
        field.get(self.0.value..self.0.end).map_or(&[], trim)
    }
}

/// The first pair of a field that a rule names.
#[inline]
pub fn first_hidden(field: &[u8], rule: &Rule) -> Option<Hidden> {
    next_pair(field, 0, rule.name).map(Hidden)
}

/// Writes the field without what a rule hides; nothing, if nothing is left of it. `false`: there was no
/// other pair to hide than the first.
///
/// The other pairs stay to the byte, in order. What is written is never longer than `field`.
#[inline]
pub fn strip(field: &[u8], first: Hidden, rule: &Rule, out: &mut impl Sink) -> bool {
    let mut is_empty = true;
    // What was not decided about: the start of the field, or what follows something hidden.
    let mut rest = 0;

    let mut several = false;
    let mut pair = first.0;
    loop {
        match rule.hide {
            Hide::Pair => {
                let before = field.get(rest..pair.start).unwrap_or_default();
                is_empty &= !put_pairs(before, is_empty, out);
                rest = pair.end;
            }
            Hide::Prefix => {
                let value = field.get(pair.value..pair.end).unwrap_or_default();
                if let Some((id, application)) = split_prefix(trim_start(value)) {
                    let application = pair.end.saturating_sub(application.len());
                    let mark = application.saturating_sub(id.len()).saturating_sub(1);
                    let before = field.get(rest..mark).unwrap_or_default();
                    out.put(if is_empty {
                        without_separators(before)
                    } else {
                        before
                    });
                    is_empty = false;
                    rest = application;
                }
            }
        }
        match next_pair(field, pair.end, rule.name) {
            Some(next) => pair = next,
            None => break,
        }
        several = true;
    }
    put_pairs(field.get(rest..).unwrap_or_default(), is_empty, out);
    several
}

/// Writes pairs, with the semicolon before them unless they are the first; `false`: there are none.
#[inline]
fn put_pairs(mut pairs: &[u8], is_first: bool, out: &mut impl Sink) -> bool {
    while let [rest @ .., b';' | b' ' | b'\t'] = pairs {
        pairs = rest;
    }
    if is_first {
        pairs = without_separators(pairs);
    }
    if pairs.is_empty() {
        return false;
    }
    out.put(pairs);
    true
}

/// Cuts semicolons and white space at the start.
#[inline]
fn without_separators(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if *first != b';' && !is_ows(*first) {
            break;
        }
        text = rest;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn found<'h>(field: &'h str, name: &str) -> Vec<&'h str> {
        values(field.as_bytes(), &Name::new(name.as_bytes()))
            .map(|value| core::str::from_utf8(value).unwrap())
            .collect()
    }

    fn stripped(field: &str, name: &str, hide: Hide) -> alloc::string::String {
        let name = &Name::new(name.as_bytes());
        let rule = Rule { name, hide };
        let Some(first) = first_hidden(field.as_bytes(), &rule) else {
            return field.into();
        };
        let mut left = Vec::new();
        strip(field.as_bytes(), first, &rule, &mut left);
        alloc::string::String::from_utf8(left).unwrap()
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
            ("route=X;; route=Y; a=b;", "a=b"),
            ("a=b; route=X; ;route=Y ; c=d", "a=b; c=d"),
            ("a=b;; c=d; route=X", "a=b;; c=d"),
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
            ("s=v; s=ID~w", "s=v; s=w"),
            ("s=ID~; a=b", "s=; a=b"),
            (" s=ID~v;", "s=v"),
            ("s = ID~ ; c=d", "s =  ; c=d"),
        ] {
            assert_eq!(stripped(field, "s", Hide::Prefix), left, "{field}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_and_stripped(field: Vec<u8>, name in "[a-c]{1,2}") {
            let name = &Name::new(name.as_bytes());
            prop_assert!(values(&field, name).count() <= field.len());
            for hide in [Hide::Pair, Hide::Prefix] {
                let rule = Rule { name, hide };
                let first = first_hidden(&field, &rule);
                prop_assert_eq!(first.map(|first| first.value(&field)), values(&field, name).next());
                if let Some(first) = first {
                    let mut left = Vec::new();
                    let several = strip(&field, first, &rule, &mut left);
                    prop_assert!(left.len() <= field.len());
                    prop_assert_eq!(several, values(&field, name).count() > 1);
                }
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
