//! The request's `Cookie` field: values by name, and hiding.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session_cookie::cookie::{
    first_hidden, hides, split_prefix, strip, values, Hide, Hides, Name, Rule,
};
use session_cookie_fuzz::{parted, text, trimmed, written, NAMES};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: u8,
    field: &'a [u8],
}

/// The values of a name, by a reading of the field that is slow and plain.
fn expected<'h>(field: &'h [u8], name: &[u8]) -> Vec<&'h [u8]> {
    field
        .split(|byte| *byte == b';')
        .filter_map(parted)
        .filter(|(found, _)| *found == name)
        .map(|(_, value)| value)
        .collect()
}

/// The field without what the rule hides.
fn stripped(field: &[u8], rule: &Rule) -> Vec<u8> {
    let Some(first) = first_hidden(field, rule) else {
        assert!(matches!(hides(field, rule), Hides::Nothing));
        return field.to_vec();
    };
    let left = written(field.len(), |out| strip(field, first, rule, out));
    match hides(field, rule) {
        Hides::One(one) => {
            assert_eq!(values(field, rule.name).count(), 1);
            assert_eq!(one.left.concat(), left);
            let value = first.value(field);
            let prefix = split_prefix(value).filter(|_| rule.hide == Hide::Prefix);
            assert_eq!(one.said, prefix.map_or(value, |(id, _)| id));
        }
        Hides::Else => {
            let has_prefix = split_prefix(first.value(field)).is_some();
            assert!(values(field, rule.name).count() > 1 || !has_prefix);
        }
        Hides::Nothing => panic!("a pair was found"),
    }
    left
}

fn is_blank(segment: Option<&[u8]>) -> bool {
    segment.is_none_or(|segment| trimmed(segment).is_empty())
}

/// How many segments are blank.
fn blanks(field: &[u8]) -> usize {
    let segments = field.split(|byte| *byte == b';');
    let blank = |segment: &&[u8]| !field.is_empty() && is_blank(Some(segment));
    segments.filter(blank).count()
}

/// The value that the server behind should see of `value` in prefix mode.
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
        let name = &Name::new(name);
        let found: Vec<_> = values(&field, name).collect();
        assert_eq!(found, expected(&field, name));
        for hide in [Hide::Pair, Hide::Prefix] {
            let first = first_hidden(&field, &Rule { name, hide });
            assert_eq!(
                first.map(|first| first.value(&field)),
                found.first().copied()
            );
        }
    }

    for hide in [Hide::Pair, Hide::Prefix] {
        let ready = &Name::new(name);
        let left = stripped(&field, &Rule { name: ready, hide });

        // Nothing blank that was not there before, and nothing at either end.
        if expected(&field, name).is_empty() {
            assert_eq!(left, field);
            continue;
        }
        assert!(blanks(&left) <= blanks(&field));
        if hide == Hide::Pair {
            assert!(left.is_empty() || !is_blank(left.split(|byte| *byte == b';').next()));
            assert!(left.is_empty() || !is_blank(left.rsplit(|byte| *byte == b';').next()));
        }
        assert!(!left.starts_with(b" ") && !left.starts_with(b"\t"));

        for other in NAMES.into_iter().filter(|other| *other != name) {
            assert_eq!(expected(&left, other), expected(&field, other));
        }
        let own = expected(&left, name);
        match hide {
            Hide::Pair => {
                assert!(own.is_empty());
                assert_eq!(stripped(&left, &Rule { name: ready, hide }), left);
            }
            Hide::Prefix => {
                let want: Vec<_> = expected(&field, name)
                    .into_iter()
                    .map(without_prefix)
                    .collect();
                assert_eq!(own, want);
            }
        }
    }
});
