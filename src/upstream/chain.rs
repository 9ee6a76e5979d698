//! The place of the module between the balancer of an upstream and nginx.

use ngx::ffi::{
    ngx_conf_t, ngx_http_upstream_init_round_robin, ngx_http_upstream_srv_conf_t, ngx_int_t,
};
use session_cookie::action::settled_unstamped;
use session_cookie::memory::OutOfMemory;
use session_cookie::set_cookie::{ByVariables, Template};

use super::balancer::init_peer;
use super::known::forget;
use super::{proof, ERROR, OK};
use crate::conf::{upstream_conf, upstream_conf_mut};
use crate::nginx::conf::module;

/// Takes our place in the chain of an upstream whose directives were all read.
///
/// # Safety
///
/// `us` is an explicit upstream that nginx has not prepared yet.
pub(crate) unsafe fn install(us: *mut ngx_http_upstream_srv_conf_t) {
    // SAFETY: the caller's promise.
    unsafe {
        let chain = &mut upstream_conf_mut(us).chain;

        #[cfg(not(nginx_implicit_keepalive))]
        if let Some(keepalive) = &chain.keepalive {
            let address =
                |init: ngx::ffi::ngx_http_upstream_init_pt| init.map(|init| init as usize);
            if address(keepalive.outside) == address((*us).peer.init_upstream) {
                return;
            }
        }

        chain.init_upstream = (*us)
            .peer
            .init_upstream
            .or(Some(ngx_http_upstream_init_round_robin));
        (*us).peer.init_upstream = Some(init_upstream);
    }
}

/// Prepares an upstream in which we stand outermost.
unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for an upstream, ours by `install`; a module that changes the servers at run time
    // calls it again, as an event of its own.
    unsafe {
        let Some(below) = upstream_conf(us).chain.init_upstream else {
            return ERROR;
        };
        forget(upstream_conf(us));
        let rc = below(cf, us);
        if rc == OK && stand_before_requests(cf, us).is_err() {
            return ERROR;
        }
        rc
    }
}

/// Prepares an upstream in which `keepalive` stands around us.
#[cfg(not(nginx_implicit_keepalive))]
pub(crate) unsafe extern "C" fn init_upstream_inside(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: `keepalive` calls this for an upstream in which it was read, when it is itself prepared.
    unsafe {
        let conf = upstream_conf(us);
        let Some(below) = conf
            .chain
            .keepalive
            .as_ref()
            .and_then(|keepalive| keepalive.inside)
        else {
            return ERROR;
        };
        let here = conf.policy.is_some() && conf.chain.init_upstream.is_none();
        forget(conf);
        let rc = below(cf, us);
        if rc == OK && here && stand_before_requests(cf, us).is_err() {
            return ERROR;
        }
        rc
    }
}

/// Takes our place before the requests of an upstream whose balancer was prepared, for the first time or once more.
unsafe fn stand_before_requests(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> Result<(), OutOfMemory> {
    // SAFETY: what is below has been prepared.
    unsafe {
        let conf = upstream_conf_mut(us);
        let address =
            |init: ngx::ffi::ngx_http_upstream_init_peer_pt| init.map(|init| init as usize);
        let ours = [init_peer, proof::init_peer];
        if !ours
            .iter()
            .any(|init| address((*us).peer.init) == address(Some(*init)))
        {
            conf.chain.init_peer = (*us).peer.init;
            (*us).peer.init = if proof::is_round_robin((*us).peer.init) {
                Some(init_peer)
            } else {
                Some(proof::init_peer)
            };
        }
        if conf.template.is_none() {
            let by_variables = ByVariables {
                domain: conf.domain.is_some(),
                path: conf.path.is_some(),
                same_site: conf.same_site.is_some(),
            };
            let policy = conf.policy.as_ref();
            let template = policy.map(|policy| Template::new(policy, by_variables));
            conf.template = template.transpose()?;
            conf.settled = policy.map(settled_unstamped).unwrap_or_default();
            conf.hides = policy.is_some_and(|policy| policy.hidden_part().is_some());
            conf.watched = module(cf, c"ngx_http_upsync_module").is_some();
        }
        Ok(())
    }
}
