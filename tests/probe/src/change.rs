//! Changes the servers of an upstream at run time, like modules that do not increment the generation.

use core::cell::RefCell;
use core::ffi::{c_char, c_void};
use core::mem::size_of;
use core::ptr;
use std::collections::BTreeMap;

use ngx::core::{Status, NGX_CONF_ERROR};
use ngx::ffi::{
    ngx_addr_t, ngx_calloc, ngx_command_t, ngx_conf_t, ngx_create_pool, ngx_cycle, ngx_cycle_t,
    ngx_destroy_pool, ngx_http_complex_value_t, ngx_http_request_t, ngx_http_send_response,
    ngx_http_upstream_rr_peer_t, ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t,
    ngx_int_t, ngx_parse_addr_port, ngx_pool_t, ngx_str_t, ngx_uint_t, NGX_HTTP_MODULE,
    NGX_HTTP_NOT_ALLOWED, NGX_HTTP_OK,
};
use ngx::http::{
    HttpModuleLocationConf, HttpModuleMainConf, NgxHttpCoreModule, NgxHttpUpstreamModule,
};
use ngx::ngx_string;

use crate::peers::{Peer, Peers};
use crate::{argument, bytes};

struct Pools(RefCell<BTreeMap<*mut ngx_http_upstream_srv_conf_t, *mut ngx_pool_t>>);

// SAFETY: a worker process has one thread.
unsafe impl Sync for Pools {}

/// The pools with the servers of the upstreams that were initialized again.
static POOLS: Pools = Pools(RefCell::new(BTreeMap::new()));

extern "C" {
    fn free(memory: *mut c_void);
}

/// The directive `change_servers`.
pub(crate) unsafe extern "C" fn change_servers(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in a location.
    unsafe {
        let Some(core) = NgxHttpCoreModule::location_conf_mut(&*cf) else {
            return NGX_CONF_ERROR as *mut c_char;
        };
        core.handler = Some(change);
    }
    ptr::null_mut()
}

/// Makes the change that the arguments request.
unsafe extern "C" fn change(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request; upstreams live as long as the cycle that it belongs to.
    unsafe {
        let all: &[*mut ngx_http_upstream_srv_conf_t] =
            NgxHttpUpstreamModule::main_conf(&*r).map_or(&[], |main| main.upstreams.as_slice());
        let name = argument(r, b"upstream").unwrap_or_default();
        let us = all.iter().find(|us| bytes((***us).host) == name);
        let done = us.is_some_and(|us| {
            if let Some(address) = argument(r, b"in") {
                link_in(*us, address, (*r).pool)
            } else if let Some(address) = argument(r, b"out") {
                link_out(*us, address)
            } else {
                prepare_again(*us, argument(r, b"reverse").is_some())
            }
        });
        if !done {
            return NGX_HTTP_NOT_ALLOWED as ngx_int_t;
        }
        let mut kind = ngx_string!("text/plain");
        let mut body: ngx_http_complex_value_t = core::mem::zeroed();
        body.value = ngx_string!("done\n");
        ngx_http_send_response(r, NGX_HTTP_OK as ngx_uint_t, &raw mut kind, &raw mut body)
    }
}

/// Initializes the upstream again in a new pool, and destroys the previous one created here.
unsafe fn prepare_again(us: *mut ngx_http_upstream_srv_conf_t, reverse: bool) -> bool {
    const POOL_SIZE: usize = 4096;
    // SAFETY: the upstream is live, and was initialized by the same function when the configuration was read.
    unsafe {
        let Some(init) = (*us).peer.init_upstream else {
            return false;
        };
        let pool = ngx_create_pool(POOL_SIZE, (*ngx_cycle).log);
        if pool.is_null() {
            return false;
        }
        if reverse {
            let lines = (*us).servers;
            let first = (*lines).elts.cast::<ngx_http_upstream_server_t>();
            core::slice::from_raw_parts_mut(first, (*lines).nelts).reverse();
        }
        let mut cf: ngx_conf_t = core::mem::zeroed();
        cf.pool = pool;
        cf.cycle = ngx_cycle;
        cf.log = (*ngx_cycle).log;
        cf.module_type = NGX_HTTP_MODULE as ngx_uint_t;
        let rc = init(&raw mut cf, us);

        if let Some(old) = POOLS.0.borrow_mut().insert(us, pool) {
            ngx_destroy_pool(old);
        }
        Status(rc) == Status::NGX_OK
    }
}

/// Destroys the remaining pools when the worker exits.
pub(crate) unsafe extern "C" fn exit_process(_: *mut ngx_cycle_t) {
    for pool in POOLS.0.take().into_values() {
        // SAFETY: the worker serves no more requests, so that nothing uses the pools.
        unsafe { ngx_destroy_pool(pool) };
    }
}

/// Inserts a server at the head of the list of primary servers.
unsafe fn link_in(
    us: *mut ngx_http_upstream_srv_conf_t,
    address: &[u8],
    pool: *mut ngx_pool_t,
) -> bool {
    // SAFETY: the upstream is live, and its load-balancing method is one of nginx's, so that its data are peers; the address
    // is parsed into the request's pool.
    unsafe {
        let peers: Peers = (*us).peer.data.cast();
        let mut parsed: ngx_addr_t = core::mem::zeroed();
        let rc = ngx_parse_addr_port(
            pool,
            &raw mut parsed,
            address.as_ptr().cast_mut(),
            address.len(),
        );
        let peer: Peer =
            ngx_calloc(size_of::<ngx_http_upstream_rr_peer_t>(), (*ngx_cycle).log).cast();
        if Status(rc) != Status::NGX_OK || peer.is_null() {
            return false;
        }
        let sockaddr =
            core::slice::from_raw_parts(parsed.sockaddr.cast::<u8>(), parsed.socklen as usize);
        (*peer).sockaddr = copied(sockaddr).cast();
        (*peer).socklen = parsed.socklen;
        (*peer).name = ngx_str_t {
            len: address.len(),
            data: copied(address),
        };
        (*peer).server = (*peer).name;
        (*peer).weight = 1;
        (*peer).effective_weight = 1;

        (*peer).next = (*peers).peer;
        (*peers).peer = peer;
        (*peers).number = (*peers).number.wrapping_add(1);
        (*peers).total_weight = (*peers).total_weight.wrapping_add(1);
        #[cfg(nginx_group_tries)]
        {
            (*peers).tries = (*peers).tries.wrapping_add(1);
        }
        (*peers).set_single(0);
    }
    true
}

/// Removes and frees the last server with this address, which [`link_in`] has inserted.
unsafe fn link_out(us: *mut ngx_http_upstream_srv_conf_t, address: &[u8]) -> bool {
    // SAFETY: as in `link_in`.
    unsafe {
        let peers: Peers = (*us).peer.data.cast();
        let (mut place, mut found) = (&raw mut (*peers).peer, None);
        while !(*place).is_null() {
            if bytes((**place).name) == address {
                found = Some(place);
            }
            place = &raw mut (**place).next;
        }
        let Some(place) = found else {
            return false;
        };
        let peer = *place;
        *place = (*peer).next;
        (*peers).number = (*peers).number.wrapping_sub(1);
        (*peers).total_weight = (*peers).total_weight.wrapping_sub(1);
        #[cfg(nginx_group_tries)]
        {
            (*peers).tries = (*peers).tries.wrapping_sub(1);
        }
        (*peers).set_single(((*peers).number == 1).into());
        free((*peer).sockaddr.cast());
        free((*peer).name.data.cast());
        free(peer.cast());
    }
    true
}

/// A copy in newly allocated memory.
unsafe fn copied(text: &[u8]) -> *mut u8 {
    // SAFETY: the allocation has the length of the text; without memory the worker crashes, which fails the test.
    unsafe {
        let copy = ngx_calloc(text.len(), (*ngx_cycle).log).cast::<u8>();
        ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len());
        copy
    }
}
