//! The user and the host of a request, from nginx's parsing of the `Authorization` and `Host` fields.

use core::ptr::NonNull;
use core::slice;
#[cfg(ngx_feature = "pcre")]
use ngx::ffi::ngx_http_regex_exec;

use ngx::ffi::{ngx_http_auth_basic_user, ngx_http_server_name_t};
use ngx::http::{HttpModuleServerConf, NgxHttpCoreModule};
use session_cookie::control::guard::is_named;
use session_cookie::memory::OutOfMemory;

use super::conf::Conf;
use super::request::Request;
use super::{bytes, string};

impl<'r> Request<'r> {
    /// Returns the requested host in lower case, without a port; empty if the request has none.
    pub(crate) fn host(self) -> &'r [u8] {
        // SAFETY: the request is live, and so is the text that nginx has made from the field.
        unsafe { bytes((*self.as_ptr()).headers_in.server) }
    }

    /// Returns the `Host` field, or its equivalent in HTTP/2; `None` if nginx does not keep it, as with HTTP/3.
    pub(crate) fn host_field(self) -> Option<&'r [u8]> {
        // SAFETY: the request is live, and so is the field.
        unsafe {
            (*self.as_ptr())
                .headers_in
                .host
                .as_ref()
                .map(|host| bytes(host.value))
        }
    }

    /// Returns the local port of the connection; `None` if it has none.
    pub(crate) fn local_port(self) -> Option<u16> {
        // SAFETY: a live request has a connection; nginx determines the local address unless it is already known.
        unsafe {
            let connection = (*self.as_ptr()).connection;
            let rc = ngx::ffi::ngx_connection_local_sockaddr(connection, core::ptr::null_mut(), 0);
            (rc == 0).then(|| ngx::ffi::ngx_inet_get_port((*connection).local_sockaddr))
        }
    }

    /// Returns the user name in the `Authorization` field, like `$remote_user`. The password was verified only if the
    /// configuration demands it.
    pub(crate) fn user(self) -> &'r [u8] {
        // SAFETY: the request is live; nginx decodes the user name into the request's pool.
        unsafe {
            let rc = ngx_http_auth_basic_user(self.as_ptr());
            if rc == 0 {
                bytes((*self.as_ptr()).headers_in.user)
            } else {
                &[]
            }
        }
    }
}

/// The names of a `server` block, for the lifetime of the cycle. nginx itself discards them after reading the configuration if it
/// can find the block without them, for example if it is the only block of its address.
#[derive(Clone, Copy, Default)]
pub(crate) struct ServerNames<'c>(&'c [ngx_http_server_name_t]);

impl<'c> Conf<'c> {
    /// Returns the names of the `server` block being merged.
    pub(crate) fn server_names(self) -> Result<ServerNames<'c>, OutOfMemory> {
        // SAFETY: `cf` is live, and nginx does not discard the names before all blocks are merged. Their text and regular
        // expressions are in the cycle's pool.
        let names: &[ngx_http_server_name_t] = unsafe {
            let server = NgxHttpCoreModule::server_conf(&*self.as_ptr());
            server.map_or(&[], |server| server.server_names.as_slice())
        };
        let kept = self.pool().array(names.len()).ok_or(OutOfMemory)?;
        // SAFETY: the cycle's pool has just allocated memory for this many names.
        Ok(ServerNames(unsafe {
            kept.copy_from_nonoverlapping(NonNull::from(names).cast(), names.len());
            slice::from_raw_parts(kept.as_ptr(), names.len())
        }))
    }
}

impl ServerNames<'_> {
    /// Returns whether the host of a request is one of them. nginx also uses the default block for any other host.
    pub(crate) fn have_host_of(self, request: Request<'_>) -> bool {
        self.0.iter().any(|name| is_host(name, request))
    }
}

fn is_host(name: &ngx_http_server_name_t, request: Request<'_>) -> bool {
    #[cfg(ngx_feature = "pcre")]
    if !name.regex.is_null() {
        let mut host = string(request.host());
        // SAFETY: the request is live, and the expression was compiled for this name; nginx uses it in the same way to find the
        // block.
        let rc = unsafe { ngx_http_regex_exec(request.as_ptr(), name.regex, &raw mut host) };
        return host.len != 0 && rc == 0;
    }
    // SAFETY: the text of a name lives as long as the cycle.
    is_named(unsafe { bytes(name.name) }, request.host())
}
