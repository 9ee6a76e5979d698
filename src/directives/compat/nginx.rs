//! `sticky cookie name [expires=time | max] [domain=] [httponly] [samesite=] [secure] [path=]`: nginx's
//! own from 1.29.6 on, for those before.

use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Mode, Policy, Style};

use super::{attributes, Error, Parsed};

const DIRECTIVE: &str = "sticky cookie";

const NAMES: &str = "expires=, domain=, httponly, samesite=, secure, path=";

/// The attributes of `expires=max`: the last day of nginx's calendar, and ten years.
const FOREVER: &[u8] = b"expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000";

const EXPIRES: &str = "\"max\" or a time in seconds, or with units as in \"1h30m\"";

/// What nginx's own directive does by default.
pub(super) fn policy() -> Result<Policy, OutOfMemory> {
    Ok(Policy {
        mode: Mode::Repeat,
        path: Box::default(),
        style: Style::Nginx,
        ..Policy::new()?
    })
}

pub(super) fn parse<'a>(parameters: &[&'a [u8]]) -> Result<Parsed<'a>, Error<'a>> {
    let [_, name, parameters @ ..] = parameters else {
        return Err(Error::Count("sticky"));
    };
    let mut parsed = Parsed::new(DIRECTIVE, policy()?);
    parsed.name(name)?;
    for word in parameters {
        parameter(&mut parsed, word)?;
    }
    Ok(parsed)
}

/// `expires=`
pub(super) fn expires<'a>(parsed: &mut Parsed<'a>, value: &'a [u8]) -> Result<(), Error<'a>> {
    if value == b"max" {
        parsed.give("expires");
        parsed.policy.max_age = None;
        parsed.policy.attributes = vec![Box::from(FOREVER)];
        return Ok(());
    }
    parsed.policy.attributes.clear();
    attributes::expires(parsed, value, 0, EXPIRES)
}

fn parameter<'a>(parsed: &mut Parsed<'a>, word: &'a [u8]) -> Result<(), Error<'a>> {
    match attributes::split(word) {
        (b"expires", Some(value)) => expires(parsed, value)?,
        (b"domain", Some(value)) => attributes::domain(parsed, value)?,
        (b"samesite", Some(value)) => attributes::same_site(parsed, value)?,
        (b"path", Some(value)) => attributes::literal_path(parsed, value)?,
        (b"httponly", None) => attributes::http_only(parsed),
        (b"secure", None) => attributes::secure(parsed),
        _ => {
            return Err(Error::Parameter {
                directive: DIRECTIVE,
                word,
                names: NAMES,
            })
        }
    }
    Ok(())
}
