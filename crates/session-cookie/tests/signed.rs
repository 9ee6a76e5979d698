//! Signed values: only values with a correct signature are accepted.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use proptest::prelude::*;

use session_cookie::action::{respond, Action};
use session_cookie::bytes::Buffer;
use session_cookie::cookie::Name;
use session_cookie::keys::{Keys, LONGEST_ID};
use session_cookie::policy::{Accepted, Fallback, Limits, Policy};
use session_cookie::session::{decode, Session, Stamps};
use session_cookie::set_cookie::{parse, ByVariables, Template, Varying};
use session_cookie::verdict::{choose, Choice, Judge, Reading, Verdict};

const NOW: u64 = 1_600_000_000;

const ID: &str = "d349ca31adc862f4d7e6faa19e516d6d";

const KEY: &str = "the first key of a test\n";
const KEYS: &str = "the first key of a test\nthe second key of a test\n";

fn policy(key_file: &str) -> Policy {
    policy_of(key_file, "route")
}

fn policy_of(key_file: &str, cookie: &str) -> Policy {
    let keys = Keys::read(key_file.as_bytes()).unwrap().keys;
    Policy {
        cookie: Name::new(cookie.as_bytes()).unwrap(),
        signer: Some(keys.signer(cookie.as_bytes()).unwrap()),
        limits: Limits {
            max_idle: Some(1_800),
            max_life: Some(36_000),
        },
        fallback: Fallback::Off,
        ..Policy::new().unwrap()
    }
}

fn session(id: &str, last_seen: u64, first_seen: u64) -> Session<'_> {
    Session {
        id: id.as_bytes(),
        stamps: Some(Stamps {
            last_seen,
            first_seen,
        }),
    }
}

/// Returns the value of a session last used `idle` seconds ago and started `age` seconds ago.
fn value(policy: &Policy, idle: u64, age: u64) -> Vec<u8> {
    signed(policy, &session(ID, NOW - idle, NOW - age))
}

fn signed(policy: &Policy, session: &Session) -> Vec<u8> {
    let mut value = Buffer::with_capacity(1_000).unwrap();
    policy.signer.as_ref().unwrap().encode(session, &mut value);
    value.as_bytes().to_vec()
}

fn read<'a>(policy: &Policy, value: &'a [u8], id: &str) -> Reading<'a> {
    let judge = Judge {
        policy,
        servers: |other: &[u8]| (other == id.as_bytes()).then_some(()),
        clock: || NOW,
    };
    let mut reading = Reading::NONE;
    let found = judge.read_value(value, &mut reading);
    assert_eq!(found.is_some(), is_followed(&reading));
    if !is_followed(&reading) {
        // It must not be valid in an accepted scheme either.
        assert!(judge.read_accepted(value, false, &mut reading).is_none());
    }
    reading
}

fn verdict(policy: &Policy, value: &[u8]) -> Verdict {
    read(policy, value, ID).verdict
}

fn is_followed(reading: &Reading) -> bool {
    matches!(reading.verdict, Verdict::Valid | Verdict::Accepted)
}

/// Returns all values that differ from this one in one changed, removed or inserted byte.
fn with_another_byte(value: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let bytes = 0..=u8::MAX;
    (0..=value.len()).flat_map(move |at| {
        let (start, end) = value.split_at(at);
        let rest = end.split_first().map(|(byte, rest)| (*byte, rest));
        let inserted = bytes
            .clone()
            .map(move |byte| [start, &[byte], end].concat());
        let changed = bytes.clone().filter_map(move |byte| {
            let (old, rest) = rest?;
            (byte != old).then(|| [start, &[byte], rest].concat())
        });
        let removed = rest.map(|(_, rest)| [start, rest].concat());
        inserted.chain(changed).chain(removed)
    })
}

#[test]
fn no_value_with_another_byte_is_followed() {
    for accepts_unsigned in [false, true] {
        let policy = Policy {
            accepts_unsigned,
            accept: vec![Accepted::Haproxy],
            ..policy(KEY)
        };
        let value = value(&policy, 60, 3_600);
        assert_eq!(verdict(&policy, &value), Verdict::Valid);
        for other in with_another_byte(&value) {
            let reading = read(&policy, &other, ID);
            assert!(!is_followed(&reading), "{}", other.escape_ascii());
            let choice = choose(reading.verdict, &policy, Fallback::Off, false);
            assert_eq!(choice, Choice::Balance);
        }
    }
}

/// A proxy with only one of the keys cannot notice a change of the other signature. The signed text must be unchanged.
#[test]
fn of_two_signatures_one_is_enough_for_what_is_signed() {
    let policy = policy(KEYS);
    let value = value(&policy, 60, 3_600);
    let original = read(&policy, &value, ID);
    assert_eq!(original.verdict, Verdict::Valid);
    for other in with_another_byte(&value) {
        let reading = read(&policy, &other, ID);
        if is_followed(&reading) {
            assert_eq!(reading.session, original.session);
            assert_eq!(other.len(), value.len());
            assert_eq!(other[..54], value[..54]);
        }
    }
}

#[test]
fn whole_values_are_not_read_in_another_way() {
    let policy = policy(KEY);
    let value = String::from_utf8(value(&policy, 60, 3_600)).unwrap();
    let (text, signature) = value.rsplit_once('|').unwrap();
    for same in [value.clone(), format!("\"{value}\"")] {
        assert_eq!(verdict(&policy, same.as_bytes()), Verdict::Valid);
    }
    for other in [
        value.to_uppercase(),
        format!("{text}|{}", signature.to_lowercase()),
        format!("{text}|{}", signature.to_uppercase()),
        format!("{value}="),
        format!("{value}=="),
        format!("\"\"{value}\"\""),
        format!("\"{text}\"|{signature}"),
        format!("{text}|\"{signature}\""),
        format!("{text}||{signature}"),
        format!("{text}|{signature}|{signature}"),
        format!("{text}|{signature}.{signature}.{signature}"),
        format!("{text}.{signature}"),
        format!("{text}|"),
        text.to_owned(),
        ID.to_owned(),
        format!("{ID}|{signature}"),
        format!("{ID}|X14QA"),
        format!("{ID}|X14QA|X14QA"),
        format!("{ID}|X14QA|X14QA|{signature}"),
    ] {
        let reading = read(&policy, other.as_bytes(), ID);
        assert!(!is_followed(&reading), "{other}");
    }
}

#[test]
fn a_signature_does_not_keep_a_session_alive() {
    let policy = policy(KEY);
    for (idle, age, expected) in [
        (1_800, 36_000, Verdict::Valid),
        (1_801, 1_801, Verdict::Expired),
        (0, 36_001, Verdict::Old),
    ] {
        let value = value(&policy, idle, age);
        assert_eq!(verdict(&policy, &value), expected);
        // `Forged` takes precedence.
        assert_eq!(verdict(&policy, &value[..54]), Verdict::Forged);
    }
    let future = signed(&policy, &session(ID, NOW + 86_401, NOW));
    assert_eq!(verdict(&policy, &future), Verdict::Invalid);
    let unknown = signed(&policy, &session("other", NOW, NOW));
    assert_eq!(verdict(&policy, &unknown), Verdict::Unknown);
    assert_eq!(verdict(&policy, b""), Verdict::Invalid);
}

#[test]
fn values_without_a_signature_are_followed_where_they_are_accepted() {
    let moving = Policy {
        accepts_unsigned: true,
        ..policy(KEY)
    };
    for (value, expected) in [
        (format!("{ID}|1599999999|1599999999"), Verdict::Accepted),
        (format!("\"{ID}|1599999999|1599999999\""), Verdict::Accepted),
        (ID.to_owned(), Verdict::Accepted),
        (format!("{ID}|1|1"), Verdict::Expired),
        (format!("{ID}|1599999999|1"), Verdict::Old),
        ("other|1599999999|1599999999".to_owned(), Verdict::Unknown),
        (
            format!("{ID}|1599999999|1599999999|0123456789012345678901"),
            Verdict::Forged,
        ),
    ] {
        assert_eq!(verdict(&moving, value.as_bytes()), expected, "{value}");
        let verdict = verdict(&policy(KEY), value.as_bytes());
        assert_eq!(verdict, Verdict::Forged, "{value}");
    }
}

#[test]
fn haproxys_values_are_unsigned() {
    let haproxys = || vec![Accepted::Haproxy];
    let value = format!("{ID}|X14QA|X14P/");
    for (accepts_unsigned, expected) in [(false, Verdict::Invalid), (true, Verdict::Accepted)] {
        let policy = Policy {
            accept: haproxys(),
            accepts_unsigned,
            ..policy(KEY)
        };
        let judge = Judge {
            policy: &policy,
            servers: |id: &[u8]| (id == ID.as_bytes()).then_some(()),
            clock: || NOW,
        };
        let mut reading = Reading::NONE;
        judge.read_value(value.as_bytes(), &mut reading);
        assert_eq!(reading.verdict, Verdict::Invalid);
        judge.read_accepted(value.as_bytes(), false, &mut reading);
        assert_eq!(reading.verdict, expected);
    }
}

#[test]
fn the_first_value_that_counts_wins() {
    let policy = policy(KEY);
    let field = |values: &[&[u8]]| {
        values
            .iter()
            .flat_map(|value| [&b"route="[..], value, b"; "].concat())
            .collect::<Vec<_>>()
    };
    let right = value(&policy, 60, 3_600);
    let fields = field(&[ID.as_bytes(), &right[..54], b"x", &right]);
    let judge = Judge {
        policy: &policy,
        servers: |id: &[u8]| (id == ID.as_bytes()).then_some(()),
        clock: || NOW,
    };
    let mut reading = Reading::NONE;
    assert!(judge
        .read([&fields[..]].into_iter(), &mut reading)
        .is_some());
    assert_eq!(reading, read(&policy, &right, ID));
}

#[test]
fn what_other_keys_have_signed_is_signed_anew() {
    let by_old = value(&policy("the second key of a test\n"), 1, 3_600);
    let by_both = value(&policy(KEYS), 1, 3_600);
    let by_one = value(&policy(KEY), 1, 3_600);
    for (key_file, value, expected) in [
        (KEY, &by_one, Verdict::Valid),
        (KEY, &by_both, Verdict::Accepted),
        (KEY, &by_old, Verdict::Forged),
        (KEYS, &by_both, Verdict::Valid),
        (KEYS, &by_one, Verdict::Accepted),
        (KEYS, &by_old, Verdict::Accepted),
    ] {
        let policy = Policy {
            refresh: 60,
            ..policy(key_file)
        };
        let reading = read(&policy, value, ID);
        assert_eq!(reading.verdict, expected);
        let sets = respond(&policy, &reading, ID.as_bytes(), || false, NOW) != Action::None;
        assert_eq!(sets, expected != Verdict::Valid);
    }
}

#[test]
fn a_policy_that_does_not_sign_reads_what_others_sign() {
    let signs = policy(KEYS);
    let reads = Policy {
        signer: None,
        ..policy(KEY)
    };
    let value = value(&signs, 60, 3_600);
    let reading = read(&reads, &value, ID);
    assert_eq!(reading.verdict, Verdict::Valid);
    assert_eq!(reading.session, session(ID, NOW - 60, NOW - 3_600));
    assert_eq!(
        verdict(&reads, &[&value[..54], b"|"].concat()),
        Verdict::Invalid
    );
    assert_eq!(
        verdict(&reads, &[ID.as_bytes(), &value[54..]].concat()),
        Verdict::Invalid
    );
}

/// Generates an ID of a server.
fn any_id() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-f]{32}",
        "[0-9a-f]{32}[.][0-9a-f]{32}",
        "[!#-+.-:<-\\[\\]-{}]{1,200}"
    ]
}

fn any_key_file() -> impl Strategy<Value = String> {
    proptest::collection::vec("[A-Z][!-~]{15,90}\n", 1..8).prop_map(|lines| lines.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_signed_is_read_with_any_of_the_keys_that_have_signed_it(
        id in any_id(),
        cookie in "[a-z]{1,9}",
        file in any_key_file(),
        idle in 0..1_800_u64,
        age in 1_800..36_000_u64,
    ) {
        prop_assert!(id.len() <= LONGEST_ID);
        let signs = policy_of(&file, &cookie);
        let session = session(&id, NOW - idle, NOW - age);
        let value = signed(&signs, &session);
        let reading = read(&signs, &value, &id);
        prop_assert_eq!(reading, Reading { verdict: Verdict::Valid, session });
        prop_assert_eq!(decode(&value, signs.mode), Ok(session));
        for (number, key) in file.lines().enumerate() {
            let reading = read(&policy_of(key, &cookie), &value, &id);
            prop_assert_eq!(is_followed(&reading), number < 2);
            let on_top = format!("a key on top of all\nand another one of them\n{key}\n");
            let reading = read(&policy_of(&on_top, &cookie), &value, &id);
            prop_assert_eq!(is_followed(&reading), number < 2);
        }

        // The `Set-Cookie` field contains the same value.
        let template = Template::new(&signs, ByVariables::default()).unwrap();
        let length = template.max_len_signed(&session, &Varying::default());
        let mut field = Buffer::with_capacity(length).unwrap();
        template.write_signed(&session, signs.signer.as_ref().unwrap(), &mut field);
        template.write_rest(&Varying::default(), &mut field);
        let parts = parse(field.as_bytes(), &signs.cookie).unwrap();
        prop_assert_eq!(parts.value, &value[..]);
        prop_assert_eq!(parts.after, b"; Path=/");
    }

    #[test]
    fn nothing_that_another_key_has_signed_is_followed(
        (file, other) in (any_key_file(), any_key_file()),
        (cookie, other_cookie) in ("[a-z]{1,3}", "[a-z]{1,3}"),
        (id, other_id) in (any_id(), any_id()),
        idle in 0..1_800_u64,
    ) {
        let value = signed(&policy_of(&file, &cookie), &session(&id, NOW - idle, NOW - 9));
        let shares = |key: &str| other.lines().any(|other| other == key);
        let other_keys = policy_of(&other, &cookie);
        if !file.lines().any(shares) {
            prop_assert_eq!(read(&other_keys, &value, &id).verdict, Verdict::Forged);
        }
        let other_name = policy_of(&file, &other_cookie);
        if cookie != other_cookie {
            prop_assert_eq!(read(&other_name, &value, &id).verdict, Verdict::Forged);
        }
        // the signature of another text
        let text = format!("{other_id}|{}|{}", NOW - idle, NOW - 9);
        let signature = &value[id.len() + 22..];
        if id != other_id {
            let other_text = [text.as_bytes(), signature].concat();
            let policy = policy_of(&file, &cookie);
            prop_assert_eq!(read(&policy, &other_text, &other_id).verdict, Verdict::Forged);
        }
    }
}
