//! Third-party load-balancing methods: `own_balancer` in an upstream chooses the first server, without round robin's
//! data, on which other modules could rely.

use core::ffi::{c_char, c_void};
use core::ptr;

use ngx::core::{Status, NGX_CONF_ERROR};
use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_request_t, ngx_http_upstream_init_round_robin,
    ngx_http_upstream_init_round_robin_peer, ngx_http_upstream_rr_peer_data_t,
    ngx_http_upstream_rr_peers_t, ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_palloc,
    ngx_peer_connection_t, ngx_str_t, ngx_uint_t,
};
use ngx::http::{HttpModuleServerConf, NgxHttpUpstreamModule};

use crate::bytes;

/// The data of a request, behind a pointer that nginx does not read. Its size is that of other methods' data.
#[repr(C)]
struct Data {
    us: *mut ngx_http_upstream_srv_conf_t,
    unused: [usize; 8],
}

/// The directive `own_balancer [like_round_robin | denying]`.
pub(crate) unsafe extern "C" fn own_balancer(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block, with the directive's arguments.
    unsafe {
        let Some(us) = NgxHttpUpstreamModule::server_conf_mut(&*cf) else {
            return NGX_CONF_ERROR as *mut c_char;
        };
        let words: &[ngx_str_t] = (*(*cf).args).as_slice();
        us.peer.init_upstream = match words {
            [_] => Some(init_upstream),
            [_, word] if bytes(*word) == b"like_round_robin" => Some(init_upstream_like),
            [_, word] if bytes(*word) == b"denying" => Some(init_upstream_denying),
            _ => return NGX_CONF_ERROR as *mut c_char,
        };
    }
    ptr::null_mut()
}

unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this once for an upstream, with valid pointers.
    unsafe {
        let rc = ngx_http_upstream_init_round_robin(cf, us);
        (*us).peer.init = Some(init);
        rc
    }
}

/// Sets its own data.
unsafe extern "C" fn init(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request to the upstream.
    unsafe {
        let data = ngx_palloc((*r).pool, size_of::<Data>()).cast::<Data>();
        if data.is_null() {
            return Status::NGX_ERROR.into();
        }
        data.write(Data { us, unused: [0; 8] });
        let peer = &mut (*(*r).upstream).peer;
        peer.data = data.cast();
        peer.get = Some(get);
        peer.free = Some(free);
        peer.tries = 1;
    }
    Status::NGX_OK.into()
}

unsafe extern "C" fn get(pc: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with the data of `init`.
    unsafe { choose(pc, (*(*data.cast::<Data>()).us).peer.data.cast()) }
}

unsafe extern "C" fn init_upstream_like(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this once for an upstream, with valid pointers.
    unsafe {
        let rc = ngx_http_upstream_init_round_robin(cf, us);
        (*us).peer.init = Some(init_like);
        rc
    }
}

/// The data begins with round robin's, but round robin does not choose the server, as with `balancer_by_lua_block`.
unsafe extern "C" fn init_like(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request to the upstream.
    unsafe {
        let rc = ngx_http_upstream_init_round_robin_peer(r, us);
        let peer = &mut (*(*r).upstream).peer;
        peer.get = Some(get_like);
        peer.free = Some(free);
        rc
    }
}

unsafe extern "C" fn get_like(pc: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with the data of `init_like`.
    unsafe { choose(pc, (*data.cast::<ngx_http_upstream_rr_peer_data_t>()).peers) }
}

unsafe extern "C" fn init_upstream_denying(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this once for an upstream, with valid pointers.
    unsafe {
        let rc = ngx_http_upstream_init_round_robin(cf, us);
        (*us).peer.init = Some(init_denying);
        rc
    }
}

/// The data begins with round robin's, and no request gets a server, as if `balancer_by_lua_block` exits.
unsafe extern "C" fn init_denying(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request to the upstream.
    unsafe {
        let rc = init_like(r, us);
        (*(*r).upstream).peer.get = Some(deny);
        rc
    }
}

unsafe extern "C" fn deny(_: *mut ngx_peer_connection_t, _: *mut c_void) -> ngx_int_t {
    Status::NGX_BUSY.into()
}

/// Chooses the first server.
unsafe fn choose(
    pc: *mut ngx_peer_connection_t,
    peers: *mut ngx_http_upstream_rr_peers_t,
) -> ngx_int_t {
    // SAFETY: the caller passes a live connection and group; without a zone, servers are not removed.
    unsafe {
        let peer = (*peers).peer;
        (*pc).set_cached(0);
        (*pc).connection = ptr::null_mut();
        (*pc).sockaddr = (*peer).sockaddr;
        (*pc).socklen = (*peer).socklen;
        (*pc).name = &raw mut (*peer).name;
    }
    Status::NGX_OK.into()
}

unsafe extern "C" fn free(pc: *mut ngx_peer_connection_t, _: *mut c_void, _: ngx_uint_t) {
    // SAFETY: nginx calls this for a live connection.
    unsafe { (*pc).tries = (*pc).tries.saturating_sub(1) }
}
