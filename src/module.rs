//! The wiring: what nginx calls while it reads a configuration, in this order. Configurations are made and merged, the
//! module takes its place in each sticky upstream, and its handler and its filter are put into nginx's lists.

use core::ffi::{c_char, c_void};

use ngx::core::Status;
use ngx::ffi::{
    ngx_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_int_t,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};
use session_cookie::memory::{append, OutOfMemory};
use session_cookie::policy::Fallback;

use crate::conf::{upstream_conf_mut, LocationConf, MainConf, Sticky};
use crate::directives::{hide_cookie, reach, server, shared_ids};
use crate::filters::{hide, set_cookie};
use crate::nginx::conf::{self, Conf};
use crate::nginx::string;
use crate::nginx::variables::CookieVariables;
use crate::upstream::chain;

/// Runs after those of the modules that pass requests, because all filters stand after them.
pub(crate) unsafe extern "C" fn merge_loc_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this while it reads the http block. Both are configurations that create_loc_conf() made, and
    // nobody else holds them, nor that of the whole block.
    let (cf, main, outer, inner) = unsafe {
        (
            Conf::new(cf),
            Sticky::main_conf_mut(&*cf),
            &*outer.cast::<LocationConf>(),
            &mut *inner.cast::<LocationConf>(),
        )
    };
    match main.map(|main| merge(cf, main, outer, inner)) {
        Some(Ok(())) => conf::OK,
        Some(Err(error)) => cf.refuse_block(error),
        None => conf::ERROR,
    }
}

fn merge(
    cf: Conf<'static>,
    main: &mut MainConf,
    outer: &LocationConf,
    location: &mut LocationConf,
) -> Result<(), OutOfMemory> {
    if location.hide_upstreams.is_empty() {
        append(&mut location.hide_upstreams, &outer.hide_upstreams)?;
    }
    location.no_fallback |= outer.no_fallback;
    location.silent |= outer.silent;
    location.hides = hide_cookie::rules(cf, &location.hide_upstreams)?;
    reach::note(cf, main, &location.hide_upstreams)?;
    main.hides |= !location.hides.is_empty();
    main.no_fallback |= location.no_fallback;
    Ok(())
}

/// Puts the module into the chain of every upstream with a policy, before nginx prepares them: all
/// directives were read, in whatever order they stood.
pub(crate) unsafe extern "C" fn init_main_conf(cf: *mut ngx_conf_t, _: *mut c_void) -> *mut c_char {
    // SAFETY: nginx calls this once in the http block.
    let cf = unsafe { Conf::new(cf) };
    for upstream in cf.upstreams() {
        let conf = upstream.conf::<Sticky>();
        let Some(conf) = conf.filter(|conf| conf.policy.is_some()) else {
            continue;
        };
        if server::has_own_sticky(cf, upstream) {
            // All was read: "cf" is at the end of the block, which is no place to point at.
            return cf.refuse_block(format_args!(
                "\"{}\" and nginx's own \"sticky\" are both given, remove one of them from upstream \"{}\" in {}",
                conf.directive,
                string(upstream.host()),
                upstream.declared_at()
            ));
        }
        shared_ids::check(cf, upstream);
        // SAFETY: an explicit upstream, which nginx prepares later, in the same function of the upstream module.
        unsafe { chain::install(upstream.as_ptr()) };
    }
    for upstream in cf.upstreams() {
        server::check_ids(cf, upstream);
    }
    conf::OK
}

/// The last phase before content.
const PHASE: usize = ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as usize;

/// Runs once in the `http` block, when all of it was read.
pub(crate) unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx calls this once in the http block, when all of it was read.
    unsafe {
        let http = Conf::new(cf);
        let Some(main) = Sticky::main_conf(&*cf) else {
            return Status::NGX_ERROR.into();
        };
        hide_cookie::check(http, main);
        if let Err(error) = reach::check(http, main) {
            http.refuse_block(error);
            return Status::NGX_ERROR.into();
        }

        // Whatever this configuration says: after a reload that fails the master keeps the filters
        // of the last configuration that it read, not of the one that is in force.
        set_cookie::install();

        let (Some(main), Some(core)) = (
            Sticky::main_conf_mut(&*cf),
            NgxHttpCoreModule::main_conf_mut(&*cf),
        ) else {
            return Status::NGX_ERROR.into();
        };
        for us in http.upstreams() {
            let upstream = upstream_conf_mut(us.as_ptr());
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
