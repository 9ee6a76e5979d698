//! Balancers that are not nginx's round robin: is the server that they choose one of those that nginx keeps?
//!
//! This is known when such a balancer has chosen for the first time in a worker. Until then no cookie is followed: the
//! balancer may route requests as it likes, as `balancer_by_lua_block` does, and a cookie must not get a client around
//! it. So before the first cookie is followed the balancer is asked for a server, which it gets back unused.

use core::ffi::c_void;
use core::ptr;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_init_peer_pt, ngx_http_upstream_init_round_robin_peer,
    ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_peer_connection_t,
};
use ngx::http::HttpModule;

use super::balancer::{self, get};
use super::foreign::stand_aside;
use super::visit::{Stage, Visit};
use super::{BUSY, DONE, ERROR, OK};
use crate::conf::{upstream_conf, Sticky};
use crate::nginx::peers::{forget_check, PeerData};

/// Returns whether requests are prepared by nginx's round robin itself.
pub(super) fn is_round_robin(init: ngx_http_upstream_init_peer_pt) -> bool {
    let address = |init: ngx_http_upstream_init_peer_pt| init.map(|init| init as usize);
    address(init) == address(Some(ngx_http_upstream_init_round_robin_peer))
}

/// Prepares a request in the place of the module's `init_peer`, where the balancer is another than round robin.
pub(super) unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a request to an upstream that we stand before.
    unsafe {
        let context = (*r).ctx.add(Sticky::module().ctx_index);
        let before = *context;
        let rc = balancer::init_peer(r, us);
        let peer = &raw mut (*(*r).upstream).peer;
        if rc != OK || upstream_conf(us).is_proven.get() || !follows_cookie(peer) {
            return rc;
        }
        prove(r, us, peer, before)
    }
}

/// Returns whether a request that we have prepared goes where its cookie says.
unsafe fn follows_cookie(peer: *const ngx_peer_connection_t) -> bool {
    // SAFETY: where the function is ours, so is the data.
    unsafe {
        let is_ours = (*peer).get.map(|get| get as usize) == Some(get as *const () as usize);
        is_ours && (*(*peer).data.cast::<Visit>()).stage == Stage::Bind
    }
}

/// Asks the balancer, and prepares the request once more, now that it is known whether the cookie is followed.
#[cold]
#[inline(never)]
unsafe fn prove(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
    peer: *mut ngx_peer_connection_t,
    before: *mut c_void,
) -> ngx_int_t {
    // SAFETY: as in `init_peer`; `before` was our context of the request.
    unsafe {
        let Some(init) = upstream_conf(us).chain.init_peer else {
            return ERROR;
        };
        *(*r).ctx.add(Sticky::module().ctx_index) = before;
        (*peer).data = ptr::null_mut();
        let rc = init(r, us);
        if rc != OK {
            return rc;
        }
        let may_follow = ask(r, us, peer);
        (*peer).sockaddr = ptr::null_mut();
        (*peer).name = ptr::null_mut();
        (*peer).connection = ptr::null_mut();
        (*peer).data = ptr::null_mut();
        if may_follow {
            balancer::init_peer(r, us)
        } else {
            init(r, us)
        }
    }
}

/// Asks a balancer that has prepared the request for a server, and gives that back unused. Returns whether a cookie may
/// be followed: it may where the server is one of those that nginx keeps, or where none of them was available.
unsafe fn ask(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
    peer: *mut ngx_peer_connection_t,
) -> bool {
    // SAFETY: as in `init_peer`; every balancer has both functions.
    unsafe {
        let conf = upstream_conf(us);
        let log = (*(*r).connection).log;
        let data: PeerData = (*peer).data.cast();
        if data.is_null() || (*data).peers.cast() != (*us).peer.data {
            stand_aside(conf, us, log);
            return false;
        }
        let (Some(get), Some(free)) = ((*peer).get, (*peer).free) else {
            return false;
        };
        let rc = get(peer, (*peer).data);
        if rc == BUSY {
            // As round robin and what is based on it say it: nothing else names the upstream.
            return (*peer).name == (*(*data).peers).name;
        }
        if rc != OK && rc != DONE {
            return false;
        }
        if (*data).current.is_null() {
            free(peer, (*peer).data, 0);
            stand_aside(conf, us, log);
            return false;
        }
        forget_check(data);
        free(peer, (*peer).data, 0);
        conf.is_proven.set(true);
        true
    }
}
