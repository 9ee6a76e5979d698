//! Key files, IDs made with keys, and signed values, compared with independent implementations.

#![cfg_attr(feature = "libfuzzer", no_main)]

use arbitrary::Arbitrary;
use session_cookie::cookie::Name;
use session_cookie::keys::{
    ids_in, Fault, Keys, Signature, Signer, Unusable, ID, LEAST_KEY, LONGEST_ID, MOST_KEYS,
};
use session_cookie::policy::{Limits, Mode, Policy};
use session_cookie::session::signed::Signed;
use session_cookie::session::{decode, Session, Stamps};
use session_cookie::verdict::{Judge, Reading, Verdict};
use session_cookie_fuzz::{fuzz_target, hmac, signature, signed, text, unquoted, Text, NAMES};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    file: &'a [u8],
    other: Vec<u8>,
    name: u8,
    id: &'a [u8],
    stamps: (u64, u64),
    edits: Vec<Edit>,
}

/// A change of a value.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Edit {
    Insert(u16, u8),
    Remove(u16),
    Change(u16, u8),
    Cut(u16),
    Repeat(u16),
}

impl Edit {
    fn apply(self, value: &mut Vec<u8>) {
        let place = |at: u16| usize::from(at) % (value.len() + 1);
        match self {
            Edit::Insert(at, byte) => value.insert(place(at), byte),
            Edit::Cut(at) => value.truncate(place(at)),
            Edit::Repeat(at) if value.len() < 1_000 => value.extend_from_within(place(at)..),
            Edit::Repeat(_) => {}
            Edit::Remove(at) | Edit::Change(at, _) if place(at) == value.len() => {}
            Edit::Remove(at) => {
                value.remove(place(at));
            }
            Edit::Change(at, byte) => {
                let at = place(at);
                value[at] = byte;
            }
        }
    }
}

/// Returns the keys of a file and the line number of the first repeated key, as documented.
fn expected(file: &[u8]) -> Result<(Vec<&[u8]>, Option<usize>), Unusable> {
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut repeated = None;
    let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
    for (line, number) in file.split(|byte| *byte == b'\n').zip(1..) {
        let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\x0c');
        let Some(first) = line.iter().position(|byte| !space(byte)) else {
            continue;
        };
        let last = line.iter().rposition(|byte| !space(byte)).unwrap();
        let key = &line[first..=last];
        if key[0] == b'#' {
            continue;
        }
        let is_control = |byte: &u8| *byte < b' ' || *byte == 0x7f;
        let has = |part: &[u8]| key.windows(2).any(|pair| pair == part);
        let fault = if has(b" #") || has(b"\t#") {
            Fault::Comment
        } else if key.starts_with(b"-----") || key.iter().any(is_control) {
            Fault::Foreign
        } else if key.len() < LEAST_KEY {
            Fault::Short
        } else if keys.contains(&key) {
            repeated = repeated.or(Some(number));
            continue;
        } else if keys.len() == MOST_KEYS {
            Fault::Many
        } else {
            keys.push(key);
            continue;
        };
        return Err(Unusable::Line(number, fault));
    }
    if keys.is_empty() {
        return Err(Unusable::Empty);
    }
    Ok((keys, repeated))
}

fuzz_target!(|input: Input| {
    let file = text(input.file);
    let read = Keys::read(&file);
    let (texts, repeated) = match (expected(&file), &read) {
        (Ok(expected), Ok(_)) => expected,
        (Err(expected), Err(unusable)) => return assert_eq!(*unusable, expected),
        (expected, read) => panic!("{expected:?}, but {read:?}"),
    };
    let read = read.unwrap();
    assert_eq!((read.keys.len(), read.repeated), (texts.len(), repeated));
    let id = text(input.id);
    check_ids(&read.keys, &texts, &id);

    // An ID of a server that is allowed in a configuration.
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"|~\",;\\".contains(byte);
    let id: Vec<u8> = id.into_iter().filter(is_plain).take(LONGEST_ID).collect();
    if id.is_empty() {
        return;
    }
    let session = Session {
        id: &id,
        stamps: Some(Stamps {
            last_seen: input.stamps.0,
            first_seen: input.stamps.1,
        }),
    };
    let name = NAMES[usize::from(input.name) % NAMES.len()];
    let signer = read.keys.signer(name).unwrap();
    let mut value = Text::default();
    signer.encode(&session, &mut value);
    let value = value.into_bytes();
    let (last, first) = input.stamps;
    let signed_text = [&id, format!("|{last}|{first}").as_bytes()].concat();
    let by_two = texts
        .iter()
        .take(2)
        .map(|key| signature(key, name, &signed_text));
    let signatures = by_two.collect::<Vec<_>>().join(".");
    assert_eq!(
        value,
        [&signed_text, &b"|"[..], signatures.as_bytes()].concat()
    );
    assert_eq!(decode(&value, Mode::Insert), Ok(session));

    // Another file, which may contain some of these keys.
    let others = input
        .other
        .iter()
        .map(|number| match texts.get(usize::from(*number)) {
            Some(key) => key.to_vec(),
            None => format!("another key, of number {number}").into_bytes(),
        });
    let mut others: Vec<_> = others.collect();
    others.dedup();
    let Ok(other) = Keys::read(&others.join(&b'\n')) else {
        return;
    };
    check_verified(&other.keys.signer(name).unwrap(), &others, &texts, &value);

    let mut changed = value.clone();
    input.edits.iter().for_each(|edit| edit.apply(&mut changed));
    let policy = Policy {
        cookie: Name::new(name).unwrap(),
        signer: Some(other.keys.signer(name).unwrap()),
        limits: Limits {
            max_idle: Some(u64::MAX),
            max_life: None,
        },
        ..Policy::new().unwrap()
    };
    let judge = Judge {
        policy: &policy,
        servers: |_: &[u8]| Some(()),
        clock: || last.max(first),
    };
    let mut reading = Reading::NONE;
    let found = judge.read_value(&changed, &mut reading);
    let is_followed = matches!(reading.verdict, Verdict::Valid | Verdict::Accepted);
    assert_eq!(found.is_some(), is_followed);
    if is_followed {
        // An accepted value must be one that was signed, unchanged.
        assert_eq!(reading.session, session);
        let (text, signatures) = signed(unquoted(&changed)).expect("it is followed");
        assert_eq!(text, signed_text);
        let right = |key: &Vec<u8>| signature(key, name, text).into_bytes();
        assert!(others
            .iter()
            .any(|key| signatures.contains(&&right(key)[..])));
    }
});

fn check_ids(keys: &Keys, texts: &[&[u8]], address: &[u8]) {
    let expected = texts.iter().map(|key| {
        let mac = hmac(key, address);
        mac[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    });
    let expected: Vec<_> = expected.collect();
    for (number, id) in expected.iter().enumerate() {
        assert_eq!(&*keys.id(number, address), id.as_bytes());
    }
    assert!(keys.id(texts.len(), address).is_empty());
    let own = keys.own_id(address);
    let by_two = expected[..expected.len().min(2)].join(".");
    assert_eq!(*own, *by_two.as_bytes());
    let parts: Vec<_> = ids_in(&own).collect();
    match expected.len() {
        1 => assert!(parts.is_empty() && own.len() == ID),
        _ => assert_eq!(parts, [expected[0].as_bytes(), expected[1].as_bytes()]),
    }
    // An arbitrary text has two parts or none.
    let parts: Vec<_> = ids_in(address).collect();
    assert!(parts.is_empty() || parts.join(&b'.') == address);
}

/// Checks the result of verifying a value with the keys of another file.
fn check_verified(signer: &Signer, others: &[Vec<u8>], texts: &[&[u8]], value: &[u8]) {
    let signed = Signed::parse(value).unwrap();
    let have_signed = &texts[..texts.len().min(2)];
    let mut distinct: Vec<&Vec<u8>> = Vec::new();
    for other in others {
        if !distinct.contains(&other) {
            distinct.push(other);
        }
    }
    let knows = distinct
        .iter()
        .any(|other| have_signed.contains(&other.as_slice()));
    let writes_alike = distinct
        .iter()
        .take(2)
        .map(|key| key.as_slice())
        .eq(have_signed.iter().copied());
    let verified = signer.verify(&signed);
    assert_eq!(verified != Signature::Wrong, knows);
    assert_eq!(verified == Signature::Current, writes_alike);
}
