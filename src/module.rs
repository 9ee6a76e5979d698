//! The wiring: what nginx calls while it reads a configuration, in this order. Configurations are made and merged, the
//! module takes its place in each sticky upstream, and its handler and its filter are put into nginx's lists.

use core::ffi::{c_char, c_void};

use ngx::core::Status;
use ngx::ffi::{
    ngx_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_int_t,
    NGX_LOG_EMERG,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};
use ngx::ngx_log_error;
use session_cookie::policy::Fallback;

use crate::conf::{upstream_conf, upstream_conf_mut, LocationConf, Sticky};
use crate::directives::{hide_cookie, reach, server, shared_ids};
use crate::filters::{hide, set_cookie};
use crate::nginx::conf::{self, declared_at, passed_upstreams, upstreams};
use crate::nginx::variables::CookieVariables;
use crate::nginx::Printable;
use crate::upstream::chain;

/// Runs after those of the modules that pass requests, because all filters stand after them.
pub(crate) unsafe extern "C" fn merge_loc_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    // SAFETY: both are configurations that create_loc_conf() made.
    unsafe {
        let outer = &*outer.cast::<LocationConf>();
        let location = &mut *inner.cast::<LocationConf>();
        if location.hide_upstreams.is_empty() {
            location.hide_upstreams.clone_from(&outer.hide_upstreams);
        }
        location.no_fallback |= outer.no_fallback;
        location.silent |= outer.silent;
        let passed = passed_upstreams(cf);
        location.hides = hide_cookie::rules(cf, &passed, &location.hide_upstreams);
        if let Some(main) = Sticky::main_conf_mut(&*cf) {
            reach::note(cf, main, &passed, &location.hide_upstreams);
            main.hides |= !location.hides.is_empty();
            main.no_fallback |= location.no_fallback;
        }
    }
    conf::OK
}

/// Puts the module into the chain of every upstream with a policy, before nginx prepares them: all
/// directives were read, in whatever order they stood.
pub(crate) unsafe extern "C" fn init_main_conf(cf: *mut ngx_conf_t, _: *mut c_void) -> *mut c_char {
    // SAFETY: nginx calls this once in the http block, before the same function of the upstream module.
    unsafe {
        for us in upstreams(cf).filter(|us| upstream_conf(*us).policy.is_some()) {
            if server::has_own_sticky(cf, us) {
                // All was read: "cf" is at the end of the block, which is no place to point at.
                let (file, line) = declared_at(us);
                ngx_log_error!(
                    NGX_LOG_EMERG,
                    (*cf).log,
                    "\"{}\" and nginx's own \"sticky\" are both given, remove one of them from \
                     upstream \"{}\" in {}:{}",
                    upstream_conf(us).directive,
                    (*us).host,
                    Printable(file),
                    line
                );
                return conf::ERROR;
            }
            shared_ids::check(cf, us);
            chain::install(us);
        }
        upstreams(cf).for_each(|us| server::check_ids(cf, us));
    }
    conf::OK
}

/// The last phase before content.
const PHASE: usize = ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as usize;

/// Runs once in the `http` block, when all of it was read.
pub(crate) unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx calls this once in the http block, when all of it was read.
    unsafe {
        hide_cookie::check(cf);
        reach::check(cf);

        // Whatever this configuration says: after a reload that fails the master keeps the filters
        // of the last configuration that it read, not of the one that is in force.
        set_cookie::install();

        let (Some(main), Some(core)) = (
            Sticky::main_conf_mut(&*cf),
            NgxHttpCoreModule::main_conf_mut(&*cf),
        ) else {
            return Status::NGX_ERROR.into();
        };
        for us in upstreams(cf) {
            let upstream = upstream_conf_mut(us);
            let policy = upstream.policy.as_ref();
            let is_strict = policy.is_some_and(|policy| policy.fallback != Fallback::On);
            upstream.may_be_strict = is_strict || main.no_fallback;
        }
        if !main.hides {
            return Status::NGX_OK.into();
        }
        main.cookie_variables = CookieVariables::of(core);

        let phase = core.phases.get_mut(PHASE);
        let Some(phase) = phase else {
            return Status::NGX_ERROR.into();
        };
        let handler =
            ngx::ffi::ngx_array_push(&raw mut phase.handlers).cast::<ngx_http_handler_pt>();
        if handler.is_null() {
            return Status::NGX_ERROR.into();
        }
        *handler = Some(hide::handler);
    }
    Status::NGX_OK.into()
}
