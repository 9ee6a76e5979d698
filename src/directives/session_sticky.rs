//! `session_sticky [parameter]…`

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleServerConf;
use session_cookie::memory::{append, boxed, push};
use session_cookie::policy::{
    Accepted, Digest, Fallback, Hash, Limits, Mode, Rebind, Secure, Style, Visibility,
};

use super::messages::{Error, Warning};
use super::parameters::{
    attribute_value, cookie, secure, time, Case, Fault, Ignored, Parameter, Parsed, Word, DOMAIN,
    HMAC_KEY, HTTP_ONLY, OF_COOKIE, PATH, SAME_SITE, TOKEN,
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
        Parameter::words("fallback", FALLBACKS).or("on"),
        Parameter::words("rebind", REBINDS)
            .or("on")
            .ignored(REBIND_IGNORED),
        Parameter::words("hash", HASHES)
            .or("md5")
            .ignored(HASH_IGNORED),
        Parameter::value("accept", ACCEPTED, accept).ignored(ACCEPT_IGNORED),
        HMAC_KEY.ignored(HMAC_KEY_IGNORED),
        Parameter::either("secure", secure, AUTO, secure_auto).attribute(),
        HTTP_ONLY,
        SAME_SITE,
        Parameter::flag("partitioned", |parsed| parsed.policy.partitioned = true).attribute(),
        Parameter::value("attr", ATTRIBUTE, attribute)
            .repeated()
            .attribute(),
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
     \"hmac-sha1\" and \"haproxy\", with commas between them";

const AUTO: &str = "\"auto\", or the parameter must stand without a value";

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

const ACCEPT_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Mode(Mode::Learn, ID_OF_SERVER),
}];

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
];

const OF_KEY: &str = "accept=hmac-md5 or accept=hmac-sha1";

const HMAC_KEY_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(needs_key, OF_KEY),
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
    if !parsed.policy.has_cookie() {
        return source::finish(DIRECTIVE.name, parsed);
    }
    // Only the cookie of `mode=insert` carries stamps.
    if parsed.policy.mode != Mode::Insert {
        parsed.policy.limits = Limits::default();
    }
    Ok(())
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

fn secure_auto(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    if value != b"auto" {
        return Err(Fault::Illegal);
    }
    parsed.policy.secure = Secure::Auto;
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
            _ => return Err(Fault::Illegal),
        }?;
    }
    Ok(())
}
