//! Cookies that are not hidden from the servers of their upstream. Where a location passes requests by a variable nobody knows
//! ahead what is to be hidden, and an application that reads a cookie with the id in it fails in silence.

use session_cookie::cookie::{values, HiddenPart};
use session_cookie::id::PREFIX_END;

use super::visit::Visit;
use crate::log::error;
use crate::nginx::cookies::View;
use crate::nginx::{string, Printable};

/// Logs a cookie that the servers of its upstream are about to see, once a worker and upstream.
#[cold]
#[inline(never)]
pub(super) fn look(visit: &Visit<'_>) {
    let told = &visit.conf.told.exposed;
    let Some(rule) = visit.policy().hide_rule().filter(|_| !told.get()) else {
        return;
    };
    // An earlier location may have hidden it.
    let view = View::of(visit.request);
    if visit.location().hides.contains(&rule) || view.rules.contains(&rule) {
        return;
    }
    let mut fields = view.installed.values();
    let is_seen = |value: &[u8]| rule.part == HiddenPart::Pair || value.contains(&PREFIX_END);
    if !fields.any(|field| values(field, rule.name).any(is_seen)) {
        return;
    }
    told.set(true);
    let upstream = string(visit.upstream.host());
    error!(
        visit.request,
        "session_sticky: cookie \"{}\" of upstream \"{}\" is not hidden from its servers, the location that passes to \
         it by a variable needs \"session_sticky_hide_cookie upstream={};\"",
        Printable(rule.name),
        upstream,
        upstream
    );
}
