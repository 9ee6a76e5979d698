//! Compares reading and hiding cookies in arbitrary fields with slow and simple implementations.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use proptest::prelude::*;
use session_cookie::bytes::{trim, trim_start, Sink};
use session_cookie::cookie::{values, HiddenPart, HidePlan, HideRule, Name};
use session_cookie::id::{split_prefix, PREFIX_END};

/// The number of bytes in a vector register. Fields are searched in blocks of this size.
const BLOCK: usize = 16;

/// Returns the value of a pair with this name.
fn value_of<'p>(pair: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
    trim_start(trim_start(pair).strip_prefix(name)?).strip_prefix(b"=")
}

/// Returns the values of a name by examining each pair.
fn values_pair_by_pair(field: &[u8], name: &[u8]) -> Vec<Vec<u8>> {
    let pairs = field.split(|byte| *byte == b';');
    pairs
        .filter_map(|pair| value_of(pair, name))
        .map(|value| trim(value).to_vec())
        .collect()
}

fn is_separator(byte: u8) -> bool {
    matches!(byte, b';' | b' ' | b'\t')
}

fn without_leading(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !is_separator(*byte));
    &text[end.unwrap_or(text.len())..]
}

fn without_trailing(text: &[u8]) -> &[u8] {
    let last = text.iter().rposition(|byte| !is_separator(*byte));
    &text[..last.map_or(0, |last| last + 1)]
}

/// The written text.
#[derive(Default)]
struct Text(Vec<u8>);

impl Sink for Text {
    fn put(&mut self, text: &[u8]) {
        self.0.extend_from_slice(text);
    }
}

/// Returns the field as written by a hiding rule.
fn stripped(field: &str, name: &str, part: HiddenPart) -> String {
    let name = &Name::new(name.as_bytes()).unwrap();
    let rule = HideRule { name, part };
    let Some(first) = rule.first_span(field.as_bytes()) else {
        return field.into();
    };
    let mut left = Text::default();
    rule.strip(field.as_bytes(), first, &mut left);
    String::from_utf8(left.0).unwrap()
}

/// Returns the field with the name hidden, by examining each pair.
fn stripped_pair_by_pair(field: &[u8], name: &[u8], part: HiddenPart) -> Vec<u8> {
    let (mut left, mut kept) = (Vec::new(), Vec::new());
    let mut put = |kept: &mut Vec<u8>, trailing| {
        let text = if trailing {
            &kept[..]
        } else {
            without_trailing(kept)
        };
        let is_first = left.is_empty();
        left.extend_from_slice(if is_first {
            without_leading(text)
        } else {
            text
        });
        kept.clear();
        left.clone()
    };
    for (number, pair) in field.split(|byte| *byte == b';').enumerate() {
        let value = value_of(pair, name);
        if value.is_some() && part == HiddenPart::Pair {
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

/// Generates arbitrary bytes, many of which are significant to the parser.
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
        let pair = format!("; {name}={own};").into_bytes();
        field.splice(at..at, pair);
        let found: Vec<_> = values(&field, &Name::new(name.as_bytes()).unwrap()).map(<[u8]>::to_vec).collect();
        prop_assert!(!found.is_empty());
        prop_assert_eq!(found, values_pair_by_pair(&field, name.as_bytes()));
    }

    /// Fields that end before, at and after block boundaries and contain the name between white space, parts of it, and names
    /// that include it.
    #[test]
    fn a_name_is_found_in_a_field_of_any_length(
        name in prop_oneof!["[a-c]{1,3}", "[a-c]{6,9}", "[a-c]{10,40}"],
        pieces in proptest::collection::vec((0_usize..12, "[ \t]{0,3}", "[a-c]{0,9}"), 0..12),
        blocks in 0_usize..7,
        beyond in 0_usize..4,
    ) {
        let mut field = String::new();
        for (kind, white, other) in &pieces {
            let (start, _) = name.split_at(name.len() / 2);
            field += &match kind {
                0..4 => format!("; {name}={other}"),
                4 => format!(";{white}{name}{white}={white}{other}{white}"),
                5 => format!("{white};{name}={white}"),
                6 => format!("; {other}{white}{name}={other}"),
                7 => format!("; {name}{other}={other}"),
                8 => format!("; {start}={other}"),
                9 => format!("; {other}={white}{name}={other}"),
                10 => format!("{white}{other};;"),
                _ => format!("{name}={other}"),
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
                    let name = &Name::new(name.as_bytes()).unwrap();
                    let found: Vec<_> = values(field, name).map(<[u8]>::to_vec).collect();
                    let expected = values_pair_by_pair(field, name);
                    prop_assert_eq!(&found, &expected);
                    let rule = HideRule { name, part: HiddenPart::Pair };
                    match rule.plan(field) {
                        HidePlan::Unchanged => prop_assert!(expected.is_empty()),
                        HidePlan::Single(single) => prop_assert_eq!(&[single.value.to_vec()][..], expected),
                        HidePlan::Strip => prop_assert!(expected.len() > 1),
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_read_and_stripped(field in bytes(), name in "[a-c]{1,2}") {
        let name = &Name::new(name.as_bytes()).unwrap();
        prop_assert!(values(&field, name).count() <= field.len());
        for part in [HiddenPart::Pair, HiddenPart::Prefix] {
            let rule = HideRule { name, part };
            let hidden: Vec<_> = values(&field, name)
                .map(|value| match part {
                    HiddenPart::Pair => Some(value),
                    HiddenPart::Prefix => split_prefix(value).map(|(id, _)| id),
                })
                .collect();
            let first = rule.first_span(&field);
            prop_assert_eq!(first.is_some(), hidden.iter().any(Option::is_some));
            let left = first.map(|first| {
                let mut left = Text::default();
                rule.strip(&field, first, &mut left);
                left.0
            });
            prop_assert!(left.iter().all(|left| left.len() < field.len()));
            if let Some(left) = &left {
                prop_assert_eq!(left, &stripped_pair_by_pair(&field, name, part));
            }
            match (rule.plan(&field), hidden.as_slice()) {
                (HidePlan::Unchanged, []) | (HidePlan::Strip, [None] | [_, _, ..]) => {}
                (HidePlan::Single(single), [Some(hidden)]) => {
                    prop_assert_eq!(Some(single.rest.concat()), left);
                    prop_assert_eq!(single.value, *hidden);
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }

    /// Fields that a client could send to make the search slow: a few pieces, repeated many times, that are parts of the name or
    /// almost the cookie.
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
                1 => format!("{name};"),
                2 => format!("; {start}"),
                3 => format!("{start}=;"),
                4 => format!("{name}=;"),
                5 => format!("{name}=x; "),
                6 => format!(";\t{name} \t= ~y"),
                7 => format!(" {name}={name}"),
                8 => String::from(" "),
                _ => String::from(";"),
            };
            field.extend_from_slice(piece.repeat(times).as_bytes());
        }
        let ready = &Name::new(name.as_bytes()).unwrap();
        let expected = values_pair_by_pair(&field, name.as_bytes());
        prop_assert_eq!(values(&field, ready).map(<[u8]>::to_vec).collect::<Vec<_>>(), expected.clone());
        for part in [HiddenPart::Pair, HiddenPart::Prefix] {
            let left = stripped(core::str::from_utf8(&field).unwrap(), &name, part);
            if left.as_bytes() != field {
                prop_assert_eq!(left.as_bytes(), stripped_pair_by_pair(&field, name.as_bytes(), part));
            }
            let left = values_pair_by_pair(left.as_bytes(), name.as_bytes());
            let cut = |value: &Vec<u8>| match split_prefix(value) {
                Some((_, rest)) => trim(rest).to_vec(),
                None => value.clone(),
            };
            match part {
                HiddenPart::Pair => prop_assert!(left.is_empty()),
                HiddenPart::Prefix => prop_assert_eq!(left, expected.iter().map(cut).collect::<Vec<_>>()),
            }
        }
    }

    #[test]
    fn a_hidden_name_is_gone_and_the_others_stay(
        pairs in proptest::collection::vec(("[a-d]", "[x-z~\"=]{0,4}"), 0..8),
        separator in "; ?",
    ) {
        let join = |pairs: &[(String, String)]| {
            pairs.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(&separator)
        };
        let others: Vec<_> = pairs.iter().filter(|(name, _)| name != "b").cloned().collect();
        prop_assert_eq!(stripped(&join(&pairs), "b", HiddenPart::Pair), join(&others));
    }
}
