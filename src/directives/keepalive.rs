//! `keepalive`: nginx's, read in our presence.
//!
//! `keepalive` looks for a connection to the server that the balancer inside it has chosen, so whoever
//! chooses has to stand inside. It takes its place when it is read, and `session_sticky` may come later.
//! Therefore we step between it and the balancer whenever it is read, and step aside again where the
//! upstream turns out to be without `session_sticky`. nginx 1.29.7 and newer put it outermost by
//! themselves.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t, ngx_http_upstream_init_round_robin, NGX_LOG_EMERG};
use ngx::ngx_conf_log_error;

use crate::conf::{upstream_conf, upstream_conf_mut, Keepalive};
use crate::nginx::conf::{self, current_upstream, hand_over};
use crate::upstream::chain;

pub(crate) unsafe extern "C" fn keepalive(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block.
    unsafe {
        let Some(module) = conf::module(cf, c"ngx_http_upstream_keepalive_module") else {
            ngx_conf_log_error!(NGX_LOG_EMERG, cf, "unknown directive \"keepalive\"");
            return conf::ERROR;
        };

        let us = current_upstream(cf);
        if upstream_conf(us).chain.keepalive.is_some() {
            return hand_over(cf, module, b"keepalive").unwrap_or(conf::ERROR);
        }

        let inside = (*us)
            .peer
            .init_upstream
            .or(Some(ngx_http_upstream_init_round_robin));
        (*us).peer.init_upstream = Some(chain::init_upstream_inside);
        let result = hand_over(cf, module, b"keepalive").unwrap_or(conf::ERROR);
        upstream_conf_mut(us).chain.keepalive = Some(Keepalive {
            inside,
            outside: (*us).peer.init_upstream,
        });
        result
    }
}
