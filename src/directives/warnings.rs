//! What loads, whichever directive says it, but not as it may have been meant.

use session_cookie::bytes::is_path;
use session_cookie::policy::{Mode, Policy, SameSite, Secure};

use crate::nginx::Printable;

/// Of nginx's own directive, whose cookie stays as it is; `session_sticky` has left out its `maxage=0`.
const EXPIRED: &str =
    "\"expires=0\" binds no client, since browsers delete the cookie on arrival: it must be a \
     second at least, or left out";

/// What to warn of in a policy: each completes a line that begins with `"DIRECTIVE" with `.
pub(super) fn of_policy(policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    if policy.cookie.contains(&b'$') {
        warnings.push(format!(
            "a cookie \"{}\", which is taken literally: its name takes no variables",
            Printable(&policy.cookie)
        ));
    }
    // In the other modes the attributes are the application's.
    if matches!(policy.mode, Mode::Insert | Mode::Repeat) {
        warnings.extend(of_attributes(policy));
    }
    warnings
}

fn of_attributes(policy: &Policy) -> impl Iterator<Item = String> + '_ {
    let wants_secure = [
        (
            policy.same_site == Some(SameSite::None),
            "\"samesite=none\"",
        ),
        (policy.partitioned, "\"partitioned\""),
    ];
    let insecure = wants_secure
        .into_iter()
        .filter_map(|(is_there, what)| is_there.then(|| without_secure(policy, what))?);
    let expired = (policy.max_age == Some(0)).then(|| String::from(EXPIRED));
    insecure.chain(of_path(&policy.path)).chain(expired)
}

/// Browsers want `Secure` with some attributes.
fn without_secure(policy: &Policy, what: &str) -> Option<String> {
    match policy.secure {
        Secure::On => None,
        Secure::Off => Some(format!(
            "{what} needs \"secure\", browsers refuse such a cookie without it"
        )),
        Secure::Auto => Some(format!(
            "{what} needs \"secure\", with \"secure=auto\" browsers refuse the cookie on requests without TLS"
        )),
    }
}

fn of_path(path: &[u8]) -> Option<String> {
    if path.contains(&b'$') {
        return Some(format!(
            "\"path={}\", which is taken literally: it takes no variables here",
            Printable(path)
        ));
    }
    (!path.is_empty() && !is_path(path)).then(|| {
        format!(
            "\"path={}\" needs a leading slash, browsers take the folder of the request without it",
            Printable(path)
        )
    })
}
