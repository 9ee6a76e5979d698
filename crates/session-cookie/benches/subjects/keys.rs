//! IDs made with keys, and signed values compared with unsigned ones.
//!
//! callgrind does not emulate the SHA-256 instructions of processors, so the instruction counts are those without them. criterion
//! measures the processor that it runs on.

use std::hint::black_box;
use std::rc::Rc;

use session_cookie::action::{respond, Action};
use session_cookie::bytes::Buffer;
use session_cookie::keys::Keys;
use session_cookie::policy::{Limits, Policy};
use session_cookie::session::signed::Signed;
use session_cookie::session::{Session, Stamps};
use session_cookie::set_cookie::{ByVariables, Template};
use session_cookie::verdict::{Judge, Reading};

use super::{add, Subject, ID, ROOM, STAMPED};

/// The time of the last request in [`STAMPED`].
const LAST_SEEN: u64 = 1_556_447_041;

fn keys(number: usize) -> Keys {
    let lines = (0..number).map(|number| format!("the key of number {number}\n"));
    Keys::read(lines.collect::<String>().as_bytes())
        .unwrap()
        .keys
}

/// Returns a policy with limits, which signs if there are keys.
fn policy(keys: Option<&Keys>, refresh: u64) -> Policy {
    let policy = Policy::new().unwrap();
    Policy {
        limits: Limits {
            max_idle: Some(1_800),
            max_life: Some(36_000),
        },
        refresh,
        signer: keys.map(|keys| keys.signer(&policy.cookie).unwrap()),
        ..policy
    }
}

/// Returns the value of [`STAMPED`], signed if the policy signs.
fn value(policy: &Policy) -> Vec<u8> {
    let session = Session {
        id: ID.as_bytes(),
        stamps: Some(Stamps {
            last_seen: LAST_SEEN,
            first_seen: 1_556_440_041,
        }),
    };
    match &policy.signer {
        Some(signer) => {
            let mut value = Buffer::with_capacity(ROOM).unwrap();
            signer.encode(&session, &mut value);
            value.as_bytes().to_vec()
        }
        None => STAMPED.as_bytes().to_vec(),
    }
}

/// Evaluates a value and writes the field that the response sets.
fn request(policy: &Policy, template: &Template, value: &[u8], now: u64, out: &mut Buffer) {
    let judge = Judge {
        policy,
        servers: |id: &[u8]| (id == ID.as_bytes()).then_some(()),
        clock: || now,
    };
    let mut reading = Reading::NONE;
    black_box(judge.read_value(value, &mut reading));
    let action = respond(policy, &reading, ID.as_bytes(), || false, now);
    if let Action::Insert(session) = action {
        out.clear();
        match &policy.signer {
            Some(signer) => template.write_signed(&session, signer, out),
            None => template.write(&session, out),
        }
        black_box(out.as_bytes());
    }
}

pub(super) fn add_all(subjects: &mut Vec<Subject>) {
    let one = keys(1);
    add(subjects, "id/hmac", move || {
        black_box(one.id(0, black_box(b"192.0.2.1:8080")));
    });

    for number in [1, 2, 8] {
        let signs = policy(Some(&keys(number)), 0);
        let mut wrong = value(&signs);
        *wrong.first_mut().unwrap() = b'0';
        let signer = signs.signer.unwrap();
        let title = format!("signature verify/wrong, keys: {number}");
        add(subjects, title, move || {
            let signed = Signed::parse(black_box(&wrong)).unwrap();
            black_box(signer.verify(&signed));
        });
    }
    stamps(subjects);
}

/// Adds requests of sessions with limits: everything that is done for a request except searching for the cookie.
fn stamps(subjects: &mut Vec<Subject>) {
    let (one, two) = (keys(1), keys(2));
    let kinds = [
        ("unsigned, fresh", policy(None, 60), 30),
        ("unsigned, renewed", policy(None, 0), 90),
        ("signed, fresh", policy(Some(&one), 60), 30),
        ("signed, renewed", policy(Some(&one), 0), 90),
        ("signed, renewed, two keys", policy(Some(&two), 0), 90),
    ];
    for (kind, policy, age) in kinds {
        let value = value(&policy);
        let template = Rc::new(Template::new(&policy, ByVariables::default()).unwrap());
        let mut out = Buffer::with_capacity(ROOM).unwrap();
        add(subjects, format!("stamps/{kind}"), move || {
            let value = black_box(&value);
            request(&policy, &template, value, LAST_SEEN + age, &mut out);
        });
    }
}
