//! Detects cookies that are not hidden from the upstream servers. Where a location passes requests by a variable, it is not
//! known in advance what to hide, and an application that reads a cookie with the ID in it fails silently.

use session_cookie::cookie::{values, HiddenPart};
use session_cookie::id::PREFIX_END;

use super::visit::Visit;
use crate::log::error;
use crate::nginx::cookies::View;
use crate::nginx::{string, Printable};

/// Logs, once per worker and upstream, a cookie that the upstream servers are about to see.
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
