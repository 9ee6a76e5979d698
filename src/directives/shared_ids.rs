//! `server NAME id=…` where the name has several addresses.

use ngx::ffi::{
    ngx_addr_t, ngx_conf_t, ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t, NGX_LOG_WARN,
};
use ngx::ngx_log_error;
use session_cookie::policy::Hash;

use crate::conf::upstream_conf;
use crate::nginx::{bytes, Printable};

/// Warns of each: an id names all addresses of its line, so sessions do not stick to one of them.
///
/// # Safety
///
/// All directives of an explicit upstream were read, and it has a policy.
pub(crate) unsafe fn check(cf: *mut ngx_conf_t, us: *mut ngx_http_upstream_srv_conf_t) {
    // SAFETY: the caller's promise; nginx has resolved the names, and those texts live as long as the cycle.
    unsafe {
        let conf = upstream_conf(us);
        if (conf.policy.as_ref()).is_none_or(|policy| policy.hash != Hash::Plain) {
            return;
        }
        let Some(servers) = (*us).servers.as_ref() else {
            return;
        };
        let servers: &[ngx_http_upstream_server_t] = servers.as_slice();
        for server in servers.iter().filter(|server| server.naddrs > 1) {
            let addresses: &[ngx_addr_t] = core::slice::from_raw_parts(server.addrs, server.naddrs);
            let said =
                (conf.server_confs).get(&(Box::from(bytes(server.name)), server.backup() != 0));
            let id = said.and_then(|said| said.id.as_deref());
            let (Some(id), Some(first)) = (id, addresses.first()) else {
                continue;
            };
            if addresses
                .iter()
                .all(|other| bytes(other.name) == bytes(first.name))
            {
                continue;
            }
            ngx_log_error!(
                NGX_LOG_WARN,
                (*cf).log,
                "server \"{}\" has {} addresses, which share the id \"{}\": all its sessions go to the first of them \
                 that is available; give each address a \"server\" line with an \"id\" of its own, or leave \"id\" \
                 out, in upstream \"{}\" in {}:{}",
                server.name,
                server.naddrs,
                Printable(id),
                (*us).host,
                Printable(core::ffi::CStr::from_ptr((*us).file_name.cast()).to_bytes()),
                (*us).line
            );
        }
    }
}
