//! The parameters that several of these directives have.

use session_cookie::bytes::{is_attribute_value, is_domain};
use session_cookie::policy::{SameSite, Secure};

use super::{Error, Parsed, DOMAIN};
use crate::directives::session_sticky::{self, PATH};
use crate::nginx::conf::seconds;

/// Parts a word at its first equals sign.
pub(super) fn split(word: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut parts = word.splitn(2, |byte| *byte == b'=');
    (parts.next().unwrap_or_default(), parts.next())
}

/// `domain=`
pub(super) fn domain<'a>(parsed: &mut Parsed<'a>, value: &'a [u8]) -> Result<(), Error<'a>> {
    parsed.give("domain");
    (parsed.policy.domain, parsed.domain) = if value.contains(&b'$') {
        (None, Some(value))
    } else if is_domain(value) {
        (Some(Box::from(value)), None)
    } else {
        return Err(parsed.value_error("domain", value, DOMAIN));
    };
    Ok(())
}

/// `path=`
pub(super) fn path<'a>(parsed: &mut Parsed<'a>, value: &'a [u8]) -> Result<(), Error<'a>> {
    parsed.give("path");
    let path = session_sticky::path(value).ok_or(parsed.value_error("path", value, PATH))?;
    (parsed.policy.path, parsed.path) = path;
    Ok(())
}

/// `path=` where it takes no variables, as with nginx's own directive.
pub(super) fn literal_path<'a>(parsed: &mut Parsed<'a>, value: &'a [u8]) -> Result<(), Error<'a>> {
    parsed.give("path");
    if value.is_empty() || !is_attribute_value(value) {
        let legal = "a path without ';' and control characters";
        return Err(parsed.value_error("path", value, legal));
    }
    parsed.policy.path = Box::from(value);
    Ok(())
}

/// `expires=time`, of at least so many seconds.
pub(super) fn expires<'a>(
    parsed: &mut Parsed<'a>,
    value: &'a [u8],
    at_least: u64,
    legal: &'static str,
) -> Result<(), Error<'a>> {
    parsed.give("expires");
    let time = seconds(value).filter(|time| *time >= at_least);
    let time = time.ok_or(parsed.value_error("expires", value, legal))?;
    parsed.policy.max_age = Some(time);
    Ok(())
}

/// `secure`
pub(super) fn secure(parsed: &mut Parsed) {
    parsed.give("secure");
    parsed.policy.secure = Secure::On;
}

/// `httponly`
pub(super) fn http_only(parsed: &mut Parsed) {
    parsed.give("httponly");
    parsed.policy.http_only = true;
}

/// `samesite=`
pub(super) fn same_site<'a>(parsed: &mut Parsed<'a>, value: &'a [u8]) -> Result<(), Error<'a>> {
    parsed.give("samesite");
    if value.contains(&b'$') {
        parsed.same_site = Some(value);
        parsed.policy.same_site = None;
        return Ok(());
    }
    let legal = "\"strict\", \"lax\", \"none\" or a variable";
    let word = SameSite::parse(value).ok_or(parsed.value_error("samesite", value, legal))?;
    parsed.policy.same_site = Some(word);
    parsed.same_site = None;
    Ok(())
}
