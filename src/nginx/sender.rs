//! Who sends a request, and to whom: what nginx has made of its `Host` and `Authorization` fields.

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
    /// Returns the host that the request names, in lower case and without a port; nothing, if it names none.
    pub(crate) fn host(self) -> &'r [u8] {
        // SAFETY: the request is live, and so is the text that nginx has made of the field.
        unsafe { bytes((*self.as_ptr()).headers_in.server) }
    }

    /// Returns the `Host` field, or what HTTP/2 has in its place; `None`: nginx keeps none, as with HTTP/3.
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

    /// Returns the port at which the request arrived; `None`: at no port.
    pub(crate) fn local_port(self) -> Option<u16> {
        // SAFETY: a live request has a connection; nginx finds out its address, if it has not yet.
        unsafe {
            let connection = (*self.as_ptr()).connection;
            let rc = ngx::ffi::ngx_connection_local_sockaddr(connection, core::ptr::null_mut(), 0);
            (rc == 0).then(|| ngx::ffi::ngx_inet_get_port((*connection).local_sockaddr))
        }
    }

    /// Returns the user that the `Authorization` field names, as `$remote_user` has it: nobody has asked for a password, unless the
    /// configuration does.
    pub(crate) fn user(self) -> &'r [u8] {
        // SAFETY: the request is live; nginx keeps what it reads of the field in its pool.
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

/// The names of a `server` block, as long as the cycle lives: nginx forgets them when it has read its configuration, if it needs
/// no names to find the block, as where it is the only one of an address.
#[derive(Clone, Copy, Default)]
pub(crate) struct ServerNames<'c>(&'c [ngx_http_server_name_t]);

impl<'c> Conf<'c> {
    /// Returns the names of the `server` block that is being merged.
    pub(crate) fn server_names(self) -> Result<ServerNames<'c>, OutOfMemory> {
        // SAFETY: `cf` is live, and the names are read while nginx merges the block, when it has not forgotten them. Their texts and
        // expressions are in the cycle's pool.
        let names: &[ngx_http_server_name_t] = unsafe {
            let server = NgxHttpCoreModule::server_conf(&*self.as_ptr());
            server.map_or(&[], |server| server.server_names.as_slice())
        };
        let kept = self.pool().array(names.len()).ok_or(OutOfMemory)?;
        // SAFETY: new memory of the cycle's pool for so many names.
        Ok(ServerNames(unsafe {
            kept.copy_from_nonoverlapping(NonNull::from(names).cast(), names.len());
            slice::from_raw_parts(kept.as_ptr(), names.len())
        }))
    }
}

impl ServerNames<'_> {
    /// Returns whether the host of a request is one of them. nginx itself takes a block for any other host too, if it is the
    /// default one.
    pub(crate) fn have_host_of(self, request: Request<'_>) -> bool {
        self.0.iter().any(|name| is_host(name, request))
    }
}

fn is_host(name: &ngx_http_server_name_t, request: Request<'_>) -> bool {
    #[cfg(ngx_feature = "pcre")]
    if !name.regex.is_null() {
        let mut host = string(request.host());
        // SAFETY: the request is live, and the expression was compiled for this name; nginx matches it in the same way to find
        // the block.
        let rc = unsafe { ngx_http_regex_exec(request.as_ptr(), name.regex, &raw mut host) };
        return host.len != 0 && rc == 0;
    }
    // SAFETY: the text of a name lives as long as the cycle.
    is_named(unsafe { bytes(name.name) }, request.host())
}
