//! `sticky cookie name [expires=time | max] [domain=] [httponly] [samesite=] [secure] [path=]`: the directive of
//! nginx 1.29.6, implemented for older versions.

use session_cookie::memory::{boxed, push};
use session_cookie::policy::{Mode, Style};

use super::parameters::{
    time, Fault, Parameter, Parsed, DOMAIN, HTTP_ONLY, LITERAL_PATH, SAME_SITE, SECURE,
};
use super::parser::{Directive, Leading};

pub(super) static DIRECTIVE: Directive = Directive {
    name: "sticky cookie",
    mode: Mode::Repeat,
    style: Style::Nginx,
    leading: Leading::CookieName,
    parameters: &[EXPIRES, DOMAIN, HTTP_ONLY, SAME_SITE, SECURE, LITERAL_PATH],
    finish: |_| Ok(()),
};

pub(super) const EXPIRES: Parameter = Parameter::value(
    "expires",
    "\"max\" or a time in seconds, or with units such as \"1h30m\"",
    expires,
);

/// The attributes of `expires=max`, as nginx writes them.
const FOREVER: &[u8] = b"expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000";

fn expires(parsed: &mut Parsed<'_>, value: &[u8]) -> Result<(), Fault> {
    let policy = &mut parsed.policy;
    policy.attributes.clear();
    if value == b"max" {
        policy.max_age = None;
        push(&mut policy.attributes, boxed(FOREVER)?)?;
    } else {
        policy.max_age = Some(time(value)?);
    }
    Ok(())
}
