//! Was the cookie of an upstream hidden from its servers? Where a location passes requests by a variable nobody knows
//! ahead what is to be hidden, and an application that reads a cookie with the id in it fails in silence.

use core::ptr;

use ngx::ffi::{ngx_http_request_t, NGX_LOG_ERR};
use ngx::ngx_log_error;
use session_cookie::cookie::{values, Hide, PREFIX_END};
use session_cookie::policy::{Mode, Visibility};

use crate::balancer::Visit;
use crate::conf::upstream_conf;
use crate::nginx::headers_in::View;
use crate::nginx::{log, Printable};

/// Looks after it when a response is sent, for those upstreams of which something is to be hidden.
///
/// # Safety
///
/// `r` is the live request of the visit.
#[inline(always)]
pub(crate) unsafe fn look(r: *mut ngx_http_request_t, visit: &Visit) {
    if visit.policy.mode != Mode::Prefix && visit.policy.visibility == Visibility::Direct {
        return;
    }
    // SAFETY: the caller's promise.
    unsafe {
        // Mostly it is the only one that the location hides.
        if let Some(rule) = visit.location().hides.first() {
            if ptr::eq(rule.name, &visit.policy.cookie) {
                return;
            }
        }
        if !upstream_conf(visit.upstream).told.exposed.get() {
            check(r, visit);
        }
    }
}

/// Logs a cookie that its servers have seen, once a worker and upstream.
#[cold]
#[inline(never)]
unsafe fn check(r: *mut ngx_http_request_t, visit: &Visit) {
    // SAFETY: as above; the request's fields are live.
    unsafe {
        let Some(rule) = visit.policy.rule() else {
            return;
        };
        // An earlier location may have hidden it.
        let view = View::of(r);
        if visit.location().hides.contains(&rule) || view.rules.contains(&rule) {
            return;
        }
        let mut fields = view.installed.values();
        let is_seen = |value: &[u8]| rule.hide == Hide::Pair || value.contains(&PREFIX_END);
        if !fields.any(|field| values(field, rule.name).any(is_seen)) {
            return;
        }
        upstream_conf(visit.upstream).told.exposed.set(true);
        let upstream = (*visit.upstream).host;
        ngx_log_error!(
            NGX_LOG_ERR,
            log(r),
            "session_sticky: cookie \"{}\" of upstream \"{}\" is not hidden from its servers, the location that passes to \
             it by a variable needs \"session_sticky_hide_cookie upstream={};\"",
            Printable(rule.name),
            upstream,
            upstream
        );
    }
}
