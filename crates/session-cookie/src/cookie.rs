//! The request's `Cookie` field (RFC 6265, section 4.2): finding values by name, hiding pairs.
//!
//! A field is pairs between semicolons. As user agents do, a semicolon separates inside double quotes
//! too (RFC 6265, section 5.2). Names are compared exactly, case and all.

use alloc::boxed::Box;
use core::fmt::{self, Debug, Formatter};
use core::ops::Deref;

use crate::text::{find, is_ows, trim, trim_end, trim_start, Sink};

/// The name of a cookie, made ready to be searched for.
#[derive(Clone)]
pub struct Name {
    text: Box<[u8]>,
    /// The first byte and the second, as often as a block has bytes; both are zero if there is no second.
    first: [u8; BLOCK],
    second: [u8; BLOCK],
    /// The first bytes as a number, and which of its bits are of the name.
    word: u64,
    mask: u64,
}

impl Name {
    /// Takes a name, which is a token (RFC 6265, section 4.1.1).
    pub fn new(name: &[u8]) -> Self {
        let (mut word, mut mask) = ([0; WORD], [0; WORD]);
        for (place, byte) in word.iter_mut().zip(name) {
            *place = *byte;
        }
        for (place, _) in mask.iter_mut().zip(name) {
            *place = u8::MAX;
        }
        let [first, second] = name.first_chunk().copied().unwrap_or_default();
        Name {
            text: name.into(),
            first: [first; BLOCK],
            second: [second; BLOCK],
            word: u64::from_le_bytes(word),
            mask: u64::from_le_bytes(mask),
        }
    }

    /// What follows the name at the start of a text.
    #[inline(always)]
    pub(crate) fn strip<'t>(&self, text: &'t [u8]) -> Option<&'t [u8]> {
        text.get(self.text.len()..).filter(|_| self.begins(text))
    }

    /// Does the text begin with the name?
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

    /// Where the name stands first, from `from` on, be it a part of another name or of a value.
    ///
    /// What is searched is mostly shorter than what a search with vector instructions by a library pays for,
    /// and the call of it (docs/performance.md).
    #[inline(always)]
    fn find(&self, field: &[u8], from: usize) -> Option<usize> {
        let mut rest = field.get(from..)?;
        if self.text.len() > 1 {
            while let Some(window) = rest.first_chunk::<WINDOW>() {
                if !self.has_pair(window) {
                    rest = rest.get(BLOCK..)?;
                    continue;
                }
                rest = rest.get(self.find_pair(window)..)?;
                if self.begins(rest) {
                    return Some(field.len().wrapping_sub(rest.len()));
                }
                rest = rest.get(1..)?;
            }
            // Of a field that is long enough, the last bytes are looked at together with some before them.
            if field
                .last_chunk()
                .is_some_and(|window| !self.has_pair(window))
            {
                return None;
            }
        }
        self.find_slowly(field, field.len().wrapping_sub(rest.len()))
    }

    /// Do the first two bytes of the name stand side by side somewhere?
    #[inline(always)]
    fn has_pair(&self, window: &[u8; WINDOW]) -> bool {
        let ([these @ .., _], [_, next @ ..]) = (window, window);
        let pairs = these.iter().zip(next);
        // The compiler makes two comparisons of this.
        pairs
            .zip(self.first.iter().zip(&self.second))
            .fold(false, |is_in, ((this, next), (first, second))| {
                is_in | ((this == first) & (next == second))
            })
    }

    /// Where they do, in a window that has them.
    #[inline(always)]
    fn find_pair(&self, window: &[u8; WINDOW]) -> usize {
        let different = |at: usize| {
            let word = |text: &[u8], at| {
                let word = text.get(at..).and_then(|text| text.first_chunk());
                word.map_or(u64::MAX, |word| u64::from_le_bytes(*word))
            };
            let first = word(window, at) ^ word(&self.first, 0);
            first | (word(window, at.saturating_add(1)) ^ word(&self.second, 0))
        };
        match zero_byte(different(0)) {
            Some(at) => at,
            None => zero_byte(different(WORD)).map_or(BLOCK, |at| at.saturating_add(WORD)),
        }
    }

    /// The same for names of one byte, and for the end of a field.
    #[inline(never)]
    fn find_slowly(&self, field: &[u8], mut from: usize) -> Option<usize> {
        let first = *self.text.first()?;
        loop {
            from = find(first, field.get(from..)?)?.checked_add(from)?;
            if self.begins(field.get(from..)?) {
                return Some(from);
            }
            from = from.checked_add(1)?;
        }
    }
}

/// Bytes of a word, and of a vector register that every processor has; and what holds a pair for each of
/// these.
const WORD: usize = 8;
const BLOCK: usize = 16;
const WINDOW: usize = BLOCK + 1;

/// The first byte of a word that is zero: the lowest whose highest bit the subtraction sets where it was
/// not set before.
#[inline(always)]
fn zero_byte(word: u64) -> Option<usize> {
    let zeros = word.wrapping_sub(REPEAT) & !word & REPEAT.wrapping_mul(0x80);
    (zeros != 0).then_some((zeros.trailing_zeros() / u8::BITS) as usize)
}

const REPEAT: u64 = 0x0101_0101_0101_0101;

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
        let at = name.find(field, from)?;
        from = at.wrapping_add(1);

        // The name may also be a part of another, or of a value.
        let before = trim_end(field.get(..at)?);
        if !matches!(before.last(), None | Some(b';')) {
            continue;
        }
        let after = field.get(at.wrapping_add(name.len())..)?;
        let Some(value) = trim_start(after).strip_prefix(b"=") else {
            continue;
        };

        // It is the end of the field.
        let start = field.len().wrapping_sub(value.len());
        return Some(Place {
            start: before.len(),
            value: start,
            end: find(b';', value).map_or(field.len(), |end| start.wrapping_add(end)),
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
#[inline]
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

/// Writes the field without what a rule hides, of which `first` is the first; nothing, if nothing is left.
///
/// The other pairs stay to the byte, in order. What is written is never longer than `field`.
#[inline]
pub fn strip(field: &[u8], first: Hidden, rule: &Rule, out: &mut impl Sink) {
    let mut is_empty = true;
    // What was not decided about: the start of the field, or what follows something hidden.
    let mut rest = 0;

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
    }
    put_pairs(field.get(rest..).unwrap_or_default(), is_empty, out);
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
    let Some(pair) = next_pair(field, 0, rule.name) else {
        return Hides::Nothing;
    };
    match one(field, pair, rule) {
        Some(one) => Hides::One(one),
        None => Hides::Else,
    }
}

#[inline(always)]
fn one<'h>(field: &'h [u8], pair: Place, rule: &Rule) -> Option<One<'h>> {
    if next_pair(field, pair.end, rule.name).is_some() {
        return None;
    }
    let value = trim_start(field.get(pair.value..pair.end)?);
    let (said, before, after) = match rule.hide {
        Hide::Pair => {
            let before = without_trailing(field.get(..pair.start)?);
            (trim_end(value), before, field.get(pair.end..)?)
        }
        Hide::Prefix => {
            let (id, application) = split_prefix(value)?;
            // Both are parts of the value.
            let application = pair.end.wrapping_sub(application.len());
            let mark = application.wrapping_sub(id.len()).wrapping_sub(1);
            (id, field.get(..mark)?, field.get(application..)?)
        }
    };
    let (before, mut after) = (without_separators(before), without_trailing(after));
    if before.is_empty() {
        after = without_separators(after);
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
    out.put(pairs);
    true
}

/// Cuts semicolons and white space at the end.
#[inline]
fn without_trailing(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., b';' | b' ' | b'\t'] = text {
        text = rest;
    }
    text
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

        #[test]
        fn any_bytes_are_read_and_stripped(field in bytes(), name in "[a-c]{1,2}") {
            let name = &Name::new(name.as_bytes());
            prop_assert!(values(&field, name).count() <= field.len());
            for hide in [Hide::Pair, Hide::Prefix] {
                let rule = Rule { name, hide };
                let first = first_hidden(&field, &rule);
                prop_assert_eq!(first.map(|first| first.value(&field)), values(&field, name).next());
                if let Some(first) = first {
                    let mut left = Vec::new();
                    strip(&field, first, &rule, &mut left);
                    prop_assert!(left.len() <= field.len());
                    let several = values(&field, name).count() > 1;
                    let split = split_prefix(first.value(&field)).filter(|_| hide == Hide::Prefix);
                    match hides(&field, &rule) {
                        Hides::One(one) => {
                            prop_assert!(!several);
                            prop_assert_eq!(one.left.concat(), left);
                            let said = split.map_or(first.value(&field), |(id, _)| id);
                            prop_assert_eq!(one.said, said);
                        }
                        Hides::Else => {
                            prop_assert!(several || (hide == Hide::Prefix && split.is_none()));
                        }
                        Hides::Nothing => prop_assert!(false, "a pair was found"),
                    }
                } else {
                    prop_assert!(matches!(hides(&field, &rule), Hides::Nothing));
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
