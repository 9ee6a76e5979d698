//! `balancer_by_lua_block` and `balancer_by_lua_file` of ngx_lua. That module reads them; this one only records their use.
//!
//! The Lua code decides about each request separately: it may select a server, leave the selection to round robin, or reject
//! the request. Cookies are therefore not followed in such an upstream.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleServerConf;

use crate::conf::Sticky;
use crate::nginx::conf::{self, Conf};
use crate::nginx::Printable;

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn balancer_by_lua(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block. No other reference to the module's configuration of
    // the block exists.
    let (cf, upstream) = unsafe { (Conf::new(cf), Sticky::server_conf_mut(&*cf)) };
    let (Some(upstream), Some(name)) = (upstream, cf.words().first()) else {
        return conf::ERROR;
    };
    let Some(module) = cf.module(c"ngx_http_lua_module") else {
        return cf.refuse(format_args!("unknown directive \"{}\"", Printable(name)));
    };
    upstream.chain.has_lua = true;
    cf.hand_over(module, name).unwrap_or(conf::ERROR)
}
