//! `session_sticky_hide_cookie upstream=name …`, and what a location hides without it.

use core::ffi::{c_char, c_void};

use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_upstream_srv_conf_t, NGX_LOG_EMERG, NGX_LOG_WARN,
};
use ngx::http::HttpModuleMainConf;
use ngx::{ngx_conf_log_error, ngx_log_error};
use session_cookie::cookie::HideRule;
use session_cookie::policy::Policy;

use crate::conf::{upstream_conf, HideDirective, LocationConf, Sticky};
use crate::nginx::conf::{self, place, upstreams, words};
use crate::nginx::{bytes, Printable};

pub(crate) unsafe extern "C" fn hide_cookie(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive with parameters, and with the location's configuration.
    unsafe {
        let [directive, parameters @ ..] = &*words(cf) else {
            return conf::ERROR;
        };
        let directive = bytes(*directive);
        if directive == b"session_sticky_header" {
            ngx_conf_log_error!(
                NGX_LOG_WARN,
                cf,
                "the \"session_sticky_header\" directive is deprecated, \
                 use the \"session_sticky_hide_cookie\" directive instead"
            );
        }

        let location = &mut *conf.cast::<LocationConf>();
        for parameter in parameters {
            let parameter = bytes(*parameter);
            let name = parameter
                .strip_prefix(b"upstream=")
                .filter(|name| !name.is_empty());
            let Some(upstream) = name else {
                ngx_conf_log_error!(
                    NGX_LOG_EMERG,
                    cf,
                    "invalid parameter \"{}\" in \"{}\" directive, it must be \"upstream=name\"",
                    Printable(parameter),
                    Printable(directive)
                );
                return conf::ERROR;
            };

            let named = &mut location.hide_upstreams;
            if named.iter().any(|name| name.eq_ignore_ascii_case(upstream)) {
                ngx_conf_log_error!(
                    NGX_LOG_WARN,
                    cf,
                    "duplicate upstream \"{}\" in \"{}\" directive",
                    Printable(upstream),
                    Printable(directive)
                );
                continue;
            }
            named.push(upstream);

            if let Some(main) = Sticky::main_conf_mut(&*cf) {
                main.hide_directives.push(HideDirective {
                    directive,
                    upstream,
                    place: place(cf),
                });
            }
        }
        conf::OK
    }
}

/// The explicit upstream of this name.
pub(super) unsafe fn find(
    cf: *mut ngx_conf_t,
    name: &[u8],
) -> Option<*mut ngx_http_upstream_srv_conf_t> {
    // SAFETY: the caller is in the http block.
    unsafe { upstreams(cf).find(|us| bytes((**us).host).eq_ignore_ascii_case(name)) }
}

/// Warns of directives that do nothing.
///
/// # Safety
///
/// All of the http block was read.
pub(crate) unsafe fn check(cf: *mut ngx_conf_t) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(main) = Sticky::main_conf(&*cf) else {
            return;
        };
        for given in &main.hide_directives {
            let what = match find(cf, given.upstream) {
                None => "there is no upstream",
                Some(us) => match &upstream_conf(us).policy {
                    None => "there is no \"session_sticky\" in upstream",
                    Some(policy) if policy.hidden_part().is_none() => {
                        "there is neither \"option=indirect\" nor \"mode=prefix\" in upstream"
                    }
                    Some(_) => continue,
                },
            };
            ngx_log_error!(
                NGX_LOG_WARN,
                (*cf).log,
                "\"{}\" directive does nothing: {} \"{}\" in {}:{}",
                Printable(given.directive),
                what,
                Printable(given.upstream),
                Printable(given.place.0),
                given.place.1
            );
        }
    }
}

/// What the upstream servers of a location must not see: the cookies of the upstreams that it passes to, as far as
/// they are known, and of those that directives name.
///
/// # Safety
///
/// `cf` is that of our `merge_loc_conf`.
pub(crate) unsafe fn rules(
    cf: *mut ngx_conf_t,
    passed: &[*mut ngx_http_upstream_srv_conf_t],
    named: &[&[u8]],
) -> Vec<HideRule<'static>> {
    // SAFETY: policies live as long as the locations do: both are freed with the cycle.
    unsafe {
        let named = named.iter().filter_map(|name| find(cf, name));
        let mut rules = Vec::new();
        for us in passed.iter().copied().chain(named) {
            if let Some(rule) = upstream_conf(us)
                .policy
                .as_ref()
                .and_then(Policy::hide_rule)
            {
                // Two upstreams may have one cookie, and of a prefix nothing must be cut off twice.
                if !rules.contains(&rule) {
                    rules.push(rule);
                }
            }
        }
        rules
    }
}
