//! The module's place between the balancer of an upstream and nginx.

use ngx::ffi::{ngx_conf_t, ngx_http_upstream_srv_conf_t, ngx_int_t};
use session_cookie::foreknown::{Foreknown, Settled};
use session_cookie::memory::OutOfMemory;
use session_cookie::set_cookie::{ByVariables, Template};

use super::controlled::init_peer_of;
use super::known::forget;
use super::{ERROR, OK};
use crate::conf::{Sticky, UpstreamConf};
use crate::nginx::conf::Conf;
use crate::nginx::upstream::Upstream;

/// Installs the module in an upstream, after all directives were read and before nginx prepares the upstream.
pub(crate) fn install(upstream: Upstream<'_>, conf: &UpstreamConf) {
    #[cfg(not(nginx_implicit_keepalive))]
    if let Some(keepalive) = &conf.chain.keepalive {
        if keepalive.outside.is(upstream.init()) {
            return;
        }
    }
    let inside = upstream.replace_init(init_upstream);
    conf.chain.init_upstream.set(inside);
}

/// Prepares an upstream in which the module is outermost. A module that changes the servers at run time calls it again, in an
/// event of its own.
#[allow(unsafe_code)]
unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for an explicit upstream, in which `install` has set it.
    let (cf, upstream) = unsafe { (Conf::new(cf), Upstream::of_request(us)) };
    let Some(conf) = upstream.conf::<Sticky>() else {
        return ERROR;
    };
    forget(conf);
    let rc = conf.chain.init_upstream.get().call(cf, upstream);
    if rc == OK && stand_before_requests(cf, upstream, conf).is_err() {
        return ERROR;
    }
    rc
}

/// Prepares an upstream in which `keepalive` wraps the module.
#[cfg(not(nginx_implicit_keepalive))]
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn init_upstream_inside(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: `keepalive` calls this when it is prepared, for the explicit upstream in which it was read.
    let (cf, upstream) = unsafe { (Conf::new(cf), Upstream::of_request(us)) };
    let Some(conf) = upstream.conf::<Sticky>() else {
        return ERROR;
    };
    let Some(keepalive) = &conf.chain.keepalive else {
        return ERROR;
    };
    forget(conf);
    let rc = keepalive.inside.call(cf, upstream);
    let stands_inside = conf.sticky.is_some() && conf.chain.init_upstream.get().is_none();
    if rc == OK && stands_inside && stand_before_requests(cf, upstream, conf).is_err() {
        return ERROR;
    }
    rc
}

/// Installs the module's `init_peer` in an upstream whose balancer was prepared, for the first time or again, and completes
/// the configuration.
fn stand_before_requests(
    cf: Conf<'_>,
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
) -> Result<(), OutOfMemory> {
    let init = upstream.init_peer();
    if ![true, false]
        .map(|is_round_robin| init.is(init_peer_of(conf, is_round_robin)))
        .contains(&true)
    {
        conf.chain.init_peer.set(init);
        upstream.set_init_peer(init_peer_of(conf, init.is_round_robin()));
    }
    let sticky = conf.sticky.as_ref();
    let Some(sticky) = sticky.filter(|sticky| sticky.template.get().is_none()) else {
        return Ok(());
    };
    let policy = &sticky.policy;
    let by_variables = ByVariables {
        domain: sticky.domain.is_some(),
        path: sticky.path.is_some(),
        same_site: sticky.same_site.is_some(),
        lifetime: false,
    };
    let template = Template::new(policy, by_variables)?;
    sticky.template.get_or_init(|| template);
    if let Some(follow) = &policy.follow {
        let told_elsewhere = ByVariables {
            path: by_variables.path || follow.copies.path,
            lifetime: true,
            ..by_variables
        };
        let template = Template::new(policy, told_elsewhere)?;
        sticky.follow_template.get_or_init(|| template);
    }
    let learns_from_header = (sticky.source.as_ref())
        .and_then(|source| source.learn.as_ref())
        .is_some_and(|learn| learn.after_header);
    // With `drain_if=`, every response is examined, regardless of the outcome of the session.
    if !learns_from_header && sticky.drain.is_none() {
        let quiet = match conf.counters.get() {
            Some(_) => Settled::Counted,
            None => Settled::Yes,
        };
        sticky.foreknown.set(Foreknown::new(policy, quiet));
    }
    sticky.hides.set(policy.hidden_part().is_some());
    conf.watched
        .set(cf.module(c"ngx_http_upsync_module").is_some());
    Ok(())
}
