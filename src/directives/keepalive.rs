//! `keepalive`: nginx's own directive, with this module inside.
//!
//! `keepalive` looks for a cached connection to the server that the load-balancing method inside it has selected, so this
//! module must be inside as well. `keepalive` installs itself when the directive is read, and `session_sticky` may be given
//! later. Therefore, this module always installs itself between `keepalive` and the method, and only passes calls on if the
//! upstream turns out to have no `session_sticky`. In nginx 1.29.7 and newer, `keepalive` is always outermost.

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
    // SAFETY: nginx calls this for a directive in an upstream block. No other reference to the module's configuration of
    // the block exists.
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
