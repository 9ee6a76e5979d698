//! `session_sticky [parameter]…`: text into a [`Policy`].

use core::ffi::{c_char, c_void};
use core::fmt::{self, Display};
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
    ngx_http_complex_value_t, NGX_LOG_EMERG, NGX_LOG_WARN,
};
use ngx::ngx_conf_log_error;
use session_cookie::cookie::Name;
use session_cookie::policy::{
    Fallback, Hash, Limits, Mode, Policy, Rebind, SameSite, Secure, Visibility,
};
use session_cookie::text::{is_attribute_value, is_domain, is_token};

use crate::conf::{upstream_conf, upstream_conf_mut, UpstreamConf};
use crate::nginx::conf::{self, current_upstream, seconds, words};
use crate::nginx::{bytes, pool, string, Printable};

/// What is wrong with the directive, and what would be right.
#[derive(Debug, thiserror::Error)]
enum Error<'a> {
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
    #[error("\"session_sticky\" could not compile \"samesite={}\"", Printable(.0))]
    Variable(&'a [u8]),
}

/// What loads, but not as it may have been meant.
enum Warning<'a> {
    DoubledName,
    DoubledDirective,
    DoubledParameter(&'a str),
    Meaningless(&'static str),
    SameSiteNone,
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
            Warning::SameSiteNone => f.write_str(
                "\"session_sticky\" with \"samesite=none\" needs \"secure\", browsers refuse such a cookie without it",
            ),
        }
    }
}

const NAMES: &str =
    "cookie=, domain=, path=, maxage=, mode=, option=, maxidle=, maxlife=, fallback=, rebind=, \
                     hash=, secure, httponly, samesite=, partitioned, attr=";

const SECONDS: &str = "a time in seconds, or with units as in \"1h30m\"";

/// What was read so far.
#[derive(Default)]
struct Parsed<'a> {
    policy: Policy,
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
        if upstream_conf(us).policy.is_some() {
            warn(Warning::DoubledDirective);
        }

        let same_site = |text| compile(cf, text);
        match parse(parameters, &mut warn)
            .and_then(|parsed| store(parsed, upstream_conf_mut(us), same_site))
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
    compile: impl FnOnce(&'a [u8]) -> Result<NonNull<ngx_http_complex_value_t>, Error<'a>>,
) -> Result<(), Error<'a>> {
    conf.same_site = parsed.same_site.map(compile).transpose()?;
    conf.policy = Some(parsed.policy);
    Ok(())
}

/// Makes `samesite=$variable` ready to be evaluated.
unsafe fn compile<'a>(
    cf: *mut ngx_conf_t,
    text: &'a [u8],
) -> Result<NonNull<ngx_http_complex_value_t>, Error<'a>> {
    // SAFETY: the compiled value lives in the cycle's pool, and so does its text.
    unsafe {
        let value =
            pool::array::<ngx_http_complex_value_t>((*cf).pool, 1).ok_or(Error::Variable(text))?;
        value.write_bytes(0, 1);
        let mut source = string(text);
        let mut request: ngx_http_compile_complex_value_t = core::mem::zeroed();
        request.cf = cf;
        request.value = &raw mut source;
        request.complex_value = value.as_ptr();
        if ngx_http_compile_complex_value(&raw mut request) == 0 {
            Ok(value)
        } else {
            Err(Error::Variable(text))
        }
    }
}

fn parse<'a>(
    parameters: &[&'a [u8]],
    warn: &mut impl FnMut(Warning),
) -> Result<Parsed<'a>, Error<'a>> {
    let mut parsed = Parsed::default();
    for word in parameters {
        let name = parameter(&mut parsed, word)?;
        if name != "attr" && parsed.given.contains(&name) {
            warn(Warning::DoubledParameter(name));
        }
        parsed.given.push(name);
    }

    let policy = &mut parsed.policy;
    check_cookie_prefix(policy)?;
    if policy.same_site == Some(SameSite::None) && policy.secure == Secure::Off {
        warn(Warning::SameSiteNone);
    }
    let given = |name| parsed.given.contains(&name);
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
            policy.cookie = Name::new(value);
            "cookie"
        }
        b"domain" => {
            if !is_domain(value) {
                return Err(error(
                    "domain",
                    "a host name, with or without a leading dot",
                ));
            }
            policy.domain = Some(Box::from(value));
            "domain"
        }
        b"path" => {
            if value.is_empty() || !is_attribute_value(value) {
                return Err(error("path", "a path without ';' and control characters"));
            }
            policy.path = Box::from(value);
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
            if value.first() == Some(&b'$') {
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

/// What browsers want of names with a prefix (RFC 6265bis, section 4.1.3); they compare it in any case.
fn check_cookie_prefix<'a>(policy: &Policy) -> Result<(), Error<'a>> {
    let begins = |prefix: &[u8]| {
        policy
            .cookie
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let needs = if policy.mode != Mode::Insert {
        return Ok(());
    } else if begins(b"__Secure-") && policy.secure != Secure::On {
        "\"secure\": browsers refuse such a cookie without it"
    } else if begins(b"__Host-")
        && !(policy.secure == Secure::On && policy.domain.is_none() && *policy.path == *b"/")
    {
        "\"secure\", \"path=/\" and no \"domain=\": browsers refuse such a cookie otherwise"
    } else {
        return Ok(());
    };
    Err(Error::CookiePrefix {
        cookie: Box::from(&*policy.cookie),
        needs,
    })
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
