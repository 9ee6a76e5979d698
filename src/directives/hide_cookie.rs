//! `session_sticky_hide_cookie upstream=name …`, and the cookies that a location hides by default.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleMainConf;
use session_cookie::cookie::HideRule;
use session_cookie::memory::{push, OutOfMemory};
use session_cookie::policy::Policy;

use super::messages::{Error, Warning};
use crate::conf::{policy_of, HideDirective, LocationConf, MainConf, Sticky};
use crate::nginx::conf::{self, Conf};
use crate::nginx::Printable;

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn hide_cookie(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this while it reads the http block, and `conf` is the module's configuration of the location. No
    // other reference to it or to the configuration of the http block exists.
    let (cf, main, location) = unsafe {
        (
            Conf::new(cf),
            Sticky::main_conf_mut(&*cf),
            &mut *conf.cast::<LocationConf>(),
        )
    };
    match main.map(|main| read(cf, main, location)) {
        Some(Ok(())) => conf::OK,
        Some(Err(error)) => cf.refuse(error),
        None => conf::ERROR,
    }
}

fn read(
    cf: Conf<'static>,
    main: &mut MainConf,
    location: &mut LocationConf,
) -> Result<(), Error<'static>> {
    let directive = cf.words().first().unwrap_or_default();
    if directive == b"session_sticky_header" {
        cf.warn(Warning::Deprecated);
    }
    for word in cf.parameters().iter() {
        let name = word.strip_prefix(b"upstream=");
        let upstream = name
            .filter(|name| !name.is_empty())
            .ok_or(Error::HideParameter { directive, word })?;
        let named = &mut location.hide_upstreams;
        if named.iter().any(|name| name.eq_ignore_ascii_case(upstream)) {
            cf.warn(Warning::DoubledUpstream {
                directive,
                upstream,
            });
            continue;
        }
        push(named, upstream)?;
        let directive = HideDirective {
            directive,
            upstream,
            place: cf.place(),
        };
        push(&mut main.hide_directives, directive)?;
    }
    Ok(())
}

/// Warns about directives that have no effect. Called after the http block has been read.
pub(crate) fn check(cf: Conf<'_>, main: &MainConf) {
    for given in &main.hide_directives {
        let what = match cf.upstream(given.upstream) {
            None => "there is no upstream",
            Some(upstream) => match policy_of(upstream) {
                None => "there is no \"session_sticky\" in upstream",
                Some(policy) if policy.hidden_part().is_none() => {
                    "there is neither \"option=indirect\" nor \"mode=prefix\" in upstream"
                }
                Some(_) => continue,
            },
        };
        cf.warn_of_block(format_args!(
            "\"{}\" directive has no effect: {what} \"{}\" in {}",
            Printable(given.directive),
            Printable(given.upstream),
            given.place
        ));
    }
}

/// Returns the cookies that are hidden from the upstream servers of the location being merged: those of the upstreams that
/// it passes requests to, as far as they are known in advance, and of those that directives name.
pub(crate) fn rules(
    cf: Conf<'static>,
    named: &[&[u8]],
) -> Result<Vec<HideRule<'static>>, OutOfMemory> {
    let named = named.iter().filter_map(|name| cf.upstream(name));
    let mut rules = Vec::new();
    for upstream in cf.passed_upstreams().chain(named) {
        if let Some(rule) = policy_of(upstream).and_then(Policy::hide_rule) {
            // Two upstreams may share a cookie, and a prefix must not be removed twice.
            if !rules.contains(&rule) {
                push(&mut rules, rule)?;
            }
        }
    }
    Ok(rules)
}
