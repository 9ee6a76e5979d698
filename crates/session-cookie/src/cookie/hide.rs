//! Hides a cookie in a `Cookie` field: its pairs, or the prefixes of their values.
//!
//! A [`HideRule`] specifies the cookie and the [`HiddenPart`] of it. [`HideRule::plan`] returns the effect of the rule
//! on a field without writing the field: a [`HidePlan`]. If the plan does not contain the result, [`HideRule::strip`]
//! writes the field without any [`HiddenSpan`].

use super::name::{split_value, Found, Name};
use crate::bytes::{
    contains, find, find_near, is_ows, lowest_in_word, places_in_word, trim_start, trimmed, Sink,
};
use crate::id::{split_prefix, PREFIX_END};

/// The part of a cookie that is hidden from the upstream server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HiddenPart {
    /// The whole pair.
    Pair,
    /// The start of the value: the ID and [`PREFIX_END`], which precede the value set by the application.
    Prefix,
}

/// A cookie to hide from upstream servers.
///
/// ```
/// use session_cookie::cookie::{HiddenPart, HidePlan, HideRule, Name};
///
/// let name = &Name::new(b"route")?;
/// let rule = HideRule { name, part: HiddenPart::Pair };
///
/// let HidePlan::Single(single) = rule.plan(b"a=b; route=id; c=d") else { panic!() };
/// assert_eq!(single.value, b"id");
/// assert_eq!(single.rest.concat(), b"a=b; c=d");
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HideRule<'n> {
    /// The name of the cookie.
    pub name: &'n Name,
    /// The part of it that is hidden.
    pub part: HiddenPart,
}

/// A part of a field that a rule hides entirely: adjacent pairs with the semicolon before them, or an ID with [`PREFIX_END`].
#[derive(Clone, Copy, Debug)]
pub struct HiddenSpan<'h> {
    /// The field from the start of the span on, and after the end of the span.
    from: &'h [u8],
    behind: &'h [u8],
}

/// The effect of a rule on a field.
#[derive(Clone, Copy, Debug)]
pub enum HidePlan<'h> {
    /// The field is unchanged: no pair has the name.
    Unchanged,
    /// Exactly one pair has the name, and the rest of the field is known.
    Single(SinglePair<'h>),
    /// The field has to be rewritten by [`HideRule::strip`] if [`HideRule::first_span`] finds anything: several pairs
    /// have the name, or one that has no prefix to hide.
    Strip,
}

/// The only pair of a field that has the name, and the rest of the field.
#[derive(Clone, Copy, Debug)]
pub struct SinglePair<'h> {
    /// The value of the pair, or the ID that is its prefix.
    pub value: &'h [u8],
    /// The bytes that [`HideRule::strip`] would write, in two pieces. Both are empty if nothing remains.
    pub rest: [&'h [u8]; 2],
}

impl HideRule<'_> {
    /// Returns the first part of a field that the rule hides.
    #[inline]
    pub fn first_span<'h>(&self, field: &'h [u8]) -> Option<HiddenSpan<'h>> {
        let Found { before, .. } = self.name.find(field, field)?;
        let mut spans = Spans {
            rest: field.get(before.len()..)?,
            name: self.name,
        };
        match self.part {
            HiddenPart::Pair => spans.next_pairs(),
            HiddenPart::Prefix => spans.next_prefix(),
        }
    }

    /// Writes the field without its hidden parts, the first of which is `first`. Writes nothing if nothing remains.
    ///
    /// The other pairs are copied byte for byte, in order. The output is never longer than `field`.
    #[inline]
    pub fn strip<'h>(&self, field: &'h [u8], first: HiddenSpan<'h>, out: &mut impl Sink) {
        let mut rest = first.behind;
        let before = without_separators(until(field, first.from));
        let is_empty = match self.part {
            HiddenPart::Pair => {
                let mut others = Spans {
                    rest,
                    name: self.name,
                };
                let mut is_empty = !put_pairs(before, true, out);
                while let Some(hidden) = others.next_pairs() {
                    is_empty &= !put_pairs(until(rest, hidden.from), is_empty, out);
                    rest = hidden.behind;
                }
                is_empty
            }
            HiddenPart::Prefix => {
                let mut others = Spans {
                    rest: from_end(rest),
                    name: self.name,
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

    /// Returns the effect of the rule on a field, without writing the field.
    #[inline(always)]
    pub fn plan<'h>(&self, field: &'h [u8]) -> HidePlan<'h> {
        let Some(found) = self.name.find(field, field) else {
            return HidePlan::Unchanged;
        };
        match self.single(field, found) {
            Some(single) => HidePlan::Single(single),
            None => HidePlan::Strip,
        }
    }

    /// Returns the found pair if no other pair has the name.
    #[inline(always)]
    fn single<'h>(&self, field: &'h [u8], found: Found<'h>) -> Option<SinglePair<'h>> {
        let Found { before, behind } = found;
        let (value, before, after) = match self.part {
            HiddenPart::Pair => {
                let (value, after) = split_value(behind)?;
                (trimmed(value), without_trailing(before), after)
            }
            // The end of the application's value is not needed.
            HiddenPart::Prefix => {
                let (id, application) = split_prefix(trim_start(behind))?;
                if contains(b';', id) {
                    return None;
                }
                // `application` is the end of the field. The ID and its mark precede it.
                let mark = field.len().wrapping_sub(application.len());
                let before = mark.wrapping_sub(id.len()).wrapping_sub(1);
                (id, field.get(..before)?, application)
            }
        };
        if self.name.find(field, after).is_some() {
            return None;
        }
        let (before, mut after) = (without_separators(before), without_trailing(after));
        if before.is_empty() {
            // In the usual case, `without_separators` removes nothing more and makes no call.
            after = without_separators(after.strip_prefix(b"; ").unwrap_or(after));
        }
        Some(SinglePair {
            value,
            rest: [before, after],
        })
    }
}

/// Finds spans in `rest`, the last part of a field, which begins where the field or one of its pairs begins or ends.
struct Spans<'h, 'n> {
    rest: &'h [u8],
    name: &'n Name,
}

impl<'h> Spans<'h, '_> {
    /// Returns the next span of adjacent pairs. A client may send thousands of pairs of two bytes.
    #[inline(always)]
    fn next_pairs(&mut self) -> Option<HiddenSpan<'h>> {
        let (from, mut value) = self.next_pair()?;
        loop {
            self.rest = from_end(value);
            match self.adjacent_pair() {
                Some(next) => value = next,
                None => break,
            }
        }
        Some(HiddenSpan {
            from,
            behind: self.rest,
        })
    }

    /// Returns the next ID with its mark.
    #[inline(always)]
    fn next_prefix(&mut self) -> Option<HiddenSpan<'h>> {
        loop {
            let (_, value) = self.next_pair()?;
            if let Some(mark) = self.pass(value) {
                let from = match value.first() {
                    Some(first) if *first > b'"' => value,
                    _ => without_quote(value),
                };
                let behind = value.get(mark.wrapping_add(1)..)?;
                return Some(HiddenSpan { from, behind });
            }
        }
    }

    /// Advances to the end of the pair with this value, and returns the place of the mark in the value.
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

    /// Returns the next pair of the name: the text from the semicolon before it on, and the text after its equals sign.
    #[inline(always)]
    fn next_pair(&self) -> Option<(&'h [u8], &'h [u8])> {
        match self.adjacent_pair() {
            Some(value) => Some((self.rest, value)),
            None => self.distant_pair(),
        }
    }

    /// Returns the text after the equals sign of the pair after this semicolon, if the pair has the name.
    #[inline(always)]
    fn adjacent_pair(&self) -> Option<&'h [u8]> {
        self.name.value_of(self.rest.strip_prefix(b";")?)
    }

    #[inline(never)]
    fn distant_pair(&self) -> Option<(&'h [u8], &'h [u8])> {
        let Found { before, behind } = self.name.pairs(self.rest, 0).next()?;
        Some((self.rest.get(before.len()..)?, behind))
    }
}

/// Removes white space, and the quote that a user agent may have put before the ID.
#[cold]
#[inline(never)]
fn without_quote(value: &[u8]) -> &[u8] {
    let value = trim_start(value);
    value.strip_prefix(b"\"").unwrap_or(value)
}

/// Returns a text from its first semicolon on.
#[inline(always)]
fn from_end(text: &[u8]) -> &[u8] {
    find_near(b';', text)
        .and_then(|end| text.get(end..))
        .unwrap_or_default()
}

/// Returns the part of a text before its suffix `end`.
#[inline(always)]
fn until<'t>(text: &'t [u8], end: &[u8]) -> &'t [u8] {
    let length = text.len().wrapping_sub(end.len());
    text.get(..length).unwrap_or_default()
}

/// Writes pairs, with the semicolon before them unless they are the first. Returns whether there were any.
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

/// Removes semicolons and white space at the end. Most texts have none.
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

/// Removes semicolons and white space at the start. Most texts have none.
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

/// Returns whether a byte may separate pairs.
fn is_separator(byte: u8) -> bool {
    byte == b';' || is_ows(byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Buffer;
    use alloc::string::String;

    fn stripped(field: &str, name: &str, part: HiddenPart) -> String {
        let name = &Name::new(name.as_bytes()).unwrap();
        let rule = HideRule { name, part };
        let Some(first) = rule.first_span(field.as_bytes()) else {
            return field.into();
        };
        let mut left = Buffer::with_capacity(field.len()).unwrap();
        rule.strip(field.as_bytes(), first, &mut left);
        String::from_utf8(left.as_bytes().to_vec()).unwrap()
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
            assert_eq!(stripped(field, "route", HiddenPart::Pair), left, "{field}");
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
            assert_eq!(stripped(field, "s", HiddenPart::Prefix), left, "{field}");
        }
    }
}
