//! The `Cookie` field of a request: values by name, and hiding.

#![cfg_attr(feature = "libfuzzer", no_main)]

use arbitrary::Arbitrary;
use session_cookie::cookie::{values, Copies, Follow, HiddenPart, HidePlan, HideRule, Name};
use session_cookie::id::split_prefix;
use session_cookie_fuzz::{fuzz_target, parted, text, trimmed, unquoted, written, NAMES};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: u8,
    field: &'a [u8],
}

/// Returns the values of a name, found in a slow and simple way.
fn expected<'h>(field: &'h [u8], name: &[u8]) -> Vec<&'h [u8]> {
    field
        .split(|byte| *byte == b';')
        .filter_map(parted)
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value)
        .collect()
}

/// Returns the value of a hidden pair, or the hidden ID of a prefixed value.
fn hidden<'h>(value: &'h [u8], part: HiddenPart) -> Option<&'h [u8]> {
    match part {
        HiddenPart::Pair => Some(value),
        HiddenPart::Prefix => split_prefix(value).map(|(id, _)| id),
    }
}

/// Returns the field without the parts hidden by the rule.
fn stripped(field: &[u8], rule: &HideRule) -> Vec<u8> {
    let hidden: Vec<_> = values(field, rule.name)
        .map(|value| hidden(value, rule.part))
        .collect();
    let first = rule.first_span(field);
    assert_eq!(first.is_some(), hidden.iter().any(Option::is_some));
    let left = match first {
        Some(first) => written(field.len(), |out| rule.strip(field, first, out)),
        None => field.to_vec(),
    };
    match (rule.plan(field), hidden.as_slice()) {
        (HidePlan::Unchanged, []) | (HidePlan::Strip, [None] | [_, _, ..]) => {}
        (HidePlan::Single(single), [Some(hidden)]) => {
            assert_eq!(single.rest.concat(), left);
            assert_eq!(single.value, *hidden);
        }
        other => panic!("{other:?}"),
    }
    left
}

fn is_blank(segment: Option<&[u8]>) -> bool {
    segment.is_none_or(|segment| trimmed(segment).is_empty())
}

/// Returns the number of blank segments.
fn blanks(field: &[u8]) -> usize {
    let segments = field.split(|byte| *byte == b';');
    let blank = |segment: &&[u8]| !field.is_empty() && is_blank(Some(segment));
    segments.filter(blank).count()
}

/// Returns the value that the upstream server should receive for `value` in prefix mode.
fn without_prefix(value: &[u8]) -> Vec<u8> {
    let Some((id, application)) = split_prefix(value) else {
        assert!(!value.contains(&b'~'));
        return value.to_vec();
    };
    let quote: &[u8] = if value.starts_with(b"\"") { b"\"" } else { b"" };
    assert!(!id.contains(&b'~'));
    assert_eq!([quote, id, b"~", application].concat(), value);
    trimmed(&[quote, application].concat()).to_vec()
}

fuzz_target!(|input: Input| {
    let field = text(input.field);
    let name = NAMES[usize::from(input.name) % NAMES.len()];

    for name in NAMES {
        let name = &Name::new(name).unwrap();
        let found: Vec<_> = values(&field, name).collect();
        assert_eq!(found, expected(&field, name));

        // For a followed cookie of the application: the client has a session if the cookie has a value.
        let has_value = |value: &&[u8]| !unquoted(value).is_empty();
        let is_there = expected(&field, name).iter().any(has_value);
        let follow = Follow::new(name, Copies::ALL).unwrap();
        assert_eq!(follow.is_in([&field[..]].into_iter()), is_there);
        let beginning = Follow::new(&[name, &b"*"[..]].concat(), Copies::ALL).unwrap();
        assert!(beginning.is_in([&field[..]].into_iter()) || !is_there);
    }

    for part in [HiddenPart::Pair, HiddenPart::Prefix] {
        let ready = &Name::new(name).unwrap();
        let left = stripped(&field, &HideRule { name: ready, part });

        if !expected(&field, name)
            .into_iter()
            .any(|value| hidden(value, part).is_some())
        {
            assert_eq!(left, field);
            continue;
        }
        // There are no more blank segments than before, and none at either end.
        assert!(blanks(&left) <= blanks(&field));
        if part == HiddenPart::Pair {
            assert!(left.is_empty() || !is_blank(left.split(|byte| *byte == b';').next()));
            assert!(left.is_empty() || !is_blank(left.rsplit(|byte| *byte == b';').next()));
        }
        assert!(!left.starts_with(b" ") && !left.starts_with(b"\t"));

        for other in NAMES.into_iter().filter(|other| *other != name) {
            assert_eq!(expected(&left, other), expected(&field, other));
        }
        let own = expected(&left, name);
        match part {
            HiddenPart::Pair => {
                assert!(own.is_empty());
                assert_eq!(stripped(&left, &HideRule { name: ready, part }), left);
            }
            HiddenPart::Prefix => {
                let want: Vec<_> = expected(&field, name)
                    .into_iter()
                    .map(without_prefix)
                    .collect();
                assert_eq!(own, want);
            }
        }
    }
});
