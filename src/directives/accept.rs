//! `accept=` of `session_sticky`: the other forms of IDs that are accepted, and the parameters that they need.

use session_cookie::foreign::ingress::Backend;
use session_cookie::foreign::System;
use session_cookie::memory::{append, boxed, push, with_capacity, OutOfMemory};
use session_cookie::policy::{Accepted, Digest, Hash, Mode, Policy};

use super::parameters::{Case, Fault, Ignored, Parameter, Parsed};

pub(super) const FORMS: Parameter =
    Parameter::value("accept", ACCEPTED, accept).ignored(ACCEPT_IGNORED);

pub(super) const HMAC_KEY: Parameter = super::parameters::HMAC_KEY.ignored(HMAC_KEY_IGNORED);

pub(super) const KEY: Parameter =
    Parameter::value("accept_key", "a text", accept_key).ignored(ACCEPT_KEY_IGNORED);

pub(super) const NAME: Parameter =
    Parameter::value("accept_name", "a text", accept_name).ignored(ACCEPT_NAME_IGNORED);

const ACCEPTED: &str =
    "any of \"md5\", \"plain\", \"nginx\", \"sha1\", \"raw\", \"index\", \"hmac-md5\", \
     \"hmac-sha1\", \"haproxy\", \"ingress\", \"jvmroute\", \"traefik\", \"bigip\", \"angie\", \"caddy\", \"hmac\" and \"unsigned\", with commas between them";

/// The ID is the `id=` or `route=` of the server, or else the MD5 of its address.
pub(super) const ID_OF_SERVER: &str = "servers have the ID of nginx's own \"sticky\"";

const ACCEPT_IGNORED: &[Ignored] = &[
    Ignored::in_mode(Mode::Learn, ID_OF_SERVER),
    Ignored {
        value: Some("unsigned"),
        case: Case::Without(
            |parsed| parsed.policy.mode == Mode::Learn || parsed.policy.signer.is_some(),
            "sign",
        ),
    },
    of_others("nginx"),
    of_others("sha1"),
    of_others("raw"),
    of_others("index"),
    of_others("hmac-md5"),
    of_others("hmac-sha1"),
    of_others("haproxy"),
    of_others("ingress"),
    of_others("jvmroute"),
    of_others("traefik"),
    of_others("bigip"),
    of_others("angie"),
    of_others("caddy"),
    not_in_prefix("traefik"),
    not_in_prefix("bigip"),
    not_in_prefix("angie"),
    not_in_prefix("caddy"),
];

/// For systems that write no IDs before a value of the application.
const fn not_in_prefix(form: &'static str) -> Ignored {
    Ignored {
        value: Some(form),
        case: Case::Mode(
            Mode::Prefix,
            "a value without an id before it is the application's own",
        ),
    }
}

/// For the forms of other systems, which do not sign their values.
const fn of_others(form: &'static str) -> Ignored {
    Ignored {
        value: Some(form),
        case: Case::Without(
            |parsed| parsed.policy.signer.is_none() || parsed.policy.accepts_unsigned,
            "accept=unsigned where values are signed",
        ),
    }
}

const OF_KEY: &str = "accept=hmac-md5 or accept=hmac-sha1";

const HMAC_KEY_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(needs_key, OF_KEY),
}];

const ACCEPT_KEY_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(
        |parsed| {
            [System::Angie, System::Caddy]
                .iter()
                .any(|system| parsed.policy.accepts(*system))
        },
        "accept=angie or accept=caddy",
    ),
}];

const ACCEPT_NAME_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(|parsed| parsed.policy.accepts(System::Ingress), OF_NAME),
}];

const OF_NAME: &str = "accept=ingress";

/// Returns a parameter that was given without another one that it needs, and the missing one.
pub(super) fn missing(parsed: &Parsed<'_>) -> Option<(&'static str, &'static str)> {
    if needs_key(parsed) && !parsed.gives("hmac_key") {
        return Some((OF_KEY, "hmac_key"));
    }
    let policy = &parsed.policy;
    let lacks_name = policy.accepts(System::Ingress) && policy.foreign.ingress.is_none();
    lacks_name.then_some((OF_NAME, "accept_name"))
}

fn needs_key(parsed: &Parsed<'_>) -> bool {
    let forms = [Digest::HmacMd5, Digest::HmacSha1].map(Accepted::Address);
    forms.iter().any(|form| parsed.policy.accept.contains(form))
}

/// Reads the secret with which another system computes its IDs.
fn accept_key(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.policy.foreign.secret = boxed(value)?;
    Ok(())
}

/// Reads the name that ingress-nginx gives to the backend of a service.
fn accept_name(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.policy.foreign.ingress = Some(Backend::new(value)?);
    Ok(())
}

/// Reads `accept=`. One word may include the forms of several systems.
fn accept(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    let line = |digest| Accepted::Id(Hash::Line(digest));
    parsed.policy.accepts_unsigned = false;
    let accepted = &mut parsed.policy.accept;
    accepted.clear();
    let mut add = |forms: &[Accepted]| append(accepted, forms);
    // `Line` is the form of the newest nginx-sticky-module-ng, `Address` that of its releases up to 1.2.6.
    for word in value.split(|byte| *byte == b',') {
        match word {
            b"md5" => add(&[
                Accepted::Id(Hash::Md5),
                line(Digest::Md5),
                Accepted::Address(Digest::Md5),
            ]),
            b"plain" => add(&[Accepted::Id(Hash::Plain)]),
            b"nginx" => add(&[Accepted::Nginx]),
            b"sha1" => add(&[
                Accepted::Id(Hash::Sha1),
                line(Digest::Sha1),
                Accepted::Address(Digest::Sha1),
            ]),
            b"raw" => add(&[line(Digest::Raw)]),
            b"index" => add(&[Accepted::Id(Hash::Index)]),
            b"hmac-md5" => add(&[line(Digest::HmacMd5), Accepted::Address(Digest::HmacMd5)]),
            b"hmac-sha1" => add(&[line(Digest::HmacSha1), Accepted::Address(Digest::HmacSha1)]),
            b"haproxy" => add(&[Accepted::Haproxy]),
            b"ingress" => add(&[Accepted::Foreign(System::Ingress)]),
            b"jvmroute" => add(&[Accepted::Foreign(System::Jvmroute)]),
            b"traefik" => add(&[Accepted::Foreign(System::Traefik)]),
            b"bigip" => add(&[Accepted::Foreign(System::Bigip)]),
            b"angie" => add(&[Accepted::Foreign(System::Angie)]),
            b"caddy" => add(&[Accepted::Foreign(System::Caddy)]),
            b"hmac" => add(&[BY_KEYS]),
            b"unsigned" => {
                parsed.policy.accepts_unsigned = true;
                Ok(())
            }
            _ => return Err(Fault::Illegal),
        }?;
    }
    Ok(())
}

/// IDs with any key. Replaced by one form per key when the number of keys is known.
pub(super) const BY_KEYS: Accepted = Accepted::Id(Hash::Hmac);

/// Replaces [`BY_KEYS`] by one form per key. With `hash=hmac` and several keys, the policy's IDs combine two of them, so IDs
/// with a single key are accepted as well; with one key, they are the policy's own IDs.
pub(super) fn accept_keys(policy: &mut Policy) -> Result<(), OutOfMemory> {
    let keys = policy.keys.len();
    let is_own = policy.hash == Hash::Hmac;
    let mut accept = with_capacity(policy.accept.len().saturating_add(keys))?;
    let add_keys = |accept: &mut Vec<_>| {
        let mut forms = (0..keys).map(Accepted::Key);
        forms.try_for_each(|form| push(accept, form))
    };
    if is_own && keys > 1 {
        add_keys(&mut accept)?;
    }
    for form in &policy.accept {
        if *form != BY_KEYS {
            push(&mut accept, *form)?;
        } else if !is_own && !accept.contains(&Accepted::Key(0)) {
            add_keys(&mut accept)?;
        }
    }
    policy.accept = accept;
    Ok(())
}
