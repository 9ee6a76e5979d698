//! The functions that nginx calls when it reads a configuration and when processes start and exit. Configurations are created
//! and merged, the module is installed in each sticky upstream, and its handler and its filter are added to nginx's lists.

use core::ffi::{c_char, c_void};

use ngx::core::Status;
use ngx::ffi::{ngx_conf_t, ngx_cycle_t, ngx_int_t};
use ngx::http::HttpModuleMainConf;
use session_cookie::memory::{append, OutOfMemory};
use session_cookie::policy::Fallback;

use crate::conf::{LocationConf, MainConf, Sticky, UpstreamConf, Watch};
use crate::control::start;
use crate::counters;
use crate::directives::{hide_cookie, linger, reach, server, session_sticky_control, shared_ids};
use crate::filters::{hide, set_cookie};
use crate::nginx::conf::{self, Conf};
use crate::nginx::control_zone::ControlZone;
use crate::nginx::upstream::Upstream;
use crate::nginx::worker_timer::ServedCycle;
use crate::nginx::{string, Printable};
use crate::status::endpoint;
use crate::upstream::chain;
use crate::variables;

/// Adds the variables before any directive in the `http` block is read.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx calls this when it begins to read the block, and the handle is not used after the call.
    match variables::add(unsafe { Conf::new(cf) }) {
        Some(()) => Status::NGX_OK.into(),
        None => Status::NGX_ERROR.into(),
    }
}

/// Creates the configuration of the `http` block.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls this when it begins to read the block, and the handle is not used after the call.
    unsafe { Conf::new(cf) }.create::<MainConf>()
}

/// Creates the configuration of an upstream, and one for each `server` block, which is not used.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn create_srv_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls this when it begins to read the block, and the handle is not used after the call.
    unsafe { Conf::new(cf) }.create::<UpstreamConf>()
}

/// Creates the configuration of a location.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn create_loc_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls this when it begins to read the block, and the handle is not used after the call.
    unsafe { Conf::new(cf) }.create::<LocationConf>()
}

/// Merges location configurations after the modules that pass requests, because all filters come after those modules.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn merge_loc_conf(
    cf: *mut ngx_conf_t,
    outer: *mut c_void,
    inner: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this while it reads the http block. Both configurations were made by create_loc_conf(), and there
    // is no other reference to them or to that of the whole block.
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
    location.passes_to = only(cf.passed_upstreams());
    location.no_fallback |= outer.no_fallback;
    location.silent |= outer.silent;
    if outer.shows_status {
        cf.handle_limited_content(endpoint::handler);
    }
    location.control = location.control.or(outer.control);
    if location.control == Some(true) {
        location.server_names = cf.server_names()?;
        let (is_shown, is_limited) = (location.shows_status, outer.shows_status);
        session_sticky_control::check_access(cf, is_shown, is_limited);
    }
    location.hides = hide_cookie::rules(cf, &location.hide_upstreams)?;
    reach::note(cf, main, &location.hide_upstreams)?;
    main.hides |= !location.hides.is_empty();
    main.no_fallback |= location.no_fallback;
    main.silent |= location.silent;
    Ok(())
}

/// Returns the upstream if there is exactly one. With several, it is not known to which one a request is passed.
fn only(mut upstreams: impl Iterator<Item = Upstream<'static>>) -> Option<Upstream<'static>> {
    let first = upstreams.next()?;
    upstreams.all(|other| other == first).then_some(first)
}

/// Installs the module in every sticky upstream, after all directives were read and before nginx prepares the upstreams.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn init_main_conf(cf: *mut ngx_conf_t, _: *mut c_void) -> *mut c_char {
    // SAFETY: nginx calls this once in the http block, before the same function of the upstream module, and the handle is
    // not used after the call.
    let cf = unsafe { Conf::new(cf) };
    let control = cf.main_conf::<Sticky>().and_then(|main| main.control);
    for upstream in cf.upstreams() {
        let conf = upstream.conf::<Sticky>();
        let Some((conf, sticky)) = conf.and_then(|conf| Some((conf, conf.sticky.as_ref()?))) else {
            continue;
        };
        if server::has_own_sticky(cf, upstream) {
            // All directives were read: "cf" is at the end of the block, which is not where the error is.
            return cf.refuse_block(format_args!(
                "\"{}\" and nginx's own \"sticky\" are both specified, remove one of them from upstream \"{}\" in {}",
                sticky.directive,
                string(upstream.host()),
                upstream.declared_at()
            ));
        }
        if let Some((id, most, why)) = server::overlong_id(conf) {
            return cf.refuse_block(format_args!(
                "\"id={}\" is longer than {most} characters, which \"{}\" {why}, in upstream \"{}\" in {}",
                Printable(id),
                sticky.directive,
                string(upstream.host()),
                upstream.declared_at()
            ));
        }
        shared_ids::check(cf, upstream);
        let is_wanted = |zone: &ControlZone| zone.is_controlled() || sticky.drain.is_some();
        conf.control.zone.set(control.filter(is_wanted));
        chain::install(upstream, conf);
    }
    for upstream in cf.upstreams() {
        server::check_ids(cf, upstream);
    }
    match linger::prepare(cf).and_then(|()| counters::prepare(cf)) {
        Ok(()) => conf::OK,
        Err(error) => cf.refuse_block(error),
    }
}

/// Runs when a configuration has come into force; nothing can fail any more.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx calls this with the cycle that is now in force, whose configuration was read.
    let main = unsafe { Sticky::main_conf(&*cycle) };
    if let Some(zone) = main.and_then(|main| main.control) {
        start::take_effect(zone);
    }
    Status::NGX_OK.into()
}

/// Starts the timer that checks for servers that have left DNS.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn init_process(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: nginx calls this when a process begins to handle events, with the cycle that it serves.
    let cycle = unsafe { ServedCycle::new(cycle) };
    if let Some(timer) = watch_of(cycle) {
        timer.start(cycle);
    }
    Status::NGX_OK.into()
}

/// Checks once more, unless that was done: workers of the next cycle may have started since, and do not know what this worker
/// would have detected.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn exit_process(cycle: *mut ngx_cycle_t) {
    // SAFETY: nginx calls this when a process exits, with the cycle that it has served.
    if let Some(timer) = watch_of(unsafe { ServedCycle::new(cycle) }) {
        timer.end();
    }
}

fn watch_of(cycle: ServedCycle) -> Option<&'static Watch> {
    cycle.main_conf::<Sticky>()?.watch.get()
}

/// Runs once, after the `http` block was read.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx calls this after the http block was read; nothing else refers to the module's configuration of it.
    let (cf, main) = unsafe { (Conf::new(cf), Sticky::main_conf_mut(&*cf)) };
    match main.map(|main| finish(cf, main)) {
        Some(Ok(())) => Status::NGX_OK.into(),
        Some(Err(error)) => {
            cf.refuse_block(error);
            Status::NGX_ERROR.into()
        }
        None => Status::NGX_ERROR.into(),
    }
}

fn finish(cf: Conf<'_>, main: &mut MainConf) -> Result<(), OutOfMemory> {
    hide_cookie::check(cf, main);
    reach::check(cf, main)?;

    // In any case: after a failed reload, the master keeps the filters of the last configuration that it read, not of the one
    // that is in force.
    set_cookie::install();

    for upstream in cf.upstreams() {
        let conf = upstream.conf::<Sticky>();
        if let Some(sticky) = conf.and_then(|conf| conf.sticky.as_ref()) {
            let policy = &sticky.policy;
            let is_silent = policy.silent || policy.post_only || main.silent;
            sticky.may_be_silent.set(is_silent);
            let is_strict = policy.fallback != Fallback::On;
            sticky.may_be_strict.set(is_strict || main.no_fallback);
            for variable in sticky.source.iter().flat_map(|source| source.variables()) {
                cf.complete_variable(variable);
            }
        }
    }
    if main.hides {
        main.cookie_variables = cf.cookie_variables()?;
        cf.call_before_content(hide::handler)?;
    }
    Ok(())
}
