//! `session_sticky [parameter]…`

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleServerConf;
use session_cookie::foreign::ingress::Backend;
use session_cookie::foreign::System;
use session_cookie::memory::{append, boxed, push, with_capacity, OutOfMemory};
use session_cookie::policy::{
    Accepted, Digest, Fallback, Hash, Limits, Mode, Policy, Rebind, Secure, Style, Visibility,
};

use super::messages::{Error, Warning};
use super::parameters::{
    attribute_value, cookie, secure, time, Case, Fault, Ignored, Parameter, Parsed, Word, DOMAIN,
    HMAC_KEY, HTTP_ONLY, OF_COOKIE, PATH, PRESERVE, SAME_SITE, TOKEN,
};
use super::parser::{Directive, Leading};
use super::source::{self, CREATE, HEADER, LOOKUP, TIMEOUT, ZONE};
use crate::conf::Sticky;
use crate::nginx::conf::{self, Conf};

static DIRECTIVE: Directive = Directive {
    name: "session_sticky",
    mode: Mode::Insert,
    style: Style::Rfc,
    leading: Leading::Parameters,
    parameters: &[
        Parameter::value("cookie", TOKEN, cookie)
            .or("route")
            .ignored(COOKIE_IGNORED),
        DOMAIN,
        PATH.or("/"),
        Parameter::value("maxage", SECONDS, max_age).attribute(),
        Parameter::words("mode", MODES).or("insert"),
        Parameter::words("option", OPTIONS)
            .or("direct")
            .ignored(OPTION_IGNORED),
        Parameter::value("maxidle", SECONDS, max_idle).ignored(STAMPS_IGNORED),
        Parameter::value("maxlife", SECONDS, max_life).ignored(STAMPS_IGNORED),
        Parameter::value("refresh", SECONDS, refresh).ignored(REFRESH_IGNORED),
        Parameter::words("fallback", FALLBACKS).or("on"),
        Parameter::words("rebind", REBINDS)
            .or("on")
            .ignored(REBIND_IGNORED),
        Parameter::words("hash", HASHES)
            .or("md5")
            .ignored(HASH_IGNORED),
        Parameter::value("accept", ACCEPTED, accept).ignored(ACCEPT_IGNORED),
        HMAC_KEY.ignored(HMAC_KEY_IGNORED),
        Parameter::value("accept_key", "a text", accept_key).ignored(ACCEPT_KEY_IGNORED),
        Parameter::value("accept_name", "a text", accept_name).ignored(ACCEPT_NAME_IGNORED),
        Parameter::value("key_file", "a path", key_file).ignored(KEY_FILE_IGNORED),
        // Done when the name of the cookie is known.
        Parameter::flag("sign", |_| ()).ignored(SIGN_IGNORED),
        Parameter::either("secure", secure, SECURES, secure_at_times).attribute(),
        HTTP_ONLY,
        SAME_SITE,
        Parameter::flag("partitioned", |parsed| parsed.policy.partitioned = true).attribute(),
        Parameter::value("attr", ATTRIBUTE, attribute)
            .repeated()
            .attribute(),
        Parameter::value("if", "text with variables", condition),
        Parameter::flag("nocache", |parsed| parsed.policy.no_cache = true).ignored(COOKIE_IGNORED),
        PRESERVE,
        Parameter::flag("postonly", |parsed| parsed.policy.post_only = true)
            .ignored(POST_ONLY_IGNORED),
        LOOKUP.ignored(LOOKUP_IGNORED),
        CREATE.ignored(LEARN_IGNORED),
        ZONE.ignored(LEARN_IGNORED),
        TIMEOUT.ignored(LEARN_IGNORED),
        HEADER.ignored(LEARN_IGNORED),
    ],
    finish,
};

const SECONDS: &str = "a time in seconds, or with units as in \"1h30m\"";

const ACCEPTED: &str =
    "any of \"md5\", \"plain\", \"nginx\", \"sha1\", \"raw\", \"index\", \"hmac-md5\", \
     \"hmac-sha1\", \"haproxy\", \"ingress\", \"jvmroute\", \"traefik\", \"bigip\", \"angie\", \"caddy\", \"hmac\" and \"unsigned\", with commas between them";

const SECURES: &str =
    "\"auto\" or text with variables, or the parameter must stand without a value";

const ATTRIBUTE: &str = "an attribute without ';' and control characters";

const NO_STAMPS: &str = "the cookie carries no stamps";

const MODES: &[Word] = &[
    ("insert", |parsed| parsed.policy.mode = Mode::Insert),
    ("rewrite", |parsed| parsed.policy.mode = Mode::Rewrite),
    ("prefix", |parsed| parsed.policy.mode = Mode::Prefix),
    ("route", |parsed| parsed.policy.mode = Mode::Route),
    ("learn", |parsed| parsed.policy.mode = Mode::Learn),
];

const COOKIE_IGNORED: &[Ignored] = &[OF_COOKIE];

const OPTIONS: &[Word] = &[
    ("direct", |parsed| {
        parsed.policy.visibility = Visibility::Direct
    }),
    ("indirect", |parsed| {
        parsed.policy.visibility = Visibility::Indirect
    }),
];

const OPTION_IGNORED: &[Ignored] = &[
    Ignored {
        value: Some("indirect"),
        case: Case::Mode(
            Mode::Rewrite,
            "the application sets the cookie, so it may see it",
        ),
    },
    Ignored {
        value: None,
        case: Case::Mode(Mode::Prefix, "the id is always hidden"),
    },
    OF_COOKIE,
];

const STAMPS_IGNORED: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::Mode(Mode::Rewrite, NO_STAMPS),
    },
    Ignored {
        value: None,
        case: Case::Mode(Mode::Prefix, NO_STAMPS),
    },
    OF_COOKIE,
];

const REFRESH_IGNORED: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::Mode(Mode::Rewrite, NO_STAMPS),
    },
    Ignored {
        value: None,
        case: Case::Mode(Mode::Prefix, NO_STAMPS),
    },
    OF_COOKIE,
    Ignored {
        value: None,
        case: Case::Without(may_have_stamps, "maxidle= or maxlife="),
    },
];

const SIGN_IGNORED: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::Mode(Mode::Rewrite, NO_STAMPS),
    },
    Ignored {
        value: None,
        case: Case::Mode(Mode::Prefix, NO_STAMPS),
    },
    OF_COOKIE,
    Ignored {
        value: None,
        case: Case::Without(
            may_have_stamps,
            "maxidle= or maxlife=: without stamps hash=hmac is all that is needed",
        ),
    },
];

/// Returns whether the cookie carries stamps, as far as the mode lets it.
fn may_have_stamps(parsed: &Parsed<'_>) -> bool {
    parsed.policy.mode != Mode::Insert || parsed.policy.limits.any()
}

const POST_ONLY_IGNORED: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::Mode(Mode::Rewrite, BY_APPLICATION),
    },
    Ignored {
        value: None,
        case: Case::Mode(Mode::Prefix, BY_APPLICATION),
    },
    OF_COOKIE,
];

const BY_APPLICATION: &str = "the application sets the cookie";

const FALLBACKS: &[Word] = &[
    ("on", |parsed| parsed.policy.fallback = Fallback::On),
    ("unknown", |parsed| {
        parsed.policy.fallback = Fallback::Unknown
    }),
    ("off", |parsed| parsed.policy.fallback = Fallback::Off),
];

const REBINDS: &[Word] = &[
    ("on", |parsed| parsed.policy.rebind = Rebind::On),
    ("off", |parsed| parsed.policy.rebind = Rebind::Off),
];

const REBIND_IGNORED: &[Ignored] = &[
    Ignored {
        value: Some("off"),
        case: Case::Without(
            |parsed| parsed.policy.fallback == Fallback::On,
            "fallback=on: without, no other server is tried",
        ),
    },
    Ignored {
        value: None,
        case: Case::Mode(Mode::Route, "the request names its server"),
    },
];

/// Servers go by their `id=` or `route=`, else by the MD5 of their address.
const ID_OF_SERVER: &str = "servers have the ID of nginx's own \"sticky\"";

const HASH_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::NoCookie(ID_OF_SERVER),
}];

const ACCEPT_IGNORED: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::Mode(Mode::Learn, ID_OF_SERVER),
    },
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
];

/// Other systems sign nothing.
const fn of_others(form: &'static str) -> Ignored {
    Ignored {
        value: Some(form),
        case: Case::Without(
            |parsed| parsed.policy.signer.is_none() || parsed.policy.accepts_unsigned,
            "accept=unsigned where values are signed",
        ),
    }
}

const LOOKUP_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(
        |parsed| !parsed.policy.has_cookie(),
        "mode=route and mode=learn",
    ),
}];

const LEARN_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(|parsed| parsed.policy.mode == Mode::Learn, "mode=learn"),
}];

const HASHES: &[Word] = &[
    ("md5", |parsed| parsed.policy.hash = Hash::Md5),
    ("plain", |parsed| parsed.policy.hash = Hash::Plain),
    ("hmac", |parsed| parsed.policy.hash = Hash::Hmac),
];

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

const KEY_FILE_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(reads_keys, "hash=hmac, accept=hmac or sign"),
}];

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn session_sticky(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block, whose configuration of the module nobody holds.
    let (cf, upstream) = unsafe { (Conf::new(cf), Sticky::server_conf_mut(&*cf)) };
    let Some(upstream) = upstream else {
        return conf::ERROR;
    };
    let mut words = cf.parameters();
    if words.first() == Some(b"session_sticky") {
        cf.warn(Warning::DoubledName);
        words = words.rest();
    }
    DIRECTIVE.read(cf, words, upstream)
}

fn finish(parsed: &mut Parsed<'_>) -> Result<(), Error<'static>> {
    if needs_key(parsed) && !parsed.gives("hmac_key") {
        return Err(Error::Missing {
            directive: DIRECTIVE.name,
            of: OF_KEY,
            name: "hmac_key",
        });
    }
    if parsed.policy.accepts(System::Ingress) && parsed.policy.foreign.ingress.is_none() {
        return Err(Error::Missing {
            directive: DIRECTIVE.name,
            of: OF_NAME,
            name: "accept_name",
        });
    }
    if let Some(of) = needs_key_file(parsed).filter(|_| parsed.policy.keys.is_empty()) {
        return Err(Error::Missing {
            directive: DIRECTIVE.name,
            of,
            name: "key_file",
        });
    }
    if !parsed.policy.has_cookie() {
        source::finish(DIRECTIVE.name, parsed)?;
    }
    let signs = parsed.gives("sign");
    let policy = &mut parsed.policy;
    policy.no_cache &= policy.has_cookie();
    policy.preserve &= policy.has_cookie();
    // Only the cookie of `mode=insert` carries stamps, and only that is set by the module alone.
    if policy.mode != Mode::Insert {
        policy.limits = Limits::default();
        policy.post_only = false;
    }
    if !policy.limits.any() {
        policy.refresh = 0;
    } else if signs {
        policy.signer = Some(policy.keys.signer(parsed.cookie)?);
    }
    let is_shorter = |idle| policy.refresh < idle;
    if policy.refresh != 0 && !policy.limits.max_idle.is_none_or(is_shorter) {
        return Err(Error::Refresh(DIRECTIVE.name));
    }
    Ok(accept_keys(policy)?)
}

/// Returns what was given for which there must be keys.
fn needs_key_file(parsed: &Parsed<'_>) -> Option<&'static str> {
    if parsed.policy.hash == Hash::Hmac {
        Some("hash=hmac")
    } else if parsed.policy.accept.contains(&BY_KEYS) {
        Some("accept=hmac")
    } else {
        parsed.gives("sign").then_some("sign")
    }
}

/// Ids by any key, until it is known how many there are.
const BY_KEYS: Accepted = Accepted::Id(Hash::Hmac);

/// Accepts ids by each of the keys, where `accept=` says so, or where an id may be by one of several. Those by a single key
/// are the policy's own.
fn accept_keys(policy: &mut Policy) -> Result<(), OutOfMemory> {
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

/// Returns whether anything is made of keys.
fn reads_keys(parsed: &Parsed<'_>) -> bool {
    let policy = &parsed.policy;
    policy.hash == Hash::Hmac || policy.accept.contains(&Accepted::Key(0)) || parsed.gives("sign")
}

fn needs_key(parsed: &Parsed<'_>) -> bool {
    let forms = [Digest::HmacMd5, Digest::HmacSha1].map(Accepted::Address);
    forms.iter().any(|form| parsed.policy.accept.contains(form))
}

fn max_age(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    parsed.policy.max_age = Some(time(value)?);
    Ok(())
}

fn max_idle(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    parsed.policy.limits.max_idle = Some(time(value)?);
    Ok(())
}

fn max_life(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    parsed.policy.limits.max_life = Some(time(value)?);
    Ok(())
}

fn refresh(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    parsed.policy.refresh = time(value)?;
    Ok(())
}

/// Reads the secret by which another system makes ids.
fn accept_key(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.policy.foreign.secret = boxed(value)?;
    Ok(())
}

/// Reads the name of the backend that ingress-nginx has made of a service.
fn accept_name(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.policy.foreign.ingress = Some(Backend::new(value)?);
    Ok(())
}

fn key_file<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.key_file = Some(value);
    Ok(())
}

fn condition<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    parsed.condition = Some(value);
    Ok(())
}

fn secure_at_times<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    (parsed.policy.secure, parsed.secure) = if value == b"auto" {
        (Secure::Auto, None)
    } else if value.contains(&b'$') {
        (Secure::Variable, Some(value))
    } else {
        return Err(Fault::Illegal);
    };
    Ok(())
}

fn attribute(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    let value = boxed(attribute_value(value)?)?;
    push(&mut parsed.policy.attributes, value)?;
    Ok(())
}

/// Reads `accept=`. A word may stand for what several systems write.
fn accept(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    let line = |digest| Accepted::Id(Hash::Line(digest));
    parsed.policy.accepts_unsigned = false;
    let accepted = &mut parsed.policy.accept;
    accepted.clear();
    let mut add = |forms: &[Accepted]| append(accepted, forms);
    // Those of nginx-sticky-module-ng as it is now, and of its releases.
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
