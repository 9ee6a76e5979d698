//! The request's `Cookie` field (RFC 6265, section 4.2): finding values by name, hiding pairs.
//!
//! A field is pairs between semicolons. As user agents do, a semicolon separates inside double quotes
//! too (RFC 6265, section 5.2). Names are compared exactly, case and all.

use crate::name::Found;
use crate::text::{contains, find, is_ows, trim, trim_start, Sink};

pub use crate::name::Name;

/// What follows `name=` at the start of a pair, where there may be white space around the name.
#[inline]
pub(crate) fn after_name<'h>(pair: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    trim_start(trim_start(pair).strip_prefix(name)?).strip_prefix(b"=")
}

/// Splits what follows an equals sign where the pair ends.
#[inline(always)]
fn split_value(behind: &[u8]) -> Option<(&[u8], &[u8])> {
    match find(b';', behind) {
        Some(end) => behind.split_at_checked(end),
        None => Some((behind, &[])),
    }
}

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
#[inline(always)]
pub fn split_prefix(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = value.strip_prefix(b"\"").unwrap_or(value);
    let (id, rest) = inner.split_at_checked(find(PREFIX_END, inner)?)?;
    Some((id, rest.get(1..)?))
}

/// What a rule hides in one place: pairs with the semicolon before them, or the id and its mark.
#[derive(Clone, Copy, Debug)]
pub struct Hidden<'h> {
    /// The field from what goes on, and behind it.
    from: &'h [u8],
    behind: &'h [u8],
}

/// What a rule hides first of a field: of one pair, or pairs that stand together.
#[inline]
pub fn first_hidden<'h>(field: &'h [u8], rule: &Rule<'h>) -> Option<Hidden<'h>> {
    let Found { before, .. } = rule.name.find(field, field)?;
    let mut all = AllHidden {
        rest: field.get(before.len()..)?,
        name: rule.name,
    };
    match rule.hide {
        Hide::Pair => all.next_pairs(),
        Hide::Prefix => all.next_prefix(),
    }
}

/// What a rule hides in the last part of a field, which begins where the field, or a pair of it, begins or ends.
struct AllHidden<'h> {
    rest: &'h [u8],
    name: &'h Name,
}

impl<'h> AllHidden<'h> {
    /// Pairs that stand together. There may be thousands of two bytes.
    #[inline(always)]
    fn next_pairs(&mut self) -> Option<Hidden<'h>> {
        let (from, mut value) = self.next_pair()?;
        loop {
            self.rest = from_end(value);
            match self.pair_here() {
                Some(next) => value = next,
                None => break,
            }
        }
        Some(Hidden {
            from,
            behind: self.rest,
        })
    }

    /// An id with its mark.
    #[inline(always)]
    fn next_prefix(&mut self) -> Option<Hidden<'h>> {
        loop {
            let (_, value) = self.next_pair()?;
            if let Some(mark) = self.pass(value) {
                let from = match value.first() {
                    Some(first) if *first > b'"' => value,
                    _ => without_quote(value),
                };
                let behind = value.get(mark.wrapping_add(1)..)?;
                return Some(Hidden { from, behind });
            }
        }
    }

    /// Goes to the end of the pair that has this value, and returns where the mark is in it.
    #[inline(always)]
    fn pass(&mut self, value: &'h [u8]) -> Option<usize> {
        if let Some(word) = value.first_chunk() {
            let ends = places_in_word(b';', word);
            if ends != 0 {
                let marks = places_in_word(PREFIX_END, word);
                self.rest = value.get(lowest(ends)..)?;
                let is_before = marks.trailing_zeros() < ends.trailing_zeros();
                return is_before.then(|| lowest(marks));
            }
        }
        self.rest = from_end(value);
        find(PREFIX_END, until(value, self.rest))
    }

    /// The next pair of the name, from the semicolon before it on, and its value.
    #[inline(always)]
    fn next_pair(&self) -> Option<(&'h [u8], &'h [u8])> {
        match self.pair_here() {
            Some(value) => Some((self.rest, value)),
            None => self.pair_farther(),
        }
    }

    /// The value of the pair behind this semicolon, if it is one of the name.
    #[inline(always)]
    fn pair_here(&self) -> Option<&'h [u8]> {
        value_of(self.rest.strip_prefix(b";")?, self.name)
    }

    #[inline(never)]
    fn pair_farther(&self) -> Option<(&'h [u8], &'h [u8])> {
        let Found { before, behind } = self.name.pairs(self.rest, 0).next()?;
        Some((self.rest.get(before.len()..)?, behind))
    }
}

/// Cuts white space, and the quote in which a user agent may have put the id.
#[cold]
#[inline(never)]
fn without_quote(value: &[u8]) -> &[u8] {
    let value = trim_start(value);
    value.strip_prefix(b"\"").unwrap_or(value)
}

/// The value that begins a text, if this is a pair of this name.
#[inline(always)]
fn value_of<'h>(pair: &'h [u8], name: &Name) -> Option<&'h [u8]> {
    match name.strip_usual(pair) {
        Some(value) => Some(value),
        None => trim_start(name.strip(trim_start(pair))?).strip_prefix(b"="),
    }
}

/// A text from its first semicolon on.
#[inline(always)]
fn from_end(text: &[u8]) -> &[u8] {
    find_near(b';', text)
        .and_then(|end| text.get(end..))
        .unwrap_or_default()
}

/// [`find`] where the byte mostly is near.
#[inline(always)]
fn find_near(byte: u8, text: &[u8]) -> Option<usize> {
    let Some(word) = text.first_chunk() else {
        return text.iter().position(|other| *other == byte);
    };
    match places_in_word(byte, word) {
        0 => find_farther(byte, text),
        places => Some(lowest(places)),
    }
}

/// How near that is.
const NEAR: usize = 8;

/// In which places of a word the byte stands: the upper bit of each.
#[inline(always)]
fn places_in_word(byte: u8, word: &[u8; NEAR]) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let other = u64::from_le_bytes(*word) ^ u64::from_le_bytes([byte; NEAR]);
    !((other & LOW).wrapping_add(LOW) | other | LOW)
}

/// The first of these places.
#[inline(always)]
fn lowest(places: u64) -> usize {
    places.trailing_zeros() as usize / 8
}

#[inline(never)]
fn find_farther(byte: u8, text: &[u8]) -> Option<usize> {
    let rest = text.get(NEAR..)?;
    Some(find(byte, rest)?.wrapping_add(NEAR))
}

/// Writes the field without what a rule hides, of which `first` is the first; nothing, if nothing is left.
///
/// The other pairs stay to the byte, in order. What is written is never longer than `field`.
#[inline]
pub fn strip<'h>(field: &'h [u8], first: Hidden<'h>, rule: &Rule<'h>, out: &mut impl Sink) {
    let mut rest = first.behind;
    let before = without_separators(until(field, first.from));
    let is_empty = match rule.hide {
        Hide::Pair => {
            let mut others = AllHidden {
                rest,
                name: rule.name,
            };
            let mut is_empty = !put_pairs(before, true, out);
            while let Some(hidden) = others.next_pairs() {
                is_empty &= !put_pairs(until(rest, hidden.from), is_empty, out);
                rest = hidden.behind;
            }
            is_empty
        }
        Hide::Prefix => {
            let mut others = AllHidden {
                rest: from_end(rest),
                name: rule.name,
            };
            out.put_piece(before);
            while let Some(hidden) = others.next_prefix() {
                out.put_piece(until(rest, hidden.from));
                rest = hidden.behind;
            }
            false
        }
    };
    put_pairs(rest, is_empty, out);
}

/// The start of a text, where `end` is its end.
#[inline(always)]
fn until<'t>(text: &'t [u8], end: &[u8]) -> &'t [u8] {
    let length = text.len().wrapping_sub(end.len());
    text.get(..length).unwrap_or_default()
}

/// What a rule hides of a field.
#[derive(Clone, Copy, Debug)]
pub enum Hides<'h> {
    /// Nothing: no pair has the name.
    Nothing,
    /// One pair, or the prefix in it.
    One(One<'h>),
    /// Several pairs, or one that has no prefix to hide.
    Else,
}

/// The only pair that has the name, and what is left of the field.
#[derive(Clone, Copy, Debug)]
pub struct One<'h> {
    /// What is hidden and means something: the value of the pair, or the id that is a prefix of it.
    pub said: &'h [u8],
    /// What [`strip`] would write, in two pieces. Both are empty if nothing is left.
    pub left: [&'h [u8]; 2],
}

/// Looks what a rule hides of a field, and what is left then, without writing it.
#[inline(always)]
pub fn hides<'h>(field: &'h [u8], rule: &Rule) -> Hides<'h> {
    let Some(found) = rule.name.find(field, field) else {
        return Hides::Nothing;
    };
    match one(field, found, rule) {
        Some(one) => Hides::One(one),
        None => Hides::Else,
    }
}

/// The same of a field in which this pair has the name.
#[inline(always)]
fn one<'h>(field: &'h [u8], found: Found<'h>, rule: &Rule) -> Option<One<'h>> {
    let Found { before, behind } = found;
    let (said, before, after) = match rule.hide {
        Hide::Pair => {
            let (value, after) = split_value(behind)?;
            (trimmed(value), without_trailing(before), after)
        }
        // Where the application's value ends need not be known.
        Hide::Prefix => {
            let (id, application) = split_prefix(trim_start(behind))?;
            if contains(b';', id) {
                return None;
            }
            // It is the end of the field, and stands behind the id and its mark.
            let mark = field.len().wrapping_sub(application.len());
            let before = mark.wrapping_sub(id.len()).wrapping_sub(1);
            (id, field.get(..before)?, application)
        }
    };
    if rule.name.find(field, after).is_some() {
        return None;
    }
    let (before, mut after) = (without_separators(before), without_trailing(after));
    if before.is_empty() {
        // The second cuts nothing then, and is not called.
        after = without_separators(after.strip_prefix(b"; ").unwrap_or(after));
    }
    Some(One {
        said,
        left: [before, after],
    })
}

/// Writes pairs, with the semicolon before them unless they are the first; `false`: there are none.
#[inline]
fn put_pairs(pairs: &[u8], is_first: bool, out: &mut impl Sink) -> bool {
    let mut pairs = without_trailing(pairs);
    if is_first {
        pairs = without_separators(pairs);
    }
    if pairs.is_empty() {
        return false;
    }
    out.put_piece(pairs);
    true
}

/// Cuts white space at both ends, of which there mostly is none: hardly anything begins or ends with a byte up to
/// the space.
#[inline(always)]
fn trimmed(text: &[u8]) -> &[u8] {
    match text {
        [first, .., last] if *first > b' ' && *last > b' ' => text,
        _ => trimmed_slowly(text),
    }
}

#[cold]
#[inline(never)]
fn trimmed_slowly(text: &[u8]) -> &[u8] {
    trim(text)
}

/// Cuts semicolons and white space at the end, of which there mostly are none.
#[inline(always)]
fn without_trailing(text: &[u8]) -> &[u8] {
    match text.last() {
        Some(last) if is_separator(*last) => without_trailing_slowly(text),
        _ => text,
    }
}

#[cold]
#[inline(never)]
fn without_trailing_slowly(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_separator(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Cuts semicolons and white space at the start, of which there mostly are none.
#[inline(always)]
fn without_separators(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(first) if is_separator(*first) => without_separators_slowly(text),
        _ => text,
    }
}

#[cold]
#[inline(never)]
fn without_separators_slowly(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_separator(*first) {
            break;
        }
        text = rest;
    }
    text
}

/// Is it what stands between pairs?
fn is_separator(byte: u8) -> bool {
    byte == b';' || is_ows(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::BLOCK;
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
            ("; s=v;", "; s=v;"),
            ("s=v; s=ID~w", "s=v; s=w"),
            ("s=ID~; a=b", "s=; a=b"),
            (" s=ID~v;", "s=v"),
            ("s = ID~ ; c=d", "s =  ; c=d"),
        ] {
            assert_eq!(stripped(field, "s", Hide::Prefix), left, "{field}");
        }
    }

    fn by_eye(field: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
        let pairs = field.split(|byte| *byte == b';');
        pairs
            .filter_map(|pair| after_name(pair, name))
            .map(|value| trim(value).to_vec())
            .collect()
    }

    /// Any bytes, and many that matter.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let of_names = proptest::sample::select(b"abcABC =;~\"\t".to_vec());
        proptest::collection::vec(prop_oneof![any::<u8>(), of_names.clone(), of_names], 0..80)
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

        #[test]
        fn any_bytes_are_read_and_stripped(field in bytes(), name in "[a-c]{1,2}") {
            let name = &Name::new(name.as_bytes());
            prop_assert!(values(&field, name).count() <= field.len());
            for hide in [Hide::Pair, Hide::Prefix] {
                let rule = Rule { name, hide };
                let said: Vec<_> = values(&field, name)
                    .map(|value| match hide {
                        Hide::Pair => Some(value),
                        Hide::Prefix => split_prefix(value).map(|(id, _)| id),
                    })
                    .collect();
                let first = first_hidden(&field, &rule);
                prop_assert_eq!(first.is_some(), said.iter().any(Option::is_some));
                let left = first.map(|first| {
                    let mut left = Vec::new();
                    strip(&field, first, &rule, &mut left);
                    left
                });
                prop_assert!(left.iter().all(|left| left.len() < field.len()));
                match (hides(&field, &rule), said.as_slice()) {
                    (Hides::Nothing, []) | (Hides::Else, [None] | [_, _, ..]) => {}
                    (Hides::One(one), [Some(said)]) => {
                        prop_assert_eq!(Some(one.left.concat()), left);
                        prop_assert_eq!(one.said, *said);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }

        /// What a client would send that wants the search to be long: a few pieces, over and over, which are parts of the
        /// name, or nearly the cookie.
        #[test]
        fn a_name_is_found_among_what_is_nearly_it(
            name in prop_oneof!["a{1,3}", "a{7,9}", "a{20}", "[ab]{1,9}", "ab{15,17}"],
            pieces in proptest::collection::vec((0_usize..10, 1_usize..20), 1..5),
        ) {
            let mut field = Vec::new();
            let start = &name[..name.len() / 2];
            for (piece, times) in pieces {
                let piece = match piece {
                    0 => name.clone(),
                    1 => alloc::format!("{name};"),
                    2 => alloc::format!("; {start}"),
                    3 => alloc::format!("{start}=;"),
                    4 => alloc::format!("{name}=;"),
                    5 => alloc::format!("{name}=x; "),
                    6 => alloc::format!(";\t{name} \t= ~y"),
                    7 => alloc::format!(" {name}={name}"),
                    8 => alloc::string::String::from(" "),
                    _ => alloc::string::String::from(";"),
                };
                field.extend_from_slice(piece.repeat(times).as_bytes());
            }
            let ready = &Name::new(name.as_bytes());
            let expected = by_eye(&field, name.as_bytes());
            prop_assert_eq!(values(&field, ready).map(<[u8]>::to_vec).collect::<Vec<_>>(), expected.clone());
            for hide in [Hide::Pair, Hide::Prefix] {
                let left = stripped(core::str::from_utf8(&field).unwrap(), &name, hide);
                let left = by_eye(left.as_bytes(), name.as_bytes());
                let cut = |value: &Vec<u8>| match split_prefix(value) {
                    Some((_, rest)) => trim(rest).to_vec(),
                    None => value.clone(),
                };
                match hide {
                    Hide::Pair => prop_assert!(left.is_empty()),
                    Hide::Prefix => prop_assert_eq!(left, expected.iter().map(cut).collect::<Vec<_>>()),
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
