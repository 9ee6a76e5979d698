//! `sticky [parameter]…`, `sticky_no_fallback` and `sticky_hide_cookie` of nginx-sticky-module-ng.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use session_cookie::memory::{append, boxed};
use session_cookie::policy::{Accepted, Digest, Fallback, Hash, Mode, Style};

use super::messages::Error;
use super::parameters::{
    attribute_value, cookie, time, Case, Fault, Ignored, Parameter, Parsed, Word, DOMAIN, HMAC_KEY,
    HTTP_ONLY, PATH, PRESERVE, SECURE, TOKEN,
};
use super::parser::{Directive, Leading};
use crate::conf::LocationConf;
use crate::nginx::conf;

pub(super) static DIRECTIVE: Directive = Directive {
    name: "sticky",
    mode: Mode::Repeat,
    style: Style::Rfc,
    leading: Leading::Parameters,
    parameters: &[
        Parameter::value("name", TOKEN, cookie).or("route"),
        DOMAIN,
        PATH.or("/"),
        Parameter::value("expires", EXPIRES, expires),
        Parameter::words("hash", HASHES).or("md5"),
        Parameter::words("hmac", HMACS),
        HMAC_KEY.ignored(HMAC_KEY_IGNORED),
        Parameter::words("text", TEXTS),
        Parameter::flag("no_fallback", |parsed| {
            parsed.policy.fallback = Fallback::Off;
        }),
        Parameter::flag("hide_cookie", |parsed| parsed.policy.silent = true),
        // `finish` sets it, when the delimiter is known.
        Parameter::flag("transfer", |_| ()),
        Parameter::value("delimiter", DELIMITER, delimiter)
            .or(" ")
            .ignored(DELIMITER_IGNORED),
        SECURE,
        HTTP_ONLY,
        PRESERVE,
    ],
    finish,
};

const EXPIRES: &str = "a time of at least one second, or with units such as \"1h30m\"";

const HASHES: &[Word] = &[
    ("index", |parsed| parsed.policy.hash = Hash::Index),
    ("md5", |parsed| parsed.policy.hash = Hash::Line(Digest::Md5)),
    ("sha1", |parsed| {
        parsed.policy.hash = Hash::Line(Digest::Sha1);
    }),
];

const HMACS: &[Word] = &[
    ("md5", |parsed| {
        parsed.policy.hash = Hash::Line(Digest::HmacMd5);
    }),
    ("sha1", |parsed| {
        parsed.policy.hash = Hash::Line(Digest::HmacSha1);
    }),
];

/// `md5` and `sha1` are those of its releases up to 1.2.6: digests of the address as text.
const TEXTS: &[Word] = &[
    ("raw", |parsed| parsed.policy.hash = Hash::Line(Digest::Raw)),
    ("md5", |parsed| parsed.policy.hash = Hash::Md5),
    ("sha1", |parsed| parsed.policy.hash = Hash::Sha1),
];

const HMAC_KEY_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(|parsed| parsed.gives("hmac"), "hmac="),
}];

const DELIMITER: &str = "text without ';' and control characters";

const DELIMITER_IGNORED: &[Ignored] = &[Ignored {
    value: None,
    case: Case::Without(|parsed| parsed.gives("transfer"), "transfer"),
}];

/// Returns whether a word is a parameter of that module, and not of nginx's own `sticky`.
pub(super) fn begins(word: &[u8]) -> bool {
    DIRECTIVE.parameter(word).is_some()
}

fn expires(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    let time = time(value)?;
    if time == 0 {
        return Err(Fault::Illegal);
    }
    parsed.policy.max_age = Some(time);
    Ok(())
}

fn delimiter<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    parsed.delimiter = attribute_value(value)?;
    Ok(())
}

/// Requires a single form of IDs, and a key if the form needs one.
fn finish(parsed: &mut Parsed<'_>) -> Result<(), Error<'static>> {
    let hashes = ["hash", "hmac", "text"].into_iter();
    if hashes.filter(|name| parsed.gives(name)).count() > 1 {
        return Err(Error::SeveralHashes(DIRECTIVE.name));
    }
    if parsed.gives("hmac") && !parsed.gives("hmac_key") {
        return Err(Error::Missing {
            directive: DIRECTIVE.name,
            of: "hmac=",
            name: "hmac_key",
        });
    }
    if parsed.gives("transfer") {
        parsed.policy.transfer = Some(boxed(parsed.delimiter)?);
    }
    // In the newest version of that module, all addresses of a name have the same ID. Its releases up to 1.2.6 made other
    // IDs from the same parameters.
    if let Hash::Line(digest) = parsed.policy.hash {
        let forms = [Accepted::Id(Hash::Line(digest)), Accepted::Address(digest)];
        let forms = forms.get(..if digest == Digest::Raw { 1 } else { 2 });
        append(&mut parsed.policy.accept, forms.unwrap_or_default())?;
    }
    Ok(())
}

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn no_fallback(
    _: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this with the module's configuration of the location, to which no other reference exists.
    let location = unsafe { &mut *conf.cast::<LocationConf>() };
    set(&mut location.no_fallback)
}

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn hide_cookie(
    _: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this with the module's configuration of the location, to which no other reference exists.
    let location = unsafe { &mut *conf.cast::<LocationConf>() };
    set(&mut location.silent)
}

fn set(flag: &mut bool) -> *mut c_char {
    if core::mem::replace(flag, true) {
        return c"is duplicate".as_ptr().cast_mut();
    }
    conf::OK
}
