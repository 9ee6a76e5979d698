//! Hiding a cookie in a `Cookie` field: pairs of a name, or the prefixes of their values.

use super::name::{split_value, Found, Name};
use crate::bytes::{
    contains, find, find_near, is_ows, lowest_in_word, places_in_word, trim_start, trimmed, Sink,
};
use crate::id::{split_prefix, PREFIX_END};

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
                self.rest = value.get(lowest_in_word(ends)..)?;
                let is_before = marks.trailing_zeros() < ends.trailing_zeros();
                return is_before.then(|| lowest_in_word(marks));
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
    use super::super::name::after_name;
    use super::super::name::oracle::by_eye;
    use super::super::values;
    use super::*;
    use crate::bytes::trim;
    use alloc::vec::Vec;
    use proptest::prelude::*;

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

    /// What is left of a field of which something is hidden, found pair by pair.
    fn by_hand(field: &[u8], name: &[u8], hide: Hide) -> Vec<u8> {
        let (mut left, mut kept) = (Vec::new(), Vec::new());
        let mut put = |kept: &mut Vec<u8>, trailing| {
            let text = if trailing {
                &kept[..]
            } else {
                without_trailing(kept)
            };
            let is_first = left.is_empty();
            left.extend_from_slice(if is_first {
                without_separators(text)
            } else {
                text
            });
            kept.clear();
            left.clone()
        };
        for (number, pair) in field.split(|byte| *byte == b';').enumerate() {
            let value = after_name(pair, name);
            if value.is_some() && hide == Hide::Pair {
                put(&mut kept, false);
                continue;
            }
            kept.extend_from_slice(if number == 0 { b"" } else { b";" });
            kept.extend_from_slice(pair);
            let mark = value.and_then(|value| value.iter().position(|byte| *byte == PREFIX_END));
            if let (Some(value), Some(mark)) = (value, mark) {
                let id = trim_start(value);
                let id = id.strip_prefix(b"\"").unwrap_or(id);
                kept.truncate(kept.len() - id.len());
                put(&mut kept, true);
                kept.extend_from_slice(&value[mark + 1..]);
            }
        }
        put(&mut kept, false)
    }

    /// Any bytes, and many that matter.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let of_names = proptest::sample::select(b"abcABC =;~\"\t".to_vec());
        proptest::collection::vec(prop_oneof![any::<u8>(), of_names.clone(), of_names], 0..80)
    }

    proptest! {
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
                if let Some(left) = &left {
                    prop_assert_eq!(left, &by_hand(&field, name, hide));
                }
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
                if left.as_bytes() != field {
                    prop_assert_eq!(left.as_bytes(), by_hand(&field, name.as_bytes(), hide));
                }
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
