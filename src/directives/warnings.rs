//! Warnings about values that are valid but probably not what was intended. They apply to all sticky directives.

use session_cookie::bytes::is_path;
use session_cookie::policy::{Mode, Policy, SameSite, Secure};

use super::messages::Oddity;

/// Warns about suspicious values of a policy.
pub(super) fn of_policy<'p>(policy: &'p Policy, mut warn: impl FnMut(Oddity<'p>)) {
    if policy.cookie.contains(&b'$') {
        warn(Oddity::LiteralName(&policy.cookie));
    }
    // In the other modes, the application sets the attributes.
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
    if policy.secure == Secure::Variable && has_prefix(&policy.cookie) {
        warn(Oddity::PrefixByVariable(&policy.cookie));
    }
    let refresh = policy.refresh;
    if refresh != 0 && policy.max_age.is_some_and(|max_age| refresh >= max_age) {
        warn(Oddity::LateRefresh);
    }
    of_path(&policy.path).map(&mut warn);
    if policy.max_age == Some(0) {
        warn(Oddity::Expired);
    }
}

/// Returns a warning if the cookie is not always `Secure`, which browsers require with the attribute `what`.
fn without_secure<'p>(policy: &Policy, what: &'static str) -> Option<Oddity<'p>> {
    match policy.secure {
        Secure::On => None,
        Secure::Off => Some(Oddity::Insecure(what)),
        Secure::Auto => Some(Oddity::InsecureAtTimes(what)),
        Secure::Variable => Some(Oddity::InsecureByVariable(what)),
    }
}

/// Checks the value of a parameter that is a condition, such as `if=`.
pub(super) fn of_condition<'c>(name: &'static str, text: &'c [u8]) -> Option<Oddity<'c>> {
    (!text.contains(&b'$')).then_some(Oddity::Constant { name, text })
}

fn of_path(path: &[u8]) -> Option<Oddity<'_>> {
    if path.contains(&b'$') {
        return Some(Oddity::LiteralPath(path));
    }
    (!path.is_empty() && !is_path(path)).then_some(Oddity::RelativePath(path))
}

const SECURE_PREFIX: &[u8] = b"__Secure-";

const HOST_PREFIX: &[u8] = b"__Host-";

fn begins(name: &[u8], prefix: &[u8]) -> bool {
    let start = name.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// Returns whether the name has a prefix with which browsers require `Secure`.
fn has_prefix(name: &[u8]) -> bool {
    begins(name, SECURE_PREFIX) || is_of_host(name)
}

/// Returns whether the name has a prefix with which browsers require `Path=/` and no `Domain`.
pub(super) fn is_of_host(name: &[u8]) -> bool {
    begins(name, HOST_PREFIX)
}

/// Returns the missing attributes that browsers require with the prefix of the name (RFC 6265bis, section 4.1.3), which
/// they compare without regard to case. `is_varying`: the domain or the path contains variables.
pub(super) fn missing_of_prefix(policy: &Policy, is_varying: bool) -> Option<&'static str> {
    // With a variable, it is not known yet.
    let may_be_secure = matches!(policy.secure, Secure::On | Secure::Variable);
    let is_host = may_be_secure && policy.domain.is_none() && !is_varying && *policy.path == *b"/";
    if begins(&policy.cookie, SECURE_PREFIX) && !may_be_secure {
        Some("\"secure\": browsers reject such a cookie without it")
    } else if is_of_host(&policy.cookie) && !is_host {
        Some("\"secure\", \"path=/\" and no \"domain=\": browsers reject such a cookie otherwise")
    } else {
        None
    }
}
