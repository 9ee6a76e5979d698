//! Balancers that are not based on round robin: requests are left to them.

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_log_t, NGX_LOG_ERR};
use ngx::ngx_log_error;

use super::known::forget_ids;
use crate::conf::UpstreamConf;

/// Leaves the requests of an upstream to its balancer, which is none of nginx's: no cookie names a server of it. Said
/// once in each worker.
#[cold]
#[inline(never)]
pub(super) unsafe fn stand_aside(
    conf: &UpstreamConf,
    us: *mut ngx_http_upstream_srv_conf_t,
    log: *mut ngx_log_t,
) {
    // SAFETY: the upstream is live, and so is the log of a request to it. None of its servers are held.
    unsafe {
        forget_ids(conf);
        if conf.is_foreign.replace(true) {
            return;
        }
        ngx_log_error!(
            NGX_LOG_ERR, log,
            "session_sticky: the balancer of upstream \"{}\" is not based on round robin, sessions do not stick",
            (*us).host
        );
    }
}
