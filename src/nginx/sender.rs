//! Who sends a request, and to whom: what nginx has made of its `Host` and `Authorization` fields.

#[cfg(ngx_feature = "pcre")]
use ngx::ffi::ngx_http_regex_exec;
use ngx::ffi::{ngx_http_auth_basic_user, ngx_http_server_name_t};
use ngx::http::{HttpModuleServerConf, NgxHttpCoreModule};
use session_cookie::control::guard::is_named;

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

    /// Returns whether the host is one of the names of the `server` block. nginx itself takes the block for any other host too, if
    /// it is the default one, and looks for no name where it is the only one.
    pub(crate) fn is_to_server_name(self) -> bool {
        // SAFETY: the request is live, and the names of its server live as long as the cycle.
        let names: &[ngx_http_server_name_t] = unsafe {
            let server = NgxHttpCoreModule::server_conf(&*self.as_ptr());
            server.map_or(&[], |server| server.server_names.as_slice())
        };
        names.iter().any(|name| self.is_to(name))
    }

    fn is_to(self, name: &ngx_http_server_name_t) -> bool {
        #[cfg(ngx_feature = "pcre")]
        if !name.regex.is_null() {
            let mut host = string(self.host());
            // SAFETY: the request is live, and the expression was compiled for this name; nginx matched it in the same way to
            // find the server.
            return host.len != 0
                && unsafe { ngx_http_regex_exec(self.as_ptr(), name.regex, &raw mut host) } == 0;
        }
        // SAFETY: the text of a name lives as long as the cycle.
        is_named(unsafe { bytes(name.name) }, self.host())
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
