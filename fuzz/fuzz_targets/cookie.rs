//! The request's `Cookie` field: values by name, and hiding.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session_cookie::cookie::{is_named, split_prefix, strip, values, Hide, Rule};
use session_cookie_fuzz::{parted, text, trimmed, NAMES};

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

/// The field without what the rules hide.
fn stripped(field: &[u8], rules: &[Rule]) -> Vec<u8> {
    let mut exact = vec![0; field.len()];
    let length = strip(field, rules, &mut exact);
    exact.truncate(length);

    // Memory of the field's length is enough: more memory gives no more text.
    let mut ample = vec![0; field.len() + 64];
    let length = strip(field, rules, &mut ample);
    ample.truncate(length);
    assert_eq!(exact, ample);

    exact
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
        let found: Vec<_> = values(&field, name).collect();
        assert_eq!(found, expected(&field, name));
        for hide in [Hide::Pair, Hide::Prefix] {
            assert_eq!(is_named(&field, &[Rule { name, hide }]), !found.is_empty());
        }
    }

    for hide in [Hide::Pair, Hide::Prefix] {
        let left = stripped(&field, &[Rule { name, hide }]);

        // A clean field, or none.
        assert!(left
            .split(|byte| *byte == b';')
            .all(|segment| left.is_empty() || !trimmed(segment).is_empty()));
        assert!(!left.starts_with(b" ") && !left.starts_with(b"\t"));

        for other in NAMES.into_iter().filter(|other| *other != name) {
            assert_eq!(expected(&left, other), expected(&field, other));
        }
        let own = expected(&left, name);
        match hide {
            Hide::Pair => {
                assert!(own.is_empty());
                assert_eq!(stripped(&left, &[Rule { name, hide }]), left);
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

    // Two cookies hidden at once are two hidden one after the other.
    let other = NAMES[(usize::from(input.name) + 1) % NAMES.len()];
    let pair = Rule {
        name,
        hide: Hide::Pair,
    };
    let prefix = Rule {
        name: other,
        hide: Hide::Prefix,
    };
    assert_eq!(
        stripped(&field, &[pair, prefix]),
        stripped(&stripped(&field, &[pair]), &[prefix])
    );
});
