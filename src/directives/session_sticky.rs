//! `session_sticky [parameter]…`: text into a [`Policy`].

use core::ffi::{c_char, c_void};
use core::fmt::{self, Display};
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
    ngx_http_complex_value_t, NGX_LOG_EMERG, NGX_LOG_WARN,
};
use ngx::ngx_conf_log_error;
use session_cookie::bytes::{is_attribute_value, is_domain, is_token};
use session_cookie::cookie::Name;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{
    Accepted, Digest, Fallback, Hash, Limits, Mode, Policy, Rebind, SameSite, Secure, Visibility,
};

use super::warnings;
use crate::conf::{upstream_conf, upstream_conf_mut, UpstreamConf};
use crate::nginx::conf::{self, current_upstream, seconds, words};
use crate::nginx::{bytes, pool, string, Printable};

/// What is wrong with the directive, and what would be right.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error<'a> {
    #[error("invalid parameter \"{}\" in \"session_sticky\" directive, it must be one of: {NAMES}", Printable(.0))]
    Parameter(&'a [u8]),
    #[error("invalid value \"{}\" of parameter \"{name}\" in \"session_sticky\" directive, it must be {legal}", Printable(.value))]
    Value {
        name: &'a str,
        value: &'a [u8],
        legal: &'a str,
    },
    #[error("\"session_sticky\" with cookie=\"{}\" needs {needs}", Printable(.cookie))]
    CookiePrefix {
        cookie: Box<[u8]>,
        needs: &'static str,
    },
    #[error("\"session_sticky\" with accept=hmac-md5 or accept=hmac-sha1 needs \"hmac_key=\"")]
    NoKey,
    #[error("\"{0}\" and \"session_sticky\" are both given, remove one of them")]
    Both(&'static str),
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    #[error("\"session_sticky\" could not compile \"{0}={value}\"", value = Printable(.1))]
    Variable(&'static str, &'a [u8]),
}

/// What loads, but not as it may have been meant.
enum Warning<'a> {
    DoubledName,
    DoubledDirective,
    DoubledParameter(&'a str),
    Meaningless(&'static str),
    NoMaxAge,
    Unlike(String),
}

impl Display for Warning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::DoubledName => f.write_str(
                "\"session_sticky\" is its own first parameter, the second \"session_sticky\" is ignored",
            ),
            Warning::DoubledDirective => {
                f.write_str("duplicate \"session_sticky\" directive, the last one counts")
            }
            Warning::DoubledParameter(name) => write!(
                f,
                "duplicate parameter \"{name}\" in \"session_sticky\" directive, the last one counts"
            ),
            Warning::Meaningless(what) => write!(f, "\"session_sticky\" with {what}"),
            Warning::NoMaxAge => f.write_str(
                "\"session_sticky\" with \"maxage=0\" sets the cookie without \"maxage=\", since browsers would delete it",
            ),
            Warning::Unlike(what) => write!(f, "\"session_sticky\" with {what}"),
        }
    }
}

const DIRECTIVE: &str = "session_sticky";

const NAMES: &str =
    "cookie=, domain=, path=, maxage=, mode=, option=, maxidle=, maxlife=, fallback=, rebind=, \
                     hash=, accept=, hmac_key=, secure, httponly, samesite=, partitioned, attr=";

const ACCEPTED: &str =
    "any of \"md5\", \"plain\", \"nginx\", \"sha1\", \"raw\", \"index\", \"hmac-md5\", \
                        \"hmac-sha1\" and \"haproxy\", with commas between them";

pub(super) const DOMAIN: &str =
    "a host name, with or without a leading dot, or text with variables";

pub(super) const PATH: &str = "a path without ';' and control characters, or text with variables";

const SECONDS: &str = "a time in seconds, or with units as in \"1h30m\"";

/// What was read so far.
struct Parsed<'a> {
    policy: Policy,
    domain: Option<&'a [u8]>,
    path: Option<&'a [u8]>,
    same_site: Option<&'a [u8]>,
    /// The names of parameters that were given.
    given: Vec<&'a str>,
}

pub(crate) unsafe extern "C" fn session_sticky(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block; words live as long as the cycle.
    unsafe {
        let us = current_upstream(cf);
        let mut warn = |warning: Warning| {
            ngx_conf_log_error!(NGX_LOG_WARN, cf, "{}", warning);
        };

        let words: Vec<&[u8]> = words(cf).iter().map(|word| bytes(*word)).collect();
        let parameters = match words.as_slice() {
            [_, name, rest @ ..] if *name == b"session_sticky" => {
                warn(Warning::DoubledName);
                rest
            }
            [_, rest @ ..] => rest,
            [] => &[],
        };
        if upstream_conf(us).directive == DIRECTIVE {
            warn(Warning::DoubledDirective);
        }

        let ready = |name, text| compile(cf, name, text);
        match parse(parameters, &mut warn)
            .and_then(|parsed| store(parsed, upstream_conf_mut(us), ready))
        {
            Ok(()) => conf::OK,
            Err(error) => {
                ngx_conf_log_error!(NGX_LOG_EMERG, cf, "{}", error);
                conf::ERROR
            }
        }
    }
}

fn store<'a>(
    parsed: Parsed<'a>,
    conf: &mut UpstreamConf,
    compile: impl Fn(&'static str, &'a [u8]) -> Result<NonNull<ngx_http_complex_value_t>, Error<'a>>,
) -> Result<(), Error<'a>> {
    if conf.policy.is_some() && conf.directive != DIRECTIVE {
        return Err(Error::Both(conf.directive));
    }
    conf.directive = DIRECTIVE;
    let ready = |name, value: Option<_>| value.map(|value| compile(name, value)).transpose();
    conf.domain = ready("domain", parsed.domain)?;
    conf.path = ready("path", parsed.path)?;
    conf.same_site = ready("samesite", parsed.same_site)?;
    conf.policy = Some(parsed.policy);
    Ok(())
}

/// Makes a value with a variable in it ready to be evaluated.
///
/// # Safety
///
/// `cf` is that of a directive's handler.
pub(super) unsafe fn compile<'a>(
    cf: *mut ngx_conf_t,
    name: &'static str,
    text: &'a [u8],
) -> Result<NonNull<ngx_http_complex_value_t>, Error<'a>> {
    // SAFETY: the compiled value lives in the cycle's pool, and so does its text.
    unsafe {
        let value = pool::array::<ngx_http_complex_value_t>((*cf).pool, 1)
            .ok_or(Error::Variable(name, text))?;
        value.write_bytes(0, 1);
        let mut source = string(text);
        let mut request: ngx_http_compile_complex_value_t = core::mem::zeroed();
        request.cf = cf;
        request.value = &raw mut source;
        request.complex_value = value.as_ptr();
        if ngx_http_compile_complex_value(&raw mut request) == 0 {
            Ok(value)
        } else {
            Err(Error::Variable(name, text))
        }
    }
}

fn parse<'a>(
    parameters: &[&'a [u8]],
    warn: &mut impl FnMut(Warning),
) -> Result<Parsed<'a>, Error<'a>> {
    let mut parsed = Parsed {
        policy: Policy::new()?,
        domain: None,
        path: None,
        same_site: None,
        given: Vec::new(),
    };
    for word in parameters {
        let name = parameter(&mut parsed, word)?;
        if name != "attr" && parsed.given.contains(&name) {
            warn(Warning::DoubledParameter(name));
        }
        parsed.given.push(name);
    }

    let policy = &mut parsed.policy;
    let is_attribute_varying = parsed.domain.is_some() || parsed.path.is_some();
    check_cookie_prefix(policy, is_attribute_varying)?;
    if policy.mode == Mode::Insert && policy.max_age == Some(0) {
        policy.max_age = None;
        warn(Warning::NoMaxAge);
    }
    for what in warnings::of_policy(policy) {
        warn(Warning::Unlike(what));
    }
    let given = |name| parsed.given.contains(&name);
    if needs_key(policy) && !given("hmac_key") {
        return Err(Error::NoKey);
    }
    for what in meaningless(policy, given) {
        warn(Warning::Meaningless(what));
    }
    // Only a cookie of our own carries stamps.
    if policy.mode != Mode::Insert {
        policy.limits = Limits::default();
    }
    Ok(parsed)
}

/// Reads one parameter, and returns its name.
fn parameter<'a>(parsed: &mut Parsed<'a>, word: &'a [u8]) -> Result<&'static str, Error<'a>> {
    let policy = &mut parsed.policy;
    let mut parts = word.splitn(2, |byte| *byte == b'=');
    let name = parts.next().unwrap_or_default();
    let value = parts.next();

    // Words that stand alone.
    match (name, value) {
        (b"secure", None) => {
            policy.secure = Secure::On;
            return Ok("secure");
        }
        (b"httponly", None) => {
            policy.http_only = true;
            return Ok("httponly");
        }
        (b"partitioned", None) => {
            policy.partitioned = true;
            return Ok("partitioned");
        }
        _ => (),
    }

    let value = value.ok_or(Error::Parameter(word))?;
    let error = |name, legal| Error::Value { name, value, legal };
    let time = |name| seconds(value).ok_or(error(name, SECONDS));

    Ok(match name {
        b"cookie" => {
            if !is_token(value) {
                return Err(error(
                    "cookie",
                    "a token: letters, digits and any of \"!#$%&'*+-.^_`|~\"",
                ));
            }
            policy.cookie = Name::new(value)?;
            "cookie"
        }
        b"domain" => {
            (policy.domain, parsed.domain) = if value.contains(&b'$') {
                (None, Some(value))
            } else if is_domain(value) {
                (Some(Box::from(value)), None)
            } else {
                return Err(error("domain", DOMAIN));
            };
            "domain"
        }
        b"path" => {
            (policy.path, parsed.path) = path(value).ok_or(error("path", PATH))?;
            "path"
        }
        b"maxage" => {
            policy.max_age = Some(time("maxage")?);
            "maxage"
        }
        b"maxidle" => {
            policy.limits.max_idle = Some(time("maxidle")?);
            "maxidle"
        }
        b"maxlife" => {
            policy.limits.max_life = Some(time("maxlife")?);
            "maxlife"
        }
        b"mode" => {
            policy.mode = match value {
                b"insert" => Mode::Insert,
                b"rewrite" => Mode::Rewrite,
                b"prefix" => Mode::Prefix,
                _ => return Err(error("mode", "\"insert\", \"rewrite\" or \"prefix\"")),
            };
            "mode"
        }
        b"option" => {
            policy.visibility = match value {
                b"direct" => Visibility::Direct,
                b"indirect" => Visibility::Indirect,
                _ => return Err(error("option", "\"direct\" or \"indirect\"")),
            };
            "option"
        }
        b"fallback" => {
            policy.fallback = match value {
                b"on" => Fallback::On,
                b"unknown" => Fallback::Unknown,
                b"off" => Fallback::Off,
                _ => return Err(error("fallback", "\"on\", \"unknown\" or \"off\"")),
            };
            "fallback"
        }
        b"rebind" => {
            policy.rebind = match value {
                b"on" => Rebind::On,
                b"off" => Rebind::Off,
                _ => return Err(error("rebind", "\"on\" or \"off\"")),
            };
            "rebind"
        }
        b"hash" => {
            policy.hash = match value {
                b"md5" => Hash::Md5,
                b"plain" => Hash::Plain,
                _ => return Err(error("hash", "\"md5\" or \"plain\"")),
            };
            "hash"
        }
        b"accept" => {
            policy.accept = accepted(value).ok_or(error("accept", ACCEPTED))?;
            "accept"
        }
        b"hmac_key" => {
            if value.is_empty() {
                return Err(error("hmac_key", "a text"));
            }
            policy.hmac_key = Box::from(value);
            "hmac_key"
        }
        b"secure" => {
            if value != b"auto" {
                return Err(error(
                    "secure",
                    "\"auto\", or the parameter must stand without a value",
                ));
            }
            policy.secure = Secure::Auto;
            "secure"
        }
        b"samesite" => {
            if value.contains(&b'$') {
                parsed.same_site = Some(value);
                policy.same_site = None;
            } else {
                policy.same_site = Some(SameSite::parse(value).ok_or(error(
                    "samesite",
                    "\"strict\", \"lax\", \"none\" or a variable",
                ))?);
                parsed.same_site = None;
            }
            "samesite"
        }
        b"attr" => {
            if value.is_empty() || !is_attribute_value(value) {
                return Err(error(
                    "attr",
                    "an attribute without ';' and control characters",
                ));
            }
            policy.attributes.push(Box::from(value));
            "attr"
        }
        _ => return Err(Error::Parameter(word)),
    })
}

fn needs_key(policy: &Policy) -> bool {
    let forms = [Digest::HmacMd5, Digest::HmacSha1].map(Accepted::Address);
    forms.iter().any(|form| policy.accept.contains(form))
}

/// Reads `accept=`. A word may stand for what several systems write.
fn accepted(words: &[u8]) -> Option<Vec<Accepted>> {
    let line = |digest| Accepted::Id(Hash::Line(digest));
    // That of nginx-sticky-module-ng as it is now, and of its releases.
    let both = |digest| [line(digest), Accepted::Address(digest)];
    let mut forms = Vec::new();
    for word in words.split(|byte| *byte == b',') {
        match word {
            b"md5" => {
                forms.push(Accepted::Id(Hash::Md5));
                forms.extend(both(Digest::Md5));
            }
            b"plain" => forms.push(Accepted::Id(Hash::Plain)),
            b"nginx" => forms.push(Accepted::Nginx),
            b"sha1" => {
                forms.push(Accepted::Id(Hash::Sha1));
                forms.extend(both(Digest::Sha1));
            }
            b"raw" => forms.push(line(Digest::Raw)),
            b"index" => forms.push(Accepted::Id(Hash::Index)),
            b"hmac-md5" => forms.extend(both(Digest::HmacMd5)),
            b"hmac-sha1" => forms.extend(both(Digest::HmacSha1)),
            b"haproxy" => forms.push(Accepted::Haproxy),
            _ => return None,
        }
    }
    Some(forms)
}

/// Text that is the same for every request, or else text with variables.
type Text<'a> = (Box<[u8]>, Option<&'a [u8]>);

/// Reads `path=`.
pub(super) fn path(value: &[u8]) -> Option<Text<'_>> {
    if value.contains(&b'$') {
        return Some((Box::default(), Some(value)));
    }
    let is_legal = !value.is_empty() && is_attribute_value(value);
    is_legal.then(|| (Box::from(value), None))
}

fn check_cookie_prefix<'a>(policy: &Policy, is_varying: bool) -> Result<(), Error<'a>> {
    match missing_of_prefix(policy, is_varying) {
        Some(needs) if policy.mode == Mode::Insert => Err(Error::CookiePrefix {
            cookie: Box::from(&*policy.cookie),
            needs,
        }),
        _ => Ok(()),
    }
}

/// What browsers want of a name with a prefix (RFC 6265bis, section 4.1.3), if it is not there; they compare the
/// prefix in any case. `is_varying`: variables say the domain or the path.
pub(super) fn missing_of_prefix(policy: &Policy, is_varying: bool) -> Option<&'static str> {
    let begins = |prefix: &[u8]| {
        policy
            .cookie
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if begins(b"__Secure-") && policy.secure != Secure::On {
        Some("\"secure\": browsers refuse such a cookie without it")
    } else if begins(b"__Host-")
        && !(policy.secure == Secure::On
            && policy.domain.is_none()
            && !is_varying
            && *policy.path == *b"/")
    {
        Some("\"secure\", \"path=/\" and no \"domain=\": browsers refuse such a cookie otherwise")
    } else {
        None
    }
}

/// Combinations that mean nothing, with what becomes of them.
fn meaningless<'a>(
    policy: &'a Policy,
    given: impl Fn(&'static str) -> bool + 'a,
) -> impl Iterator<Item = &'static str> + 'a {
    let rewrite = policy.mode == Mode::Rewrite;
    let prefix = policy.mode == Mode::Prefix;
    [
        (rewrite && policy.visibility == Visibility::Indirect, "mode=rewrite ignores option=indirect: the application sets the cookie, so it may see it"),
        (rewrite && given("maxidle"), "mode=rewrite ignores maxidle=: the cookie has no room for stamps"),
        (rewrite && given("maxlife"), "mode=rewrite ignores maxlife=: the cookie has no room for stamps"),
        (prefix && given("maxidle"), "mode=prefix ignores maxidle=: the cookie has no room for stamps"),
        (prefix && given("maxlife"), "mode=prefix ignores maxlife=: the cookie has no room for stamps"),
        (policy.rebind == Rebind::Off && policy.fallback != Fallback::On, "rebind=off only means something with fallback=on: without, no other server is tried"),
        (given("hmac_key") && !needs_key(policy), "hmac_key= only means something with accept=hmac-md5 or accept=hmac-sha1"),
        (prefix && given("option"), "mode=prefix ignores option=: the id is always hidden"),
    ]
    .into_iter()
    .chain(
        [
            ("domain", "domain= only means something in mode=insert, here the application sets it"),
            ("path", "path= only means something in mode=insert, here the application sets it"),
            ("maxage", "maxage= only means something in mode=insert, here the application sets it"),
            ("secure", "secure only means something in mode=insert, here the application sets it"),
            ("httponly", "httponly only means something in mode=insert, here the application sets it"),
            ("samesite", "samesite= only means something in mode=insert, here the application sets it"),
            ("partitioned", "partitioned only means something in mode=insert, here the application sets it"),
            ("attr", "attr= only means something in mode=insert, here the application sets it"),
        ]
        .map(move |(name, what)| ((rewrite || prefix) && given(name), what)),
    )
    .filter_map(|(applies, what)| applies.then_some(what))
}
