//! Cookies of other systems: a value is accepted exactly if the other system uses it for one of the servers.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::net::{IpAddr, SocketAddr};

use arbitrary::Arbitrary;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use session_cookie::foreign::ingress::Backend;
use session_cookie::foreign::{Given, Ring, Server, System};
use session_cookie::policy::{Accepted, Mode, Policy};
use session_cookie::roster::{Member, Roster};
use session_cookie::session::decode;
use session_cookie::verdict::{Judge, Reading};
use session_cookie_fuzz::{fuzz_target, text, unquoted};
use sha2::{Digest, Sha256};

const SYSTEMS: [System; 6] = [
    System::Ingress,
    System::Jvmroute,
    System::Traefik,
    System::Bigip,
    System::Angie,
    System::Caddy,
];

const BACKEND: &str = "default-shop-80";

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    servers: Vec<Line>,
    /// The accepted systems, in this order.
    systems: Vec<u8>,
    is_prefix: bool,
    has_secret: bool,
    values: Vec<Value<'a>>,
}

/// A `server` line.
#[derive(Arbitrary, Debug)]
struct Line {
    /// Selects one of a few addresses, so that values often name servers of the roster.
    ip: u8,
    port: u8,
    id: Option<u8>,
    has_name: bool,
}

#[derive(Arbitrary, Debug)]
struct Value<'a> {
    /// The system that has set the value, and the server of the roster it names; `None` for another server.
    system: u8,
    server: Option<u8>,
    other: Line,
    form: u8,
    /// A change of the value, if any. The following fields add quotes and text around it.
    flaw: Option<(u8, u8)>,
    is_quoted: bool,
    before: Option<&'a [u8]>,
}

/// A server, with the names that other systems use for it.
struct Known {
    address: String,
    name: Option<String>,
    id: Option<String>,
}

impl Line {
    fn known(&self) -> Known {
        let last = self.ip % 5;
        let port = [80, 8080, 65535][usize::from(self.port % 3)];
        let address = match self.ip % 3 {
            0 => format!("192.0.2.{last}:{port}"),
            1 => format!("[2001:db8::{last}]:{port}"),
            _ => format!("unix:/run/{last}.sock"),
        };
        Known {
            address,
            name: self.has_name.then(|| format!("app{last}")),
            id: self.id.map(|id| format!("s{}", id % 5)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn md5(text: &str) -> String {
    hex(&Md5::digest(text.as_bytes()))
}

fn fnv(text: &str, is_1a: bool) -> String {
    let hash = text
        .bytes()
        .fold(14_695_981_039_346_656_037_u64, |hash, byte| {
            let byte = u64::from(byte);
            if is_1a {
                (hash ^ byte).wrapping_mul(1_099_511_628_211)
            } else {
                hash.wrapping_mul(1_099_511_628_211) ^ byte
            }
        });
    format!("{hash:016x}")
}

fn without_zeros(digits: &str) -> String {
    let rest = digits.trim_start_matches('0');
    if rest.is_empty() { "0" } else { rest }.to_owned()
}

/// Returns the complete values that a system may set for a server.
fn minted(system: System, server: &Known, secret: &str) -> Vec<String> {
    let names = || std::iter::once(&server.address).chain(&server.name);
    match system {
        System::Ingress => {
            let id = md5(&format!("{BACKEND}{}", server.address));
            let tail = md5(&format!("{}{BACKEND}", md5(BACKEND)));
            vec![format!("{id}|{tail}"), id]
        }
        System::Jvmroute => (server.id.iter())
            .flat_map(|id| [format!(".{id}"), format!("6F1B09.{id}")])
            .collect(),
        System::Traefik => {
            let ends = |start: String| [start.clone(), format!("{start}/")];
            let urls = |name: &String| {
                ["http", "https", "h2c"].map(|scheme| ends(format!("{scheme}://{name}")))
            };
            let values = |url: String| {
                let once = fnv(&url, true);
                let sha256 = hex(&Sha256::digest(url.as_bytes()))[..16].to_owned();
                [
                    sha256,
                    without_zeros(&fnv(&once, false)),
                    without_zeros(&once),
                    url,
                ]
            };
            let urls = names().flat_map(urls).flatten();
            urls.flat_map(values).collect()
        }
        System::Bigip => {
            let Ok(address) = server.address.parse::<SocketAddr>() else {
                return Vec::new();
            };
            let port = address.port();
            let swapped = (port % 256) * 256 + port / 256;
            let (plain, mapped) = match address.ip() {
                IpAddr::V4(ip) => {
                    let [a, b, c, d] = ip.octets().map(u64::from);
                    let number = a + 256 * (b + 256 * (c + 256 * d));
                    let digits = format!("{:024x}{}", 0xffff, hex(&ip.octets()));
                    (format!("{number}.{swapped}.0000"), digits)
                }
                IpAddr::V6(ip) => {
                    let digits = hex(&ip.octets());
                    (format!("vi{digits}.{swapped}"), digits)
                }
            };
            vec![
                plain,
                format!("rd5o{mapped}o{port}"),
                format!("rd65534o{mapped}o{port}"),
            ]
        }
        System::Angie => {
            let of_address = md5(&server.address);
            match (&server.id, secret) {
                (Some(id), "") => vec![id.clone()],
                (None, "") => vec![of_address],
                (id, secret) => (id.iter())
                    .chain([&of_address])
                    .map(|name| md5(&format!("{name}{secret}")))
                    .collect(),
            }
        }
        System::Caddy => names()
            .map(|name| {
                let has_port = name.contains(':');
                let dial = if has_port {
                    name.clone()
                } else {
                    format!("{name}:80")
                };
                let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
                hex(&mac.chain_update(dial).finalize().into_bytes())
            })
            .collect(),
    }
}

/// Returns `true` if a value without quotes is one that a system may have set for a server.
fn names(system: System, value: &str, server: &Known, secret: &str) -> bool {
    match (system, &server.id) {
        // any session ID and any route domain are accepted
        (System::Jvmroute, Some(id)) => value.split_once('.').is_some_and(|(_, route)| route == id),
        (System::Bigip, _) => {
            let domain = value
                .strip_prefix("rd")
                .and_then(|rest| rest.split_once('o'));
            let domain = domain.filter(|(digits, _)| {
                (1..=5).contains(&digits.len())
                    && digits.bytes().all(|digit| digit.is_ascii_digit())
            });
            let value = match domain {
                Some((_, rest)) => format!("rd5o{rest}"),
                None => value.to_owned(),
            };
            minted(system, server, secret).contains(&value)
        }
        _ => minted(system, server, secret)
            .iter()
            .any(|one| one == value),
    }
}

fuzz_target!(|input: Input| {
    let secret = if input.has_secret { "a secret" } else { "" };
    let servers: Vec<_> = input.servers.iter().take(8).map(Line::known).collect();
    let mut systems = Vec::new();
    for number in &input.systems {
        let system = SYSTEMS[usize::from(*number) % SYSTEMS.len()];
        if !systems.contains(&system) {
            systems.push(system);
        }
    }
    let policy = Policy {
        mode: if input.is_prefix {
            Mode::Prefix
        } else {
            Mode::Insert
        },
        accept: systems
            .iter()
            .map(|system| Accepted::Foreign(*system))
            .collect(),
        foreign: Given {
            ingress: Backend::new(BACKEND.as_bytes()).ok(),
            secret: secret.as_bytes().into(),
        },
        ..Policy::new().unwrap()
    };
    let rosters: Vec<_> = systems
        .iter()
        .map(|system| roster(*system, &servers, &policy.foreign))
        .collect();
    let judge = Judge {
        policy: &policy,
        servers: |id: &[u8]| {
            let found = |roster: &Roster<usize>| Some(roster.member(roster.find(id)?)?.peer);
            rosters.iter().find_map(found)
        },
        clock: || 1_600_000_000,
    };

    for value in &input.values {
        let value = value.text(&servers, secret);
        let mut reading = Reading::NONE;
        let found: Option<usize> = judge.read_accepted(&value, true, &mut reading);

        // Values in the module's own form come first, then others. The names of servers are ASCII.
        let own = decode(&value, policy.mode).ok();
        let own = own.map(|session| String::from_utf8_lossy(session.id));
        let rest = match value.iter().position(|byte| *byte == b'~') {
            Some(end) if input.is_prefix => &value[end + 1..],
            _ => &value[..],
        };
        let rest = String::from_utf8_lossy(unquoted(rest));
        let of = |text: &str, is_own: bool| {
            let of_system = |system: &System| {
                let reads = match system {
                    System::Jvmroute => !is_own,
                    System::Bigip => is_own != text.starts_with("rd"),
                    System::Ingress => is_own != text.contains('|'),
                    _ => is_own,
                };
                let is_it = |server: &Known| reads && names(*system, text, server, secret);
                servers.iter().position(is_it)
            };
            systems.iter().find_map(of_system)
        };
        let expected = own
            .and_then(|id| of(&id, true))
            .or_else(|| of(&rest, false));
        assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&value));

        check_key(&policy.foreign, &servers, unquoted(&value));
    }
});

fn roster(system: System, servers: &[Known], given: &Given) -> Roster<usize> {
    let mut roster = Roster::default();
    for (peer, server) in servers.iter().enumerate() {
        let member = Member {
            peer,
            index: peer as u32,
            backup: false,
            draining: false,
        };
        let to_others = Server {
            address: server.address.as_bytes(),
            line: server.name.as_deref().map(str::as_bytes),
            given: server.id.as_deref().map(str::as_bytes),
        };
        let mut add = |id: &[u8]| roster.insert(id, member);
        system.each_id(&to_others, given, &mut add).unwrap();
    }
    roster
}

impl Value<'_> {
    fn text(&self, servers: &[Known], secret: &str) -> Vec<u8> {
        let system = SYSTEMS[usize::from(self.system) % SYSTEMS.len()];
        let other = self.other.known();
        let number = self
            .server
            .map(|number| usize::from(number) % servers.len().max(1));
        let server = number.and_then(|number| servers.get(number));
        let minted = minted(system, server.unwrap_or(&other), secret);
        let count = minted.len();
        let mut value = match minted.get(usize::from(self.form) % count.max(1)) {
            Some(value) => value.clone().into_bytes(),
            None => key_of_session(self.form),
        };
        if let (Some((at, byte)), length @ 1..) = (self.flaw, value.len()) {
            match byte {
                0 => drop(value.remove(usize::from(at) % length)),
                1 => value.truncate(usize::from(at) % length),
                byte => value[usize::from(at) % length] = byte,
            }
        }
        let quote: &[u8] = if self.is_quoted { b"\"" } else { b"" };
        [quote, &text(self.before.unwrap_or_default()), &value, quote].concat()
    }
}

/// Returns a value of `affinity-mode: balanced`.
fn key_of_session(number: u8) -> Vec<u8> {
    let tail = md5(&format!("{}{BACKEND}", md5(BACKEND)));
    format!("1784523424.{number}.41.7919|{tail}").into_bytes()
}

fn crc32(text: &[u8], before: u32) -> u32 {
    let shift = |sum: u32| sum >> 1 ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 };
    !text.iter().fold(!before, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| shift(sum))
    })
}

/// Checks that a key is mapped to the server of the next point on the ring, by examining all points.
fn check_key(given: &Given, servers: &[Known], value: &[u8]) {
    let Some(key) = given
        .ingress
        .as_ref()
        .and_then(|backend| backend.key(value))
    else {
        return;
    };
    let mut ring = Ring::default();
    let mut points = Vec::new();
    for (peer, server) in servers.iter().enumerate() {
        ring.add(server.address.as_bytes(), peer).unwrap();
        let sum = crc32(server.address.as_bytes(), 0);
        let mut point = 0_u32;
        for _ in 0..160 {
            point = crc32(&point.to_le_bytes(), sum);
            points.push((point, peer));
        }
    }
    let wanted = crc32(key, 0);
    let behind = points.iter().filter(|(point, _)| *point >= wanted).min();
    let expected = behind
        .or_else(|| points.iter().min())
        .map(|(_, peer)| *peer);
    assert_eq!(ring.find(key).unwrap(), expected);
}
