//! The whole cycle: values of a cookie, the verdict, the choice of a server, the response, and the next request.

#![cfg_attr(feature = "libfuzzer", no_main)]

use arbitrary::Arbitrary;
use session_cookie::action::{respond, Action};
use session_cookie::cookie::values;
use session_cookie::foreknown::{Foreknown, Settled};
use session_cookie::keys::{Keys, LONGEST_ID};
use session_cookie::policy::{Fallback, Limits, Mode, Policy, Rebind, Visibility};
use session_cookie::session::{decode, encode, encoded_len, Session, Undecodable};
use session_cookie::verdict::{choose, Choice, Judge, Reading, Verdict, CLOCK_TOLERANCE};
use session_cookie_fuzz::{fuzz_target, session, signature, signed, text, unquoted, written};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    mode: u8,
    flags: u8,
    max_idle: Option<u64>,
    max_life: Option<u64>,
    now: u64,
    refresh: u64,
    /// The number of keys, if values are signed.
    keys: u8,
    known: &'a [u8],
    fields: Vec<&'a [u8]>,
    values: Vec<Value>,
}

/// A value with no signature, one or two signatures, made with known or unknown keys.
#[derive(Arbitrary, Debug)]
struct Value {
    stamps: (u64, u64),
    keys: [u8; 2],
    signatures: u8,
    is_quoted: bool,
}

impl Value {
    fn field(&self, id: &[u8], now: u64) -> Vec<u8> {
        let [last, first] = [self.stamps.0, self.stamps.1].map(|time| match time {
            // close to the current time, or any time
            0..0x8000_0000 => now.saturating_add(2_048).saturating_sub(time % 4_096),
            time => time,
        });
        let text = [id, format!("|{last}|{first}").as_bytes()].concat();
        let by = |number: u8| signature(key(number % 5).as_bytes(), b"route", &text);
        let [one, two] = self.keys.map(by);
        let signatures = match self.signatures % 3 {
            0 => String::new(),
            1 => format!("|{one}"),
            _ => format!("|{one}.{two}"),
        };
        let quote: &[u8] = if self.is_quoted { b"\"" } else { b"" };
        [b"route=", quote, &text, signatures.as_bytes(), quote].concat()
    }
}

fn key(number: u8) -> String {
    format!("the key of number {number}")
}

/// Returns the verdict on a single value, as documented.
fn expected(value: &[u8], policy: &Policy, keys: &[String], known: &[u8], now: u64) -> Verdict {
    if keys.is_empty() {
        return match decode(value, policy.mode) {
            Ok(session) => expected_of(session, policy, known, now),
            Err(Undecodable::Unmarked) => Verdict::None,
            Err(Undecodable::Malformed) => Verdict::Invalid,
        };
    }
    let value = unquoted(value);
    let (text, signatures) = signed(value).unwrap_or((value, Vec::new()));
    let Some(session) = session(text) else {
        return Verdict::Invalid;
    };
    let right: Vec<_> = keys
        .iter()
        .map(|key| signature(key.as_bytes(), b"route", text))
        .collect();
    let is_right = signatures
        .iter()
        .any(|given| right.iter().any(|right| right.as_bytes() == *given));
    let is_accepted = match signatures[..] {
        [] => policy.accepts_unsigned,
        _ => is_right && session.stamps.is_some() && text.len() <= LONGEST_ID + 42,
    };
    if !is_accepted {
        return Verdict::Forged;
    }
    let verdict = expected_of(session, policy, known, now);
    let writing = &right[..right.len().min(2)];
    let is_current = (signatures.iter().copied()).eq(writing.iter().map(String::as_bytes));
    match verdict {
        Verdict::Valid if !is_current => Verdict::Accepted,
        verdict => verdict,
    }
}

fn expected_of(session: Session, policy: &Policy, known: &[u8], now: u64) -> Verdict {
    let Limits { max_idle, max_life } = policy.limits;
    if let (Some(stamps), true) = (session.stamps, max_idle.or(max_life).is_some()) {
        let age = |since: u64| i128::from(now) - i128::from(since);
        let (idle, life) = (age(stamps.last_seen), age(stamps.first_seen));
        // Except near the maximum time, where adding the tolerance saturates.
        if now < u64::MAX - CLOCK_TOLERANCE && idle.min(life) < -i128::from(CLOCK_TOLERANCE) {
            return Verdict::Invalid;
        }
        if max_idle.is_some_and(|limit| idle > i128::from(limit)) {
            return Verdict::Expired;
        }
        if max_life.is_some_and(|limit| life > i128::from(limit)) {
            return Verdict::Old;
        }
    }
    if session.id == known {
        Verdict::Valid
    } else {
        Verdict::Unknown
    }
}

fuzz_target!(|input: Input| {
    let flag = |bit: u8| input.flags & (1 << bit) != 0;
    let mode = [Mode::Insert, Mode::Rewrite, Mode::Prefix][usize::from(input.mode % 3)];
    let limits = Limits {
        max_idle: input.max_idle,
        max_life: input.max_life,
    };
    // Only inserted cookies of sessions with limits are signed.
    let keys: Vec<_> = match mode {
        Mode::Insert if limits.any() => (0..input.keys % 4).map(key).collect(),
        _ => Vec::new(),
    };
    let policy = Policy {
        mode,
        limits,
        visibility: if flag(0) {
            Visibility::Indirect
        } else {
            Visibility::Direct
        },
        fallback: [Fallback::On, Fallback::Off, Fallback::Unknown]
            [usize::from(flag(1)) + usize::from(flag(4))],
        rebind: if flag(5) { Rebind::Off } else { Rebind::On },
        preserve: flag(6),
        accepts_unsigned: flag(7),
        refresh: input.refresh,
        signer: Keys::read(keys.join("\n").as_bytes())
            .ok()
            .map(|read| read.keys.signer(b"route").unwrap()),
        ..Policy::new().unwrap()
    };
    let sets = flag(2);
    // Close to the timestamps in the words, or any time.
    let now = if flag(3) {
        1_600_000_000 + input.now % 200_000
    } else {
        input.now
    };
    let known: &[u8] = match input.known {
        [] => b"ID",
        [1] => b"d349ca31adc862f4d7e6faa19e516d6d",
        known => known,
    };
    let mut fields: Vec<_> = input.fields.iter().map(|seed| text(seed)).collect();
    fields.extend(input.values.iter().map(|value| value.field(known, now)));
    let all = || {
        fields
            .iter()
            .flat_map(|field| values(field, &policy.cookie))
            .take(MOST_VALUES)
    };

    // The first accepted value wins; if there is none, the first value.
    let mut reading = Reading::NONE;
    let judge = Judge {
        policy: &policy,
        servers: |id: &[u8]| (id == known).then_some(()),
        clock: || now,
    };
    let found = judge.read(fields.iter().map(Vec::as_slice), &mut reading);
    let judged: Vec<_> = all()
        .map(|value| (value, expected(value, &policy, &keys, known, now)))
        .collect();
    let followed = judged.iter().find(|(_, verdict)| is_followed(*verdict));
    let (value, verdict) = *followed.or(judged.first()).unwrap_or(&(b"", Verdict::None));
    assert_eq!(reading.verdict, verdict);
    assert_eq!(found.is_some(), is_followed(verdict));
    // An unsigned session must not start later than now, because it will be signed from now on.
    if !keys.is_empty() && is_followed(verdict) && signed(unquoted(value)).is_none() {
        let stamps = reading.session.stamps;
        assert!(stamps.is_none_or(|stamps| stamps.first_seen <= now));
    }

    let choice = choose(verdict, &policy, policy.fallback, policy.silent);
    assert_eq!(choice == Choice::Bind, is_followed(verdict));
    if choice == Choice::Refuse {
        assert_eq!(
            (policy.fallback, verdict),
            (Fallback::Off, Verdict::Unknown)
        );
    }
    if is_followed(verdict) {
        assert_eq!(reading.session.id, known);
    }

    for served in [known, b"other"] {
        check_response(&policy, &reading, served, sets, now);
    }

    // The server has become unavailable in the meantime.
    if is_followed(verdict) {
        let down = Reading {
            verdict: verdict.down(),
            ..reading
        };
        check_response(&policy, &down, b"other", sets, now);
    }
});

/// The maximum number of values that are evaluated.
const MOST_VALUES: usize = 8;

fn is_followed(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Valid | Verdict::Accepted)
}

fn check_response(policy: &Policy, reading: &Reading, served: &[u8], sets: bool, now: u64) {
    let stays = reading.verdict.is_down() && policy.rebind == Rebind::Off;
    let owner = if stays { reading.session.id } else { served };
    let is_same = stays || reading.session.id == served;
    let kept = is_same && matches!(reading.verdict, Verdict::Valid | Verdict::Down);
    let upgraded = match reading.verdict {
        Verdict::Accepted => true,
        Verdict::DownAccepted => is_same,
        _ => false,
    };
    // A timestamp ahead of the clock is not fresh.
    let age = (reading.session.stamps).and_then(|stamps| now.checked_sub(stamps.last_seen));
    let is_fresh = age.is_some_and(|age| age < policy.refresh);

    let action = respond(policy, reading, served, || sets, now);
    if reading.session.id == served {
        let settled = Foreknown::new(policy, Settled::Yes).settled(policy, reading, || now);
        match settled {
            Settled::Yes => assert_eq!(action, Action::None),
            Settled::UnlessSet => assert!(sets || action == Action::None),
            Settled::No => {}
            Settled::Counted => unreachable!("it is not asked for"),
        }
        if is_fresh && policy.limits.any() && reading.verdict == Verdict::Valid {
            assert_eq!(settled != Settled::No, policy.mode == Mode::Insert);
        }
    }
    let session = match action {
        Action::None => return assert!(kept || policy.mode != Mode::Insert),
        Action::Rewrite(id) => {
            return assert!(policy.mode == Mode::Rewrite && id == owner);
        }
        Action::Prefix(id) => return assert!(policy.mode == Mode::Prefix && id == owner),
        Action::Preserve => {
            return assert!(policy.preserve && sets && policy.mode == Mode::Insert);
        }
        Action::Learn(_) => unreachable!("no such mode"),
        Action::Insert(session) => session,
    };
    assert_eq!(policy.mode, Mode::Insert);
    assert_eq!(session.id, owner);
    assert_eq!(session.stamps.is_some(), policy.limits.any());
    if let Some(stamps) = session.stamps {
        let first_seen = match reading.session.stamps {
            Some(before) if kept || upgraded => before.first_seen,
            _ => now,
        };
        assert_eq!(stamps.first_seen, first_seen);
        let is_left = kept && is_fresh;
        assert_eq!(stamps.last_seen == now || is_left, true);
        assert!(!is_left || policy.replaces());
    }

    // The next request in the same second includes the cookie and must require no action.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    if owner.is_empty() || owner.len() > LONGEST_ID || !owner.iter().all(plain) {
        return;
    }
    let value = match &policy.signer {
        Some(signer) => written(encoded_len(&session) + 46, |out| {
            signer.encode(&session, out);
        }),
        None => written(encoded_len(&session), |out| encode(&session, out)),
    };
    let judge = Judge {
        policy,
        servers: |id: &[u8]| (id == owner).then_some(()),
        clock: || now,
    };
    let field = [b"route=", &value[..]].concat();
    let mut next = Reading::NONE;
    let _ = judge.read([&field[..]].into_iter(), &mut next);
    assert_eq!((next.verdict, next.session), (Verdict::Valid, session));
    assert_eq!(respond(policy, &next, owner, || false, now), Action::None);
}
