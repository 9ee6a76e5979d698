//! `session_sticky [parameter]…`

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::{HttpModuleMainConf, HttpModuleServerConf};
use session_cookie::bytes::is_token;
use session_cookie::cookie::{Copies, Follow};
use session_cookie::memory::{boxed, push};
use session_cookie::policy::{
    Accepted, Fallback, Full, Hash, Limits, Mode, Rebind, Secure, Style, Visibility,
};

use super::accept;
use super::messages::{Error, Warning};
use super::parameters::{
    attribute_value, cookie, secure, time, Case, Fault, Ignored, Parameter, Parsed, Word, DOMAIN,
    HTTP_ONLY, OF_COOKIE, PATH, PRESERVE, SAME_SITE, TOKEN,
};
use super::parser::{Directive, Leading};
use super::source::{self, CREATE, HEADER, LOOKUP, TIMEOUT, ZONE};
use super::warnings;
use crate::conf::Sticky;
use crate::control::start;
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
        Parameter::words("full", FULLS).or("move"),
        Parameter::words("hash", HASHES)
            .or("md5")
            .ignored(HASH_IGNORED),
        Parameter::value("linger", SECONDS, linger),
        accept::FORMS,
        accept::HMAC_KEY,
        accept::KEY,
        accept::NAME,
        Parameter::value("key_file", "a path", key_file).ignored(KEY_FILE_IGNORED),
        // `finish` creates the signer, which needs the name of the cookie.
        Parameter::flag("sign", |_| ()).ignored(SIGN_IGNORED),
        Parameter::either("secure", secure, SECURES, secure_at_times).attribute(),
        HTTP_ONLY,
        SAME_SITE,
        Parameter::flag("partitioned", |parsed| parsed.policy.partitioned = true).attribute(),
        Parameter::value("attr", ATTRIBUTE, attribute)
            .repeated()
            .attribute(),
        Parameter::value("if", "text with variables", condition),
        Parameter::value("drain_if", "text with variables", drain_if),
        Parameter::value("drain_time", DRAIN_TIME, drain_time)
            .or("60s")
            .ignored(DRAIN_TIME_IGNORED),
        Parameter::flag("nocache", |parsed| parsed.policy.no_cache = true).ignored(COOKIE_IGNORED),
        PRESERVE,
        Parameter::flag("postonly", |parsed| parsed.policy.post_only = true)
            .ignored(INSERT_IGNORED),
        Parameter::value("follow", FOLLOWED, follow).ignored(INSERT_IGNORED),
        LOOKUP.ignored(LOOKUP_IGNORED),
        CREATE.ignored(LEARN_IGNORED),
        ZONE.ignored(LEARN_IGNORED),
        TIMEOUT.ignored(LEARN_IGNORED),
        HEADER.ignored(LEARN_IGNORED),
    ],
    finish,
};

const SECONDS: &str = "a time in seconds, or with units such as \"1h30m\"";

const SECURES: &str = "\"auto\" or text with variables, or omitted";

const FOLLOWED: &str = "a token: a cookie name, or the beginning of one followed by '*'";

const ATTRIBUTE: &str = "an attribute without ';' and control characters";

const DRAIN_TIME: &str = "a time in seconds, or with units such as \"1h30m\", greater than 0";

const DRAIN_TIME_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(|parsed| parsed.drain_if.is_some(), "drain_if="),
}];

const NO_STAMPS: &str = "the cookie has no stamps";

const NO_STAMPS_IN_REWRITE: Ignored = Ignored::in_mode(Mode::Rewrite, NO_STAMPS);

const NO_STAMPS_IN_PREFIX: Ignored = Ignored::in_mode(Mode::Prefix, NO_STAMPS);

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
            "the application sets the cookie and needs to see it",
        ),
    },
    Ignored::in_mode(Mode::Prefix, "the id is always hidden"),
    OF_COOKIE,
];

const STAMPS_IGNORED: &[Ignored] = &[NO_STAMPS_IN_REWRITE, NO_STAMPS_IN_PREFIX, OF_COOKIE];

const REFRESH_IGNORED: &[Ignored] = &[
    NO_STAMPS_IN_REWRITE,
    NO_STAMPS_IN_PREFIX,
    OF_COOKIE,
    Ignored {
        value: None,
        case: Case::Without(may_have_stamps, "maxidle= or maxlife="),
    },
];

const SIGN_IGNORED: &[Ignored] = &[
    NO_STAMPS_IN_REWRITE,
    NO_STAMPS_IN_PREFIX,
    OF_COOKIE,
    Ignored {
        value: None,
        case: Case::Without(
            may_have_stamps,
            "maxidle= or maxlife=: without stamps, hash=hmac is sufficient",
        ),
    },
];

/// Returns whether the cookie carries stamps. True also in other modes than `insert`, which have warnings of their own.
fn may_have_stamps(parsed: &Parsed<'_>) -> bool {
    parsed.policy.mode != Mode::Insert || parsed.policy.limits.any()
}

/// For parameters of a cookie that only the module sets.
const INSERT_IGNORED: &[Ignored] = &[
    Ignored::in_mode(Mode::Rewrite, BY_APPLICATION),
    Ignored::in_mode(Mode::Prefix, BY_APPLICATION),
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
            "fallback=on: without it, no other server is tried",
        ),
    },
    Ignored::in_mode(Mode::Route, "the request names its server"),
];

const FULLS: &[Word] = &[
    ("move", |parsed| parsed.policy.full = Full::Move),
    ("over", |parsed| parsed.policy.full = Full::Over),
];

const HASH_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::NoCookie(accept::ID_OF_SERVER),
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
    ("hmac", |parsed| parsed.policy.hash = Hash::Hmac),
];

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
    // SAFETY: nginx calls this for a directive in an upstream block. No other reference to the module's configuration of
    // this block or of the http block exists.
    let (cf, main, upstream) = unsafe {
        (
            Conf::new(cf),
            Sticky::main_conf_mut(&*cf),
            Sticky::server_conf_mut(&*cf),
        )
    };
    let (Some(main), Some(upstream)) = (main, upstream) else {
        return conf::ERROR;
    };
    let mut words = cf.parameters();
    if words.first() == Some(b"session_sticky") {
        cf.warn(Warning::DoubledName);
        words = words.rest();
    }
    let rc = DIRECTIVE.read(cf, words, upstream);
    if rc == conf::OK && upstream.can_ask() && start::zone(cf, main).is_none() {
        return cf.refuse(Error::NoDrain);
    }
    rc
}

fn finish(parsed: &mut Parsed<'_>) -> Result<(), Error<'static>> {
    if let Some((of, name)) = accept::missing(parsed) {
        return Err(Error::Missing {
            directive: DIRECTIVE.name,
            of,
            name,
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
    parsed.policy.follow = followed(parsed)?;
    let policy = &mut parsed.policy;
    policy.no_cache &= policy.has_cookie();
    policy.preserve &= policy.has_cookie();
    // Only the cookie of `mode=insert` carries stamps, and only this one is set by the module alone.
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
    Ok(accept::accept_keys(policy)?)
}

/// Returns the application's cookie that the session follows. Attributes that the directive specifies are not copied.
fn followed(parsed: &Parsed<'_>) -> Result<Option<Follow>, Error<'static>> {
    let (Some(name), Mode::Insert) = (parsed.follow, parsed.policy.mode) else {
        return Ok(None);
    };
    let is_of_host = warnings::is_of_host(parsed.cookie);
    let follow = Follow::new(
        name,
        Copies {
            lifetime: parsed.policy.max_age.unwrap_or_default() == 0,
            domain: !parsed.gives("domain") && !is_of_host,
            path: !parsed.gives("path") && !is_of_host,
            secure: !parsed.gives("secure"),
            same_site: !parsed.gives("samesite"),
            partitioned: !parsed.gives("partitioned"),
        },
    )?;
    if follow.matches(parsed.cookie) {
        return Err(Error::FollowsItself(DIRECTIVE.name));
    }
    Ok(Some(follow))
}

/// Returns the parameter that requires `key_file=`, if one is given.
fn needs_key_file(parsed: &Parsed<'_>) -> Option<&'static str> {
    if parsed.policy.hash == Hash::Hmac {
        Some("hash=hmac")
    } else if parsed.policy.accept.contains(&accept::BY_KEYS) {
        Some("accept=hmac")
    } else {
        parsed.gives("sign").then_some("sign")
    }
}

/// Returns whether keys are used.
fn reads_keys(parsed: &Parsed<'_>) -> bool {
    let policy = &parsed.policy;
    policy.hash == Hash::Hmac || policy.accept.contains(&Accepted::Key(0)) || parsed.gives("sign")
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

fn linger(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    parsed.policy.linger = time(value)?;
    Ok(())
}

fn refresh(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    parsed.policy.refresh = time(value)?;
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

fn drain_if<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    parsed.drain_if = Some(value);
    Ok(())
}

fn drain_time(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    let time = time(value)?;
    if time == 0 {
        return Err(Fault::Illegal);
    }
    parsed.drain_time = time;
    Ok(())
}

fn follow<'c>(parsed: &mut Parsed<'c>, name: &'c [u8]) -> Result<(), Fault> {
    if !is_token(name) {
        return Err(Fault::Illegal);
    }
    parsed.follow = Some(name);
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
