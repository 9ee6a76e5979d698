//! The parser of all sticky directives. It turns the words of a directive into a [`Policy`], using the directive's table of
//! parameters.

use core::cell::{Cell, OnceCell};
use core::ffi::c_char;

use session_cookie::cookie::Name;
use session_cookie::keys::Keys;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Mode, Policy, Style};

use super::key_file;
use super::messages::{Error, Nothing, Oddity, Warning};
use super::parameters::{cookie, Fault, Ignored, Parameter, Parsed};
use super::source::{self, lookup};
use super::warnings;
use crate::conf::{DrainIf, Reads, ReadsFirst, StickyUpstream, UpstreamConf};
use crate::nginx::conf::{self, Conf, Words};

/// A sticky directive.
pub(super) struct Directive {
    /// Its name in messages: two words if several directives have the same first word.
    pub(super) name: &'static str,
    /// The default mode.
    pub(super) mode: Mode,
    /// The syntax of the cookie attributes.
    pub(super) style: Style,
    /// The words before its parameters.
    pub(super) leading: Leading,
    /// Its parameters, in the order in which messages list them.
    pub(super) parameters: &'static [Parameter],
    /// Completes and checks the values after all parameters have been read.
    pub(super) finish: fn(&mut Parsed<'_>) -> Result<(), Error<'static>>,
}

/// The words with which a directive begins.
pub(super) enum Leading {
    /// None: it begins with its parameters.
    Parameters,
    /// The name of the cookie.
    CookieName,
    /// Variables; it has no parameters.
    Variables,
}

impl Directive {
    /// Reads the words after the name of the directive, and stores the result in the configuration of an upstream.
    pub(super) fn read(
        &'static self,
        cf: Conf<'static>,
        words: Words<'static>,
        upstream: &mut UpstreamConf,
    ) -> *mut c_char {
        let read = self
            .parse(cf, words)
            .and_then(|parsed| self.store(cf, parsed, upstream));
        match read {
            Ok(()) => conf::OK,
            Err(error) => cf.refuse(error),
        }
    }

    /// Returns the parameter that a word gives.
    pub(super) fn parameter(&'static self, word: &[u8]) -> Option<&'static Parameter> {
        let (name, value) = split(word);
        let mut parameters = self.parameters.iter();
        parameters.find(|parameter| parameter.is(name, value.is_some()))
    }

    fn parse<'c>(
        &'static self,
        cf: Conf<'c>,
        mut words: Words<'c>,
    ) -> Result<Parsed<'c>, Error<'c>> {
        let mut parsed = self.defaults()?;
        match self.leading {
            Leading::Parameters => (),
            Leading::CookieName => {
                let name = words.first().unwrap_or_default();
                cookie(&mut parsed, name).map_err(|_| Error::Name {
                    directive: self.name,
                    name,
                })?;
                words = words.rest();
            }
            Leading::Variables => {
                for word in words.iter() {
                    self.take_variable(&mut parsed, word)?;
                }
                words = words.end();
            }
        }
        for word in words.iter() {
            self.take(cf, &mut parsed, word)?;
        }
        if let Some(path) = parsed.key_file {
            parsed.policy.keys = self.read_keys(cf, path)?;
        }
        (self.finish)(&mut parsed)?;
        parsed.policy.cookie = Name::new(parsed.cookie)?;
        self.check(cf, &mut parsed)?;
        Ok(parsed)
    }

    /// Returns the values of the directive without parameters.
    fn defaults<'c>(&'static self) -> Result<Parsed<'c>, OutOfMemory> {
        let policy = Policy {
            mode: self.mode,
            style: self.style,
            path: Box::default(),
            ..Policy::new()?
        };
        let mut parsed = Parsed::new(policy, self.parameters.len())?;
        for parameter in self.parameters {
            if let Some(default) = parameter.default {
                // A default is always legal.
                let set = parameter.set(&mut parsed, Some(default.as_bytes()));
                set.map_err(|_| OutOfMemory)?;
            }
        }
        Ok(parsed)
    }

    /// Reads one variable.
    fn take_variable<'c>(
        &'static self,
        parsed: &mut Parsed<'c>,
        word: &'c [u8],
    ) -> Result<(), Error<'c>> {
        lookup(parsed, word).map_err(|fault| match fault {
            Fault::OutOfMemory => Error::OutOfMemory(OutOfMemory),
            Fault::Illegal => Error::NotVariable {
                directive: self.name,
                word,
            },
        })
    }

    /// Reads one parameter.
    fn take<'c>(
        &'static self,
        cf: Conf<'c>,
        parsed: &mut Parsed<'c>,
        word: &'c [u8],
    ) -> Result<(), Error<'c>> {
        let parameter = self.parameter(word).ok_or(Error::Parameter {
            directive: self.name,
            word,
            legal: self.parameters,
        })?;
        let (directive, name) = (self.name, parameter.name);
        let (_, value) = split(word);
        parameter.set(parsed, value).map_err(|fault| match fault {
            Fault::OutOfMemory => Error::OutOfMemory(OutOfMemory),
            Fault::Illegal => Error::Value {
                directive,
                name,
                value: value.unwrap_or_default(),
                legal: parameter.legal(),
            },
        })?;
        if parsed.give(name, value)? && !parameter.repeats {
            cf.warn(Warning::DoubledParameter { directive, name });
        }
        Ok(())
    }

    /// Reads a key file. A relative path begins at the directory of the configuration file.
    fn read_keys<'c>(&'static self, cf: Conf<'c>, path: &'c [u8]) -> Result<Keys, Error<'c>> {
        let file = cf.path_beside(path).ok_or(OutOfMemory)?;
        let path = file.to_bytes();
        let read = key_file::read(file).map_err(|why| Error::KeyFile {
            directive: self.name,
            path,
            why,
        })?;
        let warn = |oddity| cf.warn(Warning::With(self.name, oddity));
        if let Some(who) = read.open_to {
            warn(Oddity::OpenKeyFile { path, who });
        }
        if let Some(line) = read.keys.repeated {
            warn(Oddity::RepeatedKey { path, line });
        }
        Ok(read.keys.keys)
    }

    /// Checks the combination of all values.
    fn check<'c>(&'static self, cf: Conf<'c>, parsed: &mut Parsed<'c>) -> Result<(), Error<'c>> {
        let warn = |oddity| cf.warn(Warning::With(self.name, oddity));
        let is_varying = parsed.domain.is_some() || parsed.path.is_some();
        let needs = warnings::missing_of_prefix(&parsed.policy, is_varying);
        match (parsed.policy.mode, needs) {
            (Mode::Insert, Some(needs)) => {
                return Err(Error::CookiePrefix {
                    directive: self.name,
                    cookie: parsed.cookie,
                    needs,
                })
            }
            (Mode::Repeat, Some(needs)) => warn(Oddity::CookiePrefix {
                cookie: parsed.cookie,
                needs,
            }),
            _ => (),
        }
        if parsed.policy.mode == Mode::Insert && parsed.policy.max_age == Some(0) {
            parsed.policy.max_age = None;
            warn(Oddity::NoMaxAge);
        }
        warnings::of_policy(&parsed.policy, warn);
        for (name, condition) in [("if", parsed.condition), ("drain_if", parsed.drain_if)] {
            (condition.and_then(|condition| warnings::of_condition(name, condition))).map(warn);
        }
        let followed = parsed.follow.filter(|name| name.contains(&b'$'));
        if let (Some(name), Some(_)) = (followed, &parsed.policy.follow) {
            warn(Oddity::LiteralName(name));
        }
        for (parameter, ignored) in self.ignored(parsed) {
            let mode = parsed.policy.mode;
            warn(Oddity::Ignored(Nothing {
                parameter,
                ignored,
                mode,
            }));
        }
        Ok(())
    }

    /// Returns the parameters that were given and have no effect.
    fn ignored<'p>(
        &'static self,
        parsed: &'p Parsed<'_>,
    ) -> impl Iterator<Item = (&'static Parameter, &'static Ignored)> + 'p {
        let parameters = self.parameters.iter();
        parameters.flat_map(move |parameter| {
            let all = parameter.ignored.iter();
            all.filter(move |ignored| {
                parsed.has(parameter.name, ignored.value) && ignored.case.applies(parsed)
            })
            .map(move |ignored| (parameter, ignored))
        })
    }

    fn store(
        &'static self,
        cf: Conf<'static>,
        parsed: Parsed<'static>,
        conf: &mut UpstreamConf,
    ) -> Result<(), Error<'static>> {
        if let Some(sticky) = &conf.sticky {
            if sticky.directive != self.name {
                return Err(Error::Both(sticky.directive, self.name));
            }
            if sticky.source.is_some() || !parsed.policy.has_cookie() {
                return Err(Error::Doubled(self.name));
            }
            cf.warn(Warning::DoubledDirective(self.name));
        }
        let compile = |name, value: Option<&'static [u8]>| {
            let error = |value| Error::Variable {
                directive: self.name,
                name,
                value,
            };
            value
                .map(|value| cf.compile(value).ok_or_else(|| error(value)))
                .transpose()
        };
        let source = source::make(cf, self.name, &parsed)?;
        let time = parsed.drain_time;
        let drain = compile("drain_if", parsed.drain_if)?;
        let drain = drain.map(|condition| DrainIf { condition, time });
        let policy = &parsed.policy;
        let has_switches = parsed.condition.is_some() || policy.post_only || drain.is_some();
        conf.sticky = Some(StickyUpstream {
            reads: match source {
                _ if has_switches => Reads::First(ReadsFirst::Switches),
                _ if policy.follow.is_some() => Reads::First(ReadsFirst::Application),
                Some(source) => Reads::Source(source),
                None => Reads::Cookie,
            },
            source,
            has_extras: parsed.policy.has_extras() || drain.is_some(),
            domain: compile("domain", parsed.domain)?,
            path: compile("path", parsed.path)?,
            same_site: compile("samesite", parsed.same_site)?,
            secure: compile("secure", parsed.secure)?,
            condition: compile("if", parsed.condition)?,
            drain,
            directive: self.name,
            policy: parsed.policy,
            template: OnceCell::new(),
            follow_template: OnceCell::new(),
            hides: Cell::new(false),
            foreknown: Cell::default(),
            may_be_silent: Cell::new(false),
            may_be_strict: Cell::new(false),
        });
        Ok(())
    }
}

/// Splits a word at its first equals sign.
fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = word.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next())
}
