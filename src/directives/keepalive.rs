//! `keepalive`: nginx's, with this module inside.
//!
//! `keepalive` looks for a connection to the server that the balancer inside it has chosen, so whoever
//! chooses has to stand inside. It takes its place when it is read, and `session_sticky` may come later.
//! Therefore this module steps between it and the balancer whenever it is read, and aside again where the
//! upstream turns out to be without `session_sticky`. nginx 1.29.7 and newer put it outermost by
//! themselves.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleServerConf;

use crate::conf::{Keepalive, Sticky, UpstreamConf};
use crate::nginx::conf::{self, Conf};
use crate::nginx::upstream::Upstream;
use crate::upstream::chain;

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn keepalive(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block, whose configuration of the module nobody holds.
    let (cf, conf) = unsafe { (Conf::new(cf), Sticky::server_conf_mut(&*cf)) };
    match (cf.current_upstream(), conf) {
        (Some(upstream), Some(conf)) => read(cf, upstream, conf),
        _ => conf::ERROR,
    }
}

fn read(cf: Conf<'_>, upstream: Upstream<'_>, conf: &mut UpstreamConf) -> *mut c_char {
    let Some(module) = cf.module(c"ngx_http_upstream_keepalive_module") else {
        return cf.refuse("unknown directive \"keepalive\"");
    };
    if conf.chain.keepalive.is_some() {
        return cf.hand_over(module, b"keepalive").unwrap_or(conf::ERROR);
    }
    let inside = upstream.replace_init(chain::init_upstream_inside);
    let result = cf.hand_over(module, b"keepalive").unwrap_or(conf::ERROR);
    conf.chain.keepalive = Some(Keepalive {
        inside,
        outside: upstream.init(),
    });
    result
}
