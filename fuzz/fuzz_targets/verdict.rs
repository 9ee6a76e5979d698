//! From the values of a cookie to a verdict, to the choice of a server, to the response and back.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use session_cookie::action::{respond, settled, settled_unstamped, Action, Settled};
use session_cookie::cookie::values;
use session_cookie::policy::{Fallback, Limits, Mode, Policy, Rebind, Visibility};
use session_cookie::session::{decode, encode, encoded_len, Undecodable};
use session_cookie::verdict::{choose, Choice, Judge, Reading, Verdict, CLOCK_TOLERANCE};
use session_cookie_fuzz::{text, written};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    mode: u8,
    flags: u8,
    max_idle: Option<u64>,
    max_life: Option<u64>,
    now: u64,
    known: &'a [u8],
    fields: Vec<&'a [u8]>,
}

/// The verdict on one value alone, by the words of the manual.
fn expected(value: &[u8], policy: &Policy, known: &[u8], now: u64) -> Verdict {
    let session = match decode(value, policy.mode) {
        Ok(session) => session,
        Err(Undecodable::Unmarked) => return Verdict::None,
        Err(Undecodable::Malformed) => return Verdict::Invalid,
    };
    let Limits { max_idle, max_life } = policy.limits;
    if let (Some(stamps), true) = (session.stamps, max_idle.or(max_life).is_some()) {
        let age = |since: u64| i128::from(now) - i128::from(since);
        let (idle, life) = (age(stamps.last_seen), age(stamps.first_seen));
        // No clock comes near the end of time, where the tolerance ends too.
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
    let policy = Policy {
        mode: [Mode::Insert, Mode::Rewrite, Mode::Prefix][usize::from(input.mode % 3)],
        visibility: if flag(0) {
            Visibility::Indirect
        } else {
            Visibility::Direct
        },
        fallback: [Fallback::On, Fallback::Off, Fallback::Unknown]
            [usize::from(flag(1)) + usize::from(flag(4))],
        rebind: if flag(5) { Rebind::Off } else { Rebind::On },
        limits: Limits {
            max_idle: input.max_idle,
            max_life: input.max_life,
        },
        ..Policy::new().unwrap()
    };
    let sets = flag(2);
    // Near the stamps that the words bring, or anywhere.
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
    let fields: Vec<_> = input.fields.iter().map(|seed| text(seed)).collect();
    let all = || {
        fields
            .iter()
            .flat_map(|field| values(field, &policy.cookie))
    };

    // The first valid value wins, else the first.
    let mut reading = Reading::NONE;
    let judge = Judge {
        policy: &policy,
        servers: |id: &[u8]| (id == known).then_some(()),
        clock: || now,
    };
    let found = judge.read(fields.iter().map(Vec::as_slice), &mut reading);
    let verdicts: Vec<_> = all()
        .map(|value| expected(value, &policy, known, now))
        .collect();
    let verdict = if verdicts.contains(&Verdict::Valid) {
        Verdict::Valid
    } else {
        verdicts.first().copied().unwrap_or(Verdict::None)
    };
    assert_eq!(reading.verdict, verdict);
    assert_eq!(found.is_some(), verdict == Verdict::Valid);

    let choice = choose(verdict, &policy, policy.fallback, policy.silent);
    assert_eq!(choice == Choice::Bind, verdict == Verdict::Valid);
    if choice == Choice::Refuse {
        assert_eq!(
            (policy.fallback, verdict),
            (Fallback::Off, Verdict::Unknown)
        );
    }
    if verdict == Verdict::Valid {
        assert_eq!(reading.session.id, known);
    }

    for served in [known, b"other"] {
        check_response(&policy, &reading, served, sets, now);
    }

    // The server failed meanwhile.
    if verdict == Verdict::Valid {
        let down = Reading {
            verdict: Verdict::Down,
            ..reading
        };
        check_response(&policy, &down, b"other", sets, now);
    }
});

fn check_response(policy: &Policy, reading: &Reading, served: &[u8], sets: bool, now: u64) {
    let stays = reading.verdict == Verdict::Down && policy.rebind == Rebind::Off;
    let owner = if stays { reading.session.id } else { served };
    let known = matches!(reading.verdict, Verdict::Valid | Verdict::Down);
    let kept = stays || known && reading.session.id == served;

    let action = respond(policy, reading, served, || sets, now);
    if reading.session.id == served {
        match settled(settled_unstamped(policy), reading) {
            Settled::Yes => assert_eq!(action, Action::None),
            Settled::UnlessSet => assert!(sets || action == Action::None),
            Settled::No => {}
        }
    }
    let session = match action {
        Action::None => return assert!(kept || policy.mode != Mode::Insert),
        Action::Rewrite(id) => {
            return assert!(policy.mode == Mode::Rewrite && id == owner);
        }
        Action::Prefix(id) => return assert!(policy.mode == Mode::Prefix && id == owner),
        Action::Insert(session) => session,
    };
    assert_eq!(policy.mode, Mode::Insert);
    assert_eq!(session.id, owner);
    assert_eq!(session.stamps.is_some(), policy.limits.any());
    if let Some(stamps) = session.stamps {
        assert_eq!(stamps.last_seen, now);
        if !kept {
            assert_eq!(stamps.first_seen, now);
        }
    }

    // The next request in the same second brings it back, and needs no action.
    let plain = |byte: &u8| byte.is_ascii_alphanumeric();
    if owner.is_empty() || !owner.iter().all(plain) {
        return;
    }
    let value = written(encoded_len(&session), |out| encode(&session, out));
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
