//! Directives of other systems: each is read into the [`Policy`] that `session_sticky` would make.

pub(crate) mod nginx;
pub(crate) mod plus;
pub(crate) mod sticky;
pub(crate) mod sticky_module_ng;

mod attributes;

use core::ffi::c_char;
use core::fmt::{self, Display};

use ngx::ffi::{ngx_conf_t, NGX_LOG_EMERG, NGX_LOG_WARN};
use ngx::ngx_conf_log_error;
use session_cookie::bytes::is_token;
use session_cookie::cookie::Name;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Policy;

use super::session_sticky::{compile, missing_of_prefix, DOMAIN};
use super::warnings;
use crate::conf::upstream_conf_mut;
use crate::nginx::conf::{self, current_upstream, words};
use crate::nginx::{bytes, Printable};

/// What is wrong with a directive, and what would be right.
#[derive(Debug, thiserror::Error)]
enum Error<'a> {
    #[error("invalid parameter \"{}\" in \"{directive}\" directive, it must be one of: {names}", Printable(.word))]
    Parameter {
        directive: &'static str,
        word: &'a [u8],
        names: &'static str,
    },
    #[error("invalid value \"{}\" of parameter \"{name}\" in \"{directive}\" directive, it must be {legal}", Printable(.value))]
    Value {
        directive: &'static str,
        name: &'static str,
        value: &'a [u8],
        legal: &'static str,
    },
    #[error("invalid name \"{}\" of a cookie in \"{directive}\" directive, it must be {NAME}", Printable(.name))]
    Name {
        directive: &'static str,
        name: &'a [u8],
    },
    #[error("\"{directive}\" could not compile \"{name}={}\"", Printable(.value))]
    Variable {
        directive: &'static str,
        name: &'static str,
        value: &'a [u8],
    },
    #[error("\"{0}\" and \"{1}\" are both given, remove one of them")]
    Both(&'static str, &'static str),
    #[error("\"sticky {}\" needs nginx 1.29.6 or newer, built with its own \"sticky\"", Printable(.0))]
    NotHere(&'a [u8]),
    #[error("\"hash=\", \"hmac=\" and \"text=\" are given in one \"{0}\" directive, it must be one of them")]
    Several(&'static str),
    #[error("\"hmac=\" in \"{0}\" directive needs \"hmac_key=\"")]
    NoKey(&'static str),
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    #[error("invalid number of arguments in \"{0}\" directive")]
    Count(&'static str),
}

/// What loads, but not as it may have been meant.
enum Warning {
    DoubledDirective(&'static str),
    DoubledParameter(&'static str, &'static str),
    Unlike(&'static str, String),
    CookiePrefix(&'static str, Name, &'static str),
    Meaningless(&'static str, &'static str, &'static str),
}

impl Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Warning::DoubledDirective(directive) => {
                write!(
                    f,
                    "duplicate \"{directive}\" directive, the last one counts"
                )
            }
            Warning::DoubledParameter(directive, name) => write!(
                f,
                "duplicate parameter \"{name}\" in \"{directive}\" directive, the last one counts"
            ),
            Warning::Meaningless(directive, name, with) => write!(
                f,
                "\"{directive}\" with {name} ignores it: it only means something with {with}"
            ),
            Warning::Unlike(directive, what) => write!(f, "\"{directive}\" with {what}"),
            Warning::CookiePrefix(directive, cookie, needs) => write!(
                f,
                "\"{directive}\" with a cookie \"{}\" needs {needs}",
                Printable(cookie)
            ),
        }
    }
}

const NAME: &str = "a token: letters, digits and any of \"!#$%&'*+-.^_`|~\"";

/// A directive that is being read.
struct Parsed<'a> {
    directive: &'static str,
    policy: Policy,
    /// `domain=` with a variable.
    domain: Option<&'a [u8]>,
    /// `path=` with a variable.
    path: Option<&'a [u8]>,
    /// `samesite=` with a variable.
    same_site: Option<&'a [u8]>,
    /// The names of parameters that were given.
    given: Vec<&'static str>,
    warnings: Vec<Warning>,
}

impl<'a> Parsed<'a> {
    fn new(directive: &'static str, policy: Policy) -> Self {
        Parsed {
            directive,
            policy,
            domain: None,
            path: None,
            same_site: None,
            given: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Notes that a parameter was given.
    fn give(&mut self, name: &'static str) {
        if self.given.contains(&name) {
            let doubled = Warning::DoubledParameter(self.directive, name);
            self.warnings.push(doubled);
        }
        self.given.push(name);
    }

    fn name(&mut self, name: &'a [u8]) -> Result<(), Error<'a>> {
        if !is_token(name) {
            return Err(Error::Name {
                directive: self.directive,
                name,
            });
        }
        self.policy.cookie = Name::new(name)?;
        Ok(())
    }

    fn value_error(&self, name: &'static str, value: &'a [u8], legal: &'static str) -> Error<'a> {
        Error::Value {
            directive: self.directive,
            name,
            value,
            legal,
        }
    }
}

/// Reads a directive by `parse` and makes what it says the policy of its upstream.
///
/// # Safety
///
/// `cf` is that of a directive's handler in an `upstream` block.
unsafe fn read(
    cf: *mut ngx_conf_t,
    parse: impl FnOnce(&[&'static [u8]]) -> Result<Parsed<'static>, Error<'static>>,
) -> *mut c_char {
    // SAFETY: words live as long as the cycle.
    unsafe {
        let words: Vec<&[u8]> = words(cf).iter().map(|word| bytes(*word)).collect();
        let parameters = words.get(1..).unwrap_or_default();
        match parse(parameters).and_then(|parsed| store(cf, parsed)) {
            Ok(()) => conf::OK,
            Err(error) => refuse(cf, &error),
        }
    }
}

/// Says what is wrong.
unsafe fn refuse(cf: *mut ngx_conf_t, error: &Error) -> *mut c_char {
    ngx_conf_log_error!(NGX_LOG_EMERG, cf, "{}", error);
    conf::ERROR
}

unsafe fn store(cf: *mut ngx_conf_t, mut parsed: Parsed<'static>) -> Result<(), Error<'static>> {
    // SAFETY: as in `read`.
    unsafe {
        let conf = upstream_conf_mut(current_upstream(cf));
        let directive = parsed.directive;
        if conf.policy.is_some() {
            if conf.directive != directive {
                return Err(Error::Both(conf.directive, directive));
            }
            parsed.warnings.push(Warning::DoubledDirective(directive));
        }
        let policy = &parsed.policy;
        let unlike = warnings::of_policy(policy).into_iter();
        let unlike = unlike.map(|what| Warning::Unlike(directive, what));
        parsed.warnings.extend(unlike);
        let is_attribute_varying = parsed.domain.is_some() || parsed.path.is_some();
        if let Some(needs) = missing_of_prefix(policy, is_attribute_varying) {
            let cookie = policy.cookie.try_clone()?;
            let warning = Warning::CookiePrefix(directive, cookie, needs);
            parsed.warnings.push(warning);
        }
        for warning in &parsed.warnings {
            ngx_conf_log_error!(NGX_LOG_WARN, cf, "{}", warning);
        }

        let ready = |name, value: Option<_>| {
            value
                .map(|value| {
                    compile(cf, name, value).map_err(|_| Error::Variable {
                        directive,
                        name,
                        value,
                    })
                })
                .transpose()
        };
        conf.domain = ready("domain", parsed.domain)?;
        conf.path = ready("path", parsed.path)?;
        conf.same_site = ready("samesite", parsed.same_site)?;
        conf.directive = directive;
        conf.policy = Some(parsed.policy);
        Ok(())
    }
}
