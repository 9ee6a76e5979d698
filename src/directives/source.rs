//! Sessions without a cookie: the parameters for variables and for the zone of learned sessions, which several directives
//! share.

use session_cookie::learned::Timeout;
use session_cookie::memory::{push, with_capacity};
use session_cookie::policy::{Hash, Limits, Mode};

use super::messages::Error;
use super::parameters::{Fault, Parameter, Parsed};
use crate::conf::{Learn, Source};
use crate::nginx::conf::{milliseconds, size, Conf};
use crate::nginx::session_zone::SessionZone;
use crate::nginx::variable::Variable;

const VARIABLE: &str = "a variable";

pub(super) const LOOKUP: Parameter = Parameter::value("lookup", VARIABLE, lookup).repeated();

pub(super) const CREATE: Parameter = Parameter::value("create", VARIABLE, |parsed, value| {
    Ok(push(&mut parsed.source.create, variable(value)?)?)
})
.repeated();

pub(super) const ZONE: Parameter = Parameter::value(
    "zone",
    "\"name:size\" with a size of at least 8 memory pages",
    |parsed, value| {
        let mut parts = value.splitn(2, |byte| *byte == b':');
        let name = parts.next().filter(|name| !name.is_empty());
        let size = parts
            .next()
            .and_then(size)
            .filter(|size| SessionZone::is_enough(*size));
        parsed.source.zone = Some(name.zip(size).ok_or(Fault::Illegal)?);
        Ok(())
    },
);

pub(super) const TIMEOUT: Parameter = Parameter::value(
    "timeout",
    "a time in seconds, or with units such as \"1h30m\", greater than 0",
    |parsed, value| {
        let time = milliseconds(value).filter(|time| *time != 0);
        parsed.source.timeout = time.ok_or(Fault::Illegal)?;
        Ok(())
    },
)
.or("10m");

pub(super) const HEADER: Parameter =
    Parameter::flag("header", |parsed| parsed.source.after_header = true);

/// Adds a variable that contains the ID of a server or of a session.
pub(super) fn lookup<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    Ok(push(&mut parsed.source.lookup, variable(value)?)?)
}

/// Returns the name of a variable. Several variables in one word are rejected: nginx would take them for a single name.
fn variable(value: &[u8]) -> Result<&[u8], Fault> {
    (value.strip_prefix(b"$"))
        .filter(|name| !name.contains(&b'$'))
        .ok_or(Fault::Illegal)
}

/// Completes and checks a directive whose sessions have no cookie of the module. Servers have their configured IDs.
pub(super) fn finish(
    directive: &'static str,
    parsed: &mut Parsed<'_>,
) -> Result<(), Error<'static>> {
    parsed.policy.hash = Hash::Given;
    parsed.policy.limits = Limits::default();
    let source = &parsed.source;
    let is_learned = parsed.policy.mode == Mode::Learn;
    let missing = if source.lookup.is_empty() {
        "lookup"
    } else if is_learned && source.create.is_empty() {
        "create"
    } else if is_learned && source.zone.is_none() {
        "zone"
    } else {
        if is_learned {
            parsed.policy.accept.clear();
        }
        return Ok(());
    };
    if parsed.policy.as_nginx {
        return Err(Error::Needs(directive, missing));
    }
    Err(Error::Missing {
        directive,
        of: if is_learned {
            "mode=learn"
        } else {
            "mode=route"
        },
        name: missing,
    })
}

/// Creates the source of session IDs. Returns `None` if sessions are stored in a cookie.
pub(super) fn make<'c>(
    cf: Conf<'c>,
    directive: &'static str,
    parsed: &Parsed<'c>,
) -> Result<Option<&'c Source>, Error<'c>> {
    let words = &parsed.source;
    let timeout = Timeout::from_millis(words.timeout);
    let learn = match (parsed.policy.mode, words.zone) {
        (Mode::Route, _) => None,
        (Mode::Learn, Some((name, size))) => Some(Learn {
            create: variables(cf, directive, &words.create)?,
            zone: SessionZone::add(cf, name, size, timeout)
                .map_err(|error| Error::Zone { name, error })?,
            timeout,
            after_header: words.after_header,
        }),
        _ => return Ok(None),
    };
    let lookup = variables(cf, directive, &words.lookup)?;
    Ok(Some(cf.keep(Source { lookup, learn })?))
}

/// Looks up the variables with these names.
fn variables<'c>(
    cf: Conf<'c>,
    directive: &'static str,
    names: &[&'c [u8]],
) -> Result<Vec<Variable>, Error<'c>> {
    let mut variables = with_capacity(names.len())?;
    for name in names {
        let variable = cf
            .variable(name)?
            .ok_or(Error::NoVariable { directive, name })?;
        push(&mut variables, variable)?;
    }
    Ok(variables)
}
