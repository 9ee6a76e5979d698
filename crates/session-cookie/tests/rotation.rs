//! A key is replaced on two proxies that share sessions, first on one and then on the other. No session may be lost.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use proptest::collection::vec;
use proptest::prelude::*;

use session_cookie::action::{respond, Action};
use session_cookie::bytes::Buffer;
use session_cookie::id::Id;
use session_cookie::keys::{ids_in, Keys};
use session_cookie::policy::{Accepted, Fallback, Hash, Limits, Policy};
use session_cookie::session::encode;
use session_cookie::verdict::{choose, Choice, Judge, Reading};

const NOW: u64 = 1_600_000_000;

const SERVERS: [&str; 3] = ["192.0.2.1:80", "192.0.2.2:80", "unix:/run/server.sock"];

/// The numbers of the keys in a key file.
type File = Vec<u8>;

/// The configuration of a proxy except for its keys.
#[derive(Clone, Copy, Debug)]
struct Kind {
    hash: Hash,
    signs: bool,
    refresh: u64,
}

fn any_kind() -> impl Strategy<Value = Kind> {
    let hash = prop_oneof![Just(Hash::Md5), Just(Hash::Hmac)];
    let refresh = prop_oneof![Just(0), Just(600)];
    (hash, any::<bool>(), refresh).prop_map(|(hash, signs, refresh)| Kind {
        hash,
        signs,
        refresh,
    })
}

/// A proxy that selects servers as nginx does.
struct Proxy {
    policy: Policy,
}

impl Proxy {
    fn new(kind: Kind, file: &[u8]) -> Self {
        let lines = file
            .iter()
            .map(|number| format!("the key of number {number}\n"));
        let keys = Keys::read(lines.collect::<String>().as_bytes())
            .unwrap()
            .keys;
        let by_single_keys = match kind.hash {
            Hash::Hmac if keys.len() > 1 => (0..keys.len()).map(Accepted::Key).collect(),
            _ => Vec::new(),
        };
        let policy = Policy {
            hash: kind.hash,
            accept: by_single_keys,
            signer: kind.signs.then(|| keys.signer(b"route").unwrap()),
            keys,
            limits: Limits {
                max_idle: Some(1_800),
                max_life: None,
            },
            refresh: kind.refresh,
            fallback: Fallback::Off,
            ..Policy::new().unwrap()
        };
        Proxy { policy }
    }

    /// Returns the ID of a server.
    fn id(&self, server: usize) -> Vec<u8> {
        let address = SERVERS[server].as_bytes();
        match self.policy.hash {
            Hash::Hmac => self.policy.keys.own_id(address).to_vec(),
            _ => Id::md5(address).to_vec(),
        }
    }

    /// Returns the server with this ID.
    fn own(&self, id: &[u8]) -> Option<usize> {
        (0..SERVERS.len()).find(|server| self.id(*server) == id)
    }

    /// Returns the server named by an ID in an accepted scheme.
    fn accepted(&self, id: &[u8]) -> Option<usize> {
        let by_single_key = |id: &[u8]| {
            let keys = self.policy.accept.iter().filter_map(|scheme| match scheme {
                Accepted::Key(number) => Some(*number),
                _ => None,
            });
            let ids = |server: usize| {
                let address = SERVERS[server].as_bytes();
                keys.clone()
                    .map(move |key| self.policy.keys.id(key, address))
            };
            (0..SERVERS.len()).find(|server| ids(*server).any(|other| *other == *id))
        };
        let own = |id: &[u8]| self.own(id).filter(|_| self.policy.hash == Hash::Hmac);
        by_single_key(id)
            .or_else(|| ids_in(id).find_map(|id| own(id).or_else(|| by_single_key(id))))
    }

    /// Handles a request with this value of the cookie. Returns the server named by the cookie and the value that the response
    /// sets.
    fn serve(&self, value: Option<&[u8]>, now: u64) -> (Option<usize>, Option<Vec<u8>>) {
        let mut reading = Reading::NONE;
        let judge = Judge {
            policy: &self.policy,
            servers: |id: &[u8]| self.own(id),
            clock: || now,
        };
        let accepted = Judge {
            policy: &self.policy,
            servers: |id: &[u8]| self.accepted(id),
            clock: || now,
        };
        let named = value.and_then(|value| {
            let own = judge.read_value(value, &mut reading);
            own.or_else(|| accepted.read_accepted(value, false, &mut reading))
        });
        let choice = choose(reading.verdict, &self.policy, Fallback::Off, false);
        assert_eq!(choice == Choice::Bind, named.is_some());
        let served = self.id(named.unwrap_or(1));
        if named.is_some() {
            reading.session.id = &served;
        }
        let action = respond(&self.policy, &reading, &served, || false, now);
        let Action::Insert(session) = action else {
            return (named, None);
        };
        let mut set = Buffer::with_capacity(1_000).unwrap();
        match &self.policy.signer {
            Some(signer) => signer.encode(&session, &mut set),
            None => encode(&session, &mut set),
        }
        (named, Some(set.as_bytes().to_vec()))
    }

    /// Returns the cookie set on a first visit.
    fn first_visit(&self, now: u64) -> Vec<u8> {
        let (named, set) = self.serve(None, now);
        assert_eq!(named, None);
        set.unwrap()
    }
}

/// A change of a key file. It is skipped if the file would have fewer than one or more than eight keys.
#[derive(Clone, Copy, Debug)]
enum Change {
    AddFirst,
    AddLast,
    RemoveFirst,
    RemoveLast,
}

const CHANGES: [Change; 4] = [
    Change::AddFirst,
    Change::AddLast,
    Change::RemoveFirst,
    Change::RemoveLast,
];

fn changed(file: &[u8], change: Change) -> File {
    let new = [file.iter().max().unwrap() + 1];
    match (change, file) {
        (Change::AddFirst, file) if file.len() < 8 => [&new, file].concat(),
        (Change::AddLast, file) if file.len() < 8 => [file, &new].concat(),
        (Change::RemoveFirst, [_, rest @ ..]) if !rest.is_empty() => rest.to_vec(),
        (Change::RemoveLast, [rest @ .., _]) if !rest.is_empty() => rest.to_vec(),
        _ => file.to_vec(),
    }
}

fn kinds() -> impl Iterator<Item = Kind> {
    [Hash::Md5, Hash::Hmac].into_iter().flat_map(|hash| {
        [(false, 0), (false, 600), (true, 0), (true, 600)].map(|(signs, refresh)| Kind {
            hash,
            signs,
            refresh,
        })
    })
}

#[test]
fn at_each_moment_each_proxy_follows_what_the_other_has_set() {
    for kind in kinds() {
        for length in 1..=8 {
            let file: File = (0..length).collect();
            for change in CHANGES {
                let proxies = [&file, &changed(&file, change)].map(|file| Proxy::new(kind, file));
                for setting in &proxies {
                    let value = setting.first_visit(NOW);
                    for proxy in &proxies {
                        let (named, _) = proxy.serve(Some(&value), NOW + 1);
                        assert_eq!(named, Some(1), "{kind:?} {file:?} {change:?}");
                    }
                }
            }
        }
    }
}

/// As documented, without the second key a proxy would not accept cookies set by the other.
#[test]
fn a_key_that_a_proxy_does_not_have_names_nothing() {
    for kind in kinds().filter(|kind| kind.signs || kind.hash == Hash::Hmac) {
        let value = Proxy::new(kind, &[2, 1]).first_visit(NOW);
        for (file, expected) in [(&[1][..], Some(1)), (&[3, 1], Some(1)), (&[3], None)] {
            let (named, _) = Proxy::new(kind, file).serve(Some(&value), NOW);
            assert_eq!(named, expected);
        }
    }
}

/// A client and its cookie.
struct Client {
    kind: Kind,
    now: u64,
    value: Vec<u8>,
}

impl Client {
    fn new(kind: Kind, file: &[u8]) -> Self {
        Client {
            kind,
            now: NOW,
            value: Proxy::new(kind, file).first_visit(NOW),
        }
    }

    /// Sends a request to a proxy with this key file, `seconds` after the previous one. Returns the server named by the cookie.
    fn come_by(&mut self, file: &[u8], seconds: u64) -> Option<usize> {
        self.now += seconds;
        let (named, set) = Proxy::new(self.kind, file).serve(Some(&self.value), self.now);
        if let Some(set) = set {
            self.value = set;
        }
        named
    }
}

/// For every sequence of four changes, one request while both proxies have the same file and one while they differ are enough.
#[test]
fn fresh_stamps_are_signed_anew_in_time() {
    let fresh = kinds().filter(|kind| kind.signs && kind.refresh != 0);
    for (kind, number) in
        fresh.flat_map(|kind| (0..4_usize.pow(4)).map(move |number| (kind, number)))
    {
        for which in [0, 1] {
            let mut files = [vec![0], vec![0]];
            let mut client = Client::new(kind, &files[0]);
            for step in 0..4 {
                let change = CHANGES[number / 4_usize.pow(step) % 4];
                for changing in [0, 1] {
                    files[changing] = changed(&files[changing], change);
                    let named = client.come_by(&files[which], 1);
                    assert_eq!(named, Some(1), "{kind:?} {number} {which} {files:?}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_session_is_lost_while_keys_change(
        kind in any_kind(),
        steps in vec((proptest::sample::select(&CHANGES), any::<bool>()), 1..8),
        requests in vec(vec((0..2_usize, 0..400_u64), 1..4), 16),
    ) {
        let mut files = [vec![0], vec![0]];
        let mut client = Client::new(kind, &files[0]);
        let mut requests = requests.into_iter();
        for (change, which_is_first) in steps {
            for which in [which_is_first, !which_is_first] {
                let file = &mut files[usize::from(which)];
                *file = changed(file, change);
                for (which, seconds) in requests.next().unwrap() {
                    let named = client.come_by(&files[which], seconds);
                    prop_assert_eq!(named, Some(1), "{:?} {}", files, client.value.escape_ascii());
                }
            }
        }
    }
}
