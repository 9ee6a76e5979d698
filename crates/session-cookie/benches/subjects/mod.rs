//! The measured functions: each one that is called for a request, with inputs of several sizes.

use std::hint::black_box;
use std::rc::Rc;

use session_cookie::bytes::Buffer;
use session_cookie::cookie::{values, HiddenPart, HidePlan, HideRule};
use session_cookie::id::md5_hex;
use session_cookie::policy::{Mode, Policy};
use session_cookie::roster::{Member, Roster};
use session_cookie::session::{decode, encode, Session, Stamps};
use session_cookie::set_cookie::{prefix, rewrite, ByVariables, Template};

mod keys;
mod learned;

const ID: &str = "d349ca31adc862f4d7e6faa19e516d6d";
const STAMPED: &str = "d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556440041";
const PREFIXED: &str = "d349ca31adc862f4d7e6faa19e516d6d~session-of-the-application";
const SET_COOKIE: &str = "route=session-of-the-application; Path=/; HttpOnly; SameSite=Lax";

/// The capacity of output buffers.
const ROOM: usize = 256;

/// A function with its input, and its name in the results.
pub(crate) struct Subject {
    pub(crate) name: String,
    pub(crate) run: Box<dyn FnMut()>,
}

pub(crate) fn all() -> Vec<Subject> {
    let mut subjects = Vec::new();
    scan(&mut subjects);
    value(&mut subjects);
    set_cookie(&mut subjects);
    roster(&mut subjects);
    keys::add_all(&mut subjects);
    learned::learned(&mut subjects);
    subjects
}

fn add(subjects: &mut Vec<Subject>, name: impl Into<String>, run: impl FnMut() + 'static) {
    subjects.push(Subject {
        name: name.into(),
        run: Box::new(run),
    });
}

/// Returns a `Cookie` field with this number of pairs and bytes. The module's cookie is the last but one, or the only one.
fn field(pairs: usize, bytes: usize) -> Vec<u8> {
    let ours = format!("route={ID}");
    let others = pairs - 1;
    let mut field = String::new();
    for number in 0..pairs {
        if !field.is_empty() {
            field.push_str("; ");
        }
        if number == pairs.saturating_sub(2) {
            field.push_str(&ours);
        } else {
            let name = format!("cookie{number:02}=");
            let room = bytes.saturating_sub(ours.len() + others * (name.len() + 2)) / others;
            field.push_str(&name);
            field.push_str(&"v".repeat(room));
        }
    }
    field.into_bytes()
}

/// Adds functions for the `Cookie` field: finding a value and hiding it, for several numbers of pairs and sizes.
fn scan(subjects: &mut Vec<Subject>) {
    let sizes = [
        (1, 38),
        (4, 100),
        (4, 1024),
        (16, 512),
        (16, 1024),
        (16, 8192),
        (64, 2048),
        (64, 8192),
    ];
    for (pairs, bytes) in sizes {
        let policy = Policy::new().unwrap();
        let text = field(pairs, bytes);
        let title = format!("{pairs} in {} bytes", text.len());
        let (name, input) = (policy.cookie.try_clone().unwrap(), text.clone());
        add(subjects, format!("cookie scan/{title}"), move || {
            black_box(values(black_box(&input), &name).next());
        });
        add(subjects, format!("cookie hide/{title}"), move || {
            let rule = HideRule {
                name: &policy.cookie,
                part: HiddenPart::Pair,
            };
            if let HidePlan::Single(single) = rule.plan(black_box(&text)) {
                black_box(single.rest);
            }
        });
    }
}

/// Adds functions for the value of the cookie.
fn value(subjects: &mut Vec<Subject>) {
    let session = Session {
        id: ID.as_bytes(),
        stamps: None,
    };
    let stamps = Some(Stamps {
        last_seen: 1_556_447_041,
        first_seen: 1_556_440_041,
    });
    let kinds = [
        ("id", ID, Mode::Insert),
        ("id and stamps", STAMPED, Mode::Insert),
        ("prefix", PREFIXED, Mode::Prefix),
    ];
    for (name, text, mode) in kinds {
        add(subjects, format!("value decode/{name}"), move || {
            black_box(decode(black_box(text.as_bytes()), mode).is_ok());
        });
    }
    for (name, session) in [
        ("id", session),
        ("id and stamps", Session { stamps, ..session }),
    ] {
        let mut out = Buffer::with_capacity(ROOM).unwrap();
        add(subjects, format!("value encode/{name}"), move || {
            out.clear();
            encode(black_box(&session), &mut out);
            black_box(out.as_bytes());
        });
    }
    add(subjects, "id/md5", || {
        black_box(md5_hex(black_box(b"192.0.2.1:8080")));
    });
}

/// Adds functions for the `Set-Cookie` field: the upstream server's and the module's own.
fn set_cookie(subjects: &mut Vec<Subject>) {
    let name = Policy::new().unwrap().cookie;
    add(subjects, "set-cookie edit/rewrite", move || {
        let field = black_box(SET_COOKIE.as_bytes());
        black_box(rewrite(field, &name, ID.as_bytes()));
    });
    let name = Policy::new().unwrap().cookie;
    add(subjects, "set-cookie edit/prefix", move || {
        let field = black_box(SET_COOKIE.as_bytes());
        black_box(prefix(field, &name, ID.as_bytes()));
    });
    let template = Template::new(&Policy::new().unwrap(), ByVariables::default());
    let template = Rc::new(template.unwrap());
    let stamps = Some(Stamps {
        last_seen: 1_556_447_041,
        first_seen: 1_556_440_041,
    });
    for (kind, stamps) in [("plain", None), ("id and stamps", stamps)] {
        let mut out = Buffer::with_capacity(ROOM).unwrap();
        let template = Rc::clone(&template);
        add(subjects, format!("set-cookie insert/{kind}"), move || {
            let session = Session {
                id: ID.as_bytes(),
                stamps,
            };
            out.clear();
            template.write(black_box(&session), &mut out);
            black_box(out.as_bytes());
        });
    }
}

/// Adds lookups of servers by ID and by address.
fn roster(subjects: &mut Vec<Subject>) {
    for servers in [2_u32, 100, 1_000, 10_000] {
        let mut roster = Roster::default();
        roster.reserve(servers as usize).unwrap();
        let id = |number: u32| md5_hex(format!("192.0.2.1:{number}").as_bytes());
        for index in 0..servers {
            let member = Member {
                peer: u64::from(index) * 400,
                index,
                backup: false,
                draining: false,
            };
            roster.insert(&id(index), member).unwrap();
        }
        let known = id(servers / 2);
        let roster = Rc::new(roster);

        let servers_by_id = Rc::clone(&roster);
        add(subjects, format!("roster find/{servers}"), move || {
            black_box(servers_by_id.find(black_box(&known)));
        });
        let peer = u64::from(servers / 2) * 400;
        add(subjects, format!("roster id/{servers}"), move || {
            black_box(roster.id(black_box(peer)));
        });
    }
}
