//! What loads, whichever directive says it, but not as it may have been meant.

use session_cookie::bytes::is_path;
use session_cookie::policy::{Mode, Policy, SameSite, Secure};

use super::messages::Oddity;

/// Warns of what is odd about a policy.
pub(super) fn of_policy<'p>(policy: &'p Policy, mut warn: impl FnMut(Oddity<'p>)) {
    if policy.cookie.contains(&b'$') {
        warn(Oddity::LiteralName(&policy.cookie));
    }
    // In the other modes the attributes are the application's.
    if matches!(policy.mode, Mode::Insert | Mode::Repeat) {
        of_attributes(policy, warn);
    }
}

fn of_attributes<'p>(policy: &'p Policy, mut warn: impl FnMut(Oddity<'p>)) {
    if policy.same_site == Some(SameSite::None) {
        without_secure(policy, "\"samesite=none\"").map(&mut warn);
    }
    if policy.partitioned {
        without_secure(policy, "\"partitioned\"").map(&mut warn);
    }
    of_path(&policy.path).map(&mut warn);
    if policy.max_age == Some(0) {
        warn(Oddity::Expired);
    }
}

/// Browsers want `Secure` with some attributes.
fn without_secure<'p>(policy: &Policy, what: &'static str) -> Option<Oddity<'p>> {
    match policy.secure {
        Secure::On => None,
        Secure::Off => Some(Oddity::Insecure(what)),
        Secure::Auto | Secure::Variable => Some(Oddity::InsecureAtTimes(what)),
    }
}

fn of_path(path: &[u8]) -> Option<Oddity<'_>> {
    if path.contains(&b'$') {
        return Some(Oddity::LiteralPath(path));
    }
    (!path.is_empty() && !is_path(path)).then_some(Oddity::RelativePath(path))
}

/// Returns what browsers want of a name with a prefix (RFC 6265bis, section 4.1.3), if it is not there; they compare the
/// prefix in any case. `is_varying`: variables say the domain or the path.
pub(super) fn missing_of_prefix(policy: &Policy, is_varying: bool) -> Option<&'static str> {
    let begins = |prefix: &[u8]| {
        let start = policy.cookie.get(..prefix.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let is_host = policy.secure == Secure::On
        && policy.domain.is_none()
        && !is_varying
        && *policy.path == *b"/";
    if begins(b"__Secure-") && policy.secure != Secure::On {
        Some("\"secure\": browsers refuse such a cookie without it")
    } else if begins(b"__Host-") && !is_host {
        Some("\"secure\", \"path=/\" and no \"domain=\": browsers refuse such a cookie otherwise")
    } else {
        None
    }
}
