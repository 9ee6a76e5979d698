//! `sticky [parameter]…`, `sticky_no_fallback` and `sticky_hide_cookie` of nginx-sticky-module-ng.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use session_cookie::bytes::{is_attribute_value, is_token};
use session_cookie::cookie::Name;
use session_cookie::policy::{Accepted, Digest, Fallback, Hash, Mode, Policy};

use super::{attributes, Error, Parsed, Warning, NAME};
use crate::conf::LocationConf;
use crate::nginx::conf;

const DIRECTIVE: &str = "sticky";

const NAMES: &str =
    "name=, domain=, path=, expires=, hash=, hmac=, hmac_key=, text=, no_fallback, \
                     hide_cookie, transfer, delimiter=, secure, httponly";

const EXPIRES: &str = "a time of a second at least, or with units as in \"1h30m\"";

/// What stands between the id and the application's own value.
const DELIMITER: &[u8] = b" ";

/// Does this word belong to that module, and not to nginx's own `sticky`?
pub(super) fn is_parameter(word: &[u8]) -> bool {
    match attributes::split(word) {
        (name, Some(_)) => [
            &b"name"[..],
            b"domain",
            b"path",
            b"expires",
            b"hash",
            b"hmac",
            b"hmac_key",
            b"text",
            b"delimiter",
        ]
        .contains(&name),
        (name, None) => [
            &b"no_fallback"[..],
            b"hide_cookie",
            b"transfer",
            b"secure",
            b"httponly",
        ]
        .contains(&name),
    }
}

pub(super) fn parse<'a>(parameters: &[&'a [u8]]) -> Result<Parsed<'a>, Error<'a>> {
    let policy = Policy {
        mode: Mode::Repeat,
        hash: Hash::Line(Digest::Md5),
        ..Policy::new()?
    };
    let mut parsed = Parsed::new(DIRECTIVE, policy);
    let mut delimiter = None;
    for word in parameters {
        match attributes::split(word) {
            (b"delimiter", Some(value)) => {
                parsed.give("delimiter");
                if value.is_empty() || !is_attribute_value(value) {
                    let legal = "text without ';' and control characters";
                    return Err(parsed.value_error("delimiter", value, legal));
                }
                delimiter = Some(value);
            }
            (b"transfer", None) => {
                parsed.give("transfer");
                parsed.policy.transfer = Some(Box::from(DELIMITER));
            }
            _ => parameter(&mut parsed, word)?,
        }
    }

    match (&mut parsed.policy.transfer, delimiter) {
        (Some(transfer), Some(delimiter)) => *transfer = Box::from(delimiter),
        (None, Some(_)) => parsed.warn_meaningless("delimiter=", "transfer"),
        (_, None) => (),
    }
    check_hash(&mut parsed)?;
    // A name of several addresses has one id in its newest version. In its releases up to 1.2.6 the same line meant
    // other ids.
    if let Hash::Line(digest) = parsed.policy.hash {
        parsed.policy.accept = vec![Accepted::Id(Hash::Line(digest))];
        if digest != Digest::Raw {
            parsed.policy.accept.push(Accepted::Address(digest));
        }
    }
    Ok(parsed)
}

fn parameter<'a>(parsed: &mut Parsed<'a>, word: &'a [u8]) -> Result<(), Error<'a>> {
    match attributes::split(word) {
        (b"name", Some(value)) => {
            parsed.give("name");
            if !is_token(value) {
                return Err(parsed.value_error("name", value, NAME));
            }
            parsed.policy.cookie = Name::new(value)?;
        }
        (b"domain", Some(value)) => attributes::domain(parsed, value)?,
        (b"path", Some(value)) => attributes::path(parsed, value)?,
        (b"expires", Some(value)) => attributes::expires(parsed, value, 1, EXPIRES)?,
        (b"secure", None) => attributes::secure(parsed),
        (b"httponly", None) => attributes::http_only(parsed),
        (b"hash", Some(value)) => {
            parsed.give("hash");
            parsed.policy.hash = match value {
                b"index" => Hash::Index,
                b"md5" => Hash::Line(Digest::Md5),
                b"sha1" => Hash::Line(Digest::Sha1),
                _ => {
                    return Err(parsed.value_error("hash", value, "\"index\", \"md5\" or \"sha1\""))
                }
            };
        }
        (b"hmac", Some(value)) => {
            parsed.give("hmac");
            parsed.policy.hash = match value {
                b"md5" => Hash::Line(Digest::HmacMd5),
                b"sha1" => Hash::Line(Digest::HmacSha1),
                _ => return Err(parsed.value_error("hmac", value, "\"md5\" or \"sha1\"")),
            };
        }
        (b"hmac_key", Some(value)) => {
            parsed.give("hmac_key");
            if value.is_empty() {
                return Err(parsed.value_error("hmac_key", value, "a text"));
            }
            parsed.policy.hmac_key = Box::from(value);
        }
        (b"text", Some(value)) => {
            parsed.give("text");
            // The last two are of its releases up to 1.2.6: digests of the address as text.
            parsed.policy.hash = match value {
                b"raw" => Hash::Line(Digest::Raw),
                b"md5" => Hash::Md5,
                b"sha1" => Hash::Sha1,
                _ => return Err(parsed.value_error("text", value, "\"raw\", \"md5\" or \"sha1\"")),
            };
        }
        (b"no_fallback", None) => {
            parsed.give("no_fallback");
            parsed.policy.fallback = Fallback::Off;
        }
        (b"hide_cookie", None) => {
            parsed.give("hide_cookie");
            parsed.policy.silent = true;
        }
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

/// One way to make ids, and a key where it needs one.
fn check_hash<'a>(parsed: &mut Parsed<'a>) -> Result<(), Error<'a>> {
    let is_given = |name: &&str| parsed.given.contains(name);
    if ["hash", "hmac", "text"]
        .iter()
        .filter(|name| is_given(name))
        .count()
        > 1
    {
        return Err(Error::Several(DIRECTIVE));
    }
    match (is_given(&"hmac"), is_given(&"hmac_key")) {
        (true, false) => return Err(Error::NoKey(DIRECTIVE)),
        (false, true) => parsed.warn_meaningless("hmac_key=", "hmac="),
        _ => (),
    }
    Ok(())
}

impl Parsed<'_> {
    fn warn_meaningless(&mut self, name: &'static str, with: &'static str) {
        let meaningless = Warning::Meaningless(self.directive, name, with);
        self.warnings.push(meaningless);
    }
}

pub(crate) unsafe extern "C" fn no_fallback(
    _: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this with the location's configuration.
    unsafe { set(&mut (*conf.cast::<LocationConf>()).no_fallback) }
}

pub(crate) unsafe extern "C" fn hide_cookie(
    _: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: as above.
    unsafe { set(&mut (*conf.cast::<LocationConf>()).silent) }
}

fn set(flag: &mut bool) -> *mut c_char {
    if core::mem::replace(flag, true) {
        return c"is duplicate".as_ptr().cast_mut();
    }
    conf::OK
}
