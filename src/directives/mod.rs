//! The directives: parses the configuration into policies.

mod accept;
mod balancer_by_lua;
pub(crate) mod hide_cookie;
#[cfg(not(nginx_implicit_keepalive))]
mod keepalive;
mod key_file;
pub(crate) mod linger;
mod messages;
mod parameters;
mod parser;
pub(crate) mod reach;
pub(crate) mod server;
mod session_sticky;
pub(crate) mod session_sticky_control;
pub(crate) mod shared_ids;
mod source;
mod sticky;
mod sticky_cookie;
mod sticky_cookie_insert;
mod sticky_learn;
mod sticky_module_ng;
mod sticky_route;
mod warnings;

use core::ptr;

use ngx::ffi::{
    ngx_command_t, ngx_str_t, NGX_CONF_1MORE, NGX_CONF_ANY, NGX_CONF_BLOCK, NGX_CONF_NOARGS,
    NGX_CONF_TAKE1, NGX_CONF_TAKE12, NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET,
    NGX_HTTP_MAIN_CONF, NGX_HTTP_SRV_CONF, NGX_HTTP_SRV_CONF_OFFSET, NGX_HTTP_UPS_CONF,
};
use ngx::ngx_string;

use crate::status::endpoint;

type Handler = unsafe extern "C" fn(
    *mut ngx::ffi::ngx_conf_t,
    *mut ngx_command_t,
    *mut core::ffi::c_void,
) -> *mut core::ffi::c_char;

const fn command(name: ngx_str_t, kind: u32, conf: usize, set: Handler) -> ngx_command_t {
    ngx_command_t {
        name,
        type_: kind as usize,
        set: Some(set),
        conf,
        offset: 0,
        post: ptr::null_mut(),
    }
}

/// Directives that other modules have as well. nginx finds these first; their handlers call those of the other module.
#[cfg(not(nginx_implicit_keepalive))]
pub(crate) static mut SERVER_COMMANDS: [ngx_command_t; 6] = [
    SERVER,
    STICKY,
    LUA_BLOCK,
    LUA_FILE,
    command(
        ngx_string!("keepalive"),
        NGX_HTTP_UPS_CONF | NGX_CONF_TAKE1,
        NGX_HTTP_SRV_CONF_OFFSET,
        keepalive::keepalive,
    ),
    ngx_command_t::empty(),
];

/// Directives that other modules have as well. nginx finds these first; their handlers call those of the other module.
#[cfg(nginx_implicit_keepalive)]
pub(crate) static mut SERVER_COMMANDS: [ngx_command_t; 5] =
    [SERVER, STICKY, LUA_BLOCK, LUA_FILE, ngx_command_t::empty()];

const SERVER: ngx_command_t = command(
    ngx_string!("server"),
    NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
    NGX_HTTP_SRV_CONF_OFFSET,
    server::server,
);

const STICKY: ngx_command_t = command(
    ngx_string!("sticky"),
    NGX_HTTP_UPS_CONF | NGX_CONF_ANY,
    NGX_HTTP_SRV_CONF_OFFSET,
    sticky::sticky,
);

const LUA_BLOCK: ngx_command_t = command(
    ngx_string!("balancer_by_lua_block"),
    NGX_HTTP_UPS_CONF | NGX_CONF_BLOCK | NGX_CONF_NOARGS,
    NGX_HTTP_SRV_CONF_OFFSET,
    balancer_by_lua::balancer_by_lua,
);

const LUA_FILE: ngx_command_t = command(
    ngx_string!("balancer_by_lua_file"),
    NGX_HTTP_UPS_CONF | NGX_CONF_TAKE1,
    NGX_HTTP_SRV_CONF_OFFSET,
    balancer_by_lua::balancer_by_lua,
);

const ANY_LEVEL: u32 = NGX_HTTP_MAIN_CONF | NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF;

/// The module's own directives.
pub(crate) static mut COMMANDS: [ngx_command_t; 9] = [
    command(
        ngx_string!("session_sticky"),
        NGX_HTTP_UPS_CONF | NGX_CONF_ANY,
        NGX_HTTP_SRV_CONF_OFFSET,
        session_sticky::session_sticky,
    ),
    command(
        ngx_string!("session_sticky_control"),
        NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_TAKE12,
        NGX_HTTP_LOC_CONF_OFFSET,
        session_sticky_control::session_sticky_control,
    ),
    command(
        ngx_string!("sticky_cookie_insert"),
        NGX_HTTP_UPS_CONF | NGX_CONF_1MORE,
        NGX_HTTP_SRV_CONF_OFFSET,
        sticky_cookie_insert::sticky_cookie_insert,
    ),
    command(
        ngx_string!("sticky_no_fallback"),
        NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS,
        NGX_HTTP_LOC_CONF_OFFSET,
        sticky_module_ng::no_fallback,
    ),
    command(
        ngx_string!("sticky_hide_cookie"),
        NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS,
        NGX_HTTP_LOC_CONF_OFFSET,
        sticky_module_ng::hide_cookie,
    ),
    command(
        ngx_string!("session_sticky_hide_cookie"),
        ANY_LEVEL | NGX_CONF_1MORE,
        NGX_HTTP_LOC_CONF_OFFSET,
        hide_cookie::hide_cookie,
    ),
    command(
        ngx_string!("session_sticky_header"),
        ANY_LEVEL | NGX_CONF_1MORE,
        NGX_HTTP_LOC_CONF_OFFSET,
        hide_cookie::hide_cookie,
    ),
    command(
        ngx_string!("session_sticky_status"),
        NGX_HTTP_SRV_CONF | NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS,
        NGX_HTTP_LOC_CONF_OFFSET,
        endpoint::session_sticky_status,
    ),
    ngx_command_t::empty(),
];
