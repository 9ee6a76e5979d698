//! Balancers of other modules: is the server that they choose one of those that nginx keeps?
//!
//! Of a balancer that is compiled into nginx this is known when it has chosen for the first time. One that comes with
//! another module, such as `balancer_by_lua_block`, is asked for a server before any cookie is followed in a worker: it
//! may route requests as it likes, and a cookie must not get a client around it.

use core::ffi::{c_char, c_int, c_void};
use core::ptr;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_init_peer_pt, ngx_http_upstream_init_round_robin_peer,
    ngx_http_upstream_srv_conf_t, ngx_int_t,
};

use super::{stand_aside, DONE, ERROR, OK};
use crate::conf::upstream_conf;
use crate::nginx::peers::PeerData;

/// What is known of an address (`Dl_info`).
#[repr(C)]
struct ObjectOf {
    name: *const c_char,
    base: *mut c_void,
    symbol: *const c_char,
    address: *mut c_void,
}

extern "C" {
    fn dladdr(address: *const c_void, object: *mut ObjectOf) -> c_int;
}

/// Where the program or the shared object begins in which a function is.
fn base_of(init: ngx_http_upstream_init_peer_pt) -> Option<*mut c_void> {
    let address = init? as *const c_void;
    let mut object = ObjectOf {
        name: ptr::null(),
        base: ptr::null_mut(),
        symbol: ptr::null(),
        address: ptr::null_mut(),
    };
    // SAFETY: it compares the address, and writes the structure.
    (unsafe { dladdr(address, &raw mut object) } != 0).then_some(object.base)
}

/// Returns whether a balancer was compiled into nginx.
pub(super) fn is_of_nginx(init: ngx_http_upstream_init_peer_pt) -> bool {
    base_of(init) == base_of(Some(ngx_http_upstream_init_round_robin_peer))
}

/// Prepares a request in the place of the module's `init_peer`, where the balancer is another module's.
pub(super) unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a request to an upstream that we stand before.
    unsafe {
        let conf = upstream_conf(us);
        if !conf.is_proven.get() {
            let Some(init) = conf.chain.init_peer else {
                return ERROR;
            };
            let rc = init(r, us);
            if rc != OK {
                return rc;
            }
            ask(r, us);
            if conf.is_foreign.get() {
                return init(r, us);
            }
        }
        super::init_peer(r, us)
    }
}

/// Asks a balancer that is prepared for a server, and gives that back unused.
unsafe fn ask(r: *mut ngx_http_request_t, us: *mut ngx_http_upstream_srv_conf_t) {
    // SAFETY: as in `init_peer`; the balancer has prepared the request.
    unsafe {
        let conf = upstream_conf(us);
        let log = (*(*r).connection).log;
        let peer = &raw mut (*(*r).upstream).peer;
        let data: PeerData = (*peer).data.cast();
        if data.is_null() || (*data).peers.cast() != (*us).peer.data {
            return stand_aside(conf, us, log);
        }
        let (Some(get), Some(free)) = ((*peer).get, (*peer).free) else {
            return;
        };
        let tries = (*peer).tries;
        let rc = get(peer, (*peer).data);
        if rc == OK || rc == DONE {
            let is_foreign = (*data).current.is_null();
            free(peer, (*peer).data, 0);
            if is_foreign {
                stand_aside(conf, us, log);
            } else {
                conf.is_proven.set(true);
            }
        }
        (*peer).tries = tries;
        (*peer).sockaddr = ptr::null_mut();
        (*peer).connection = ptr::null_mut();
        (*peer).data = ptr::null_mut();
    }
}
