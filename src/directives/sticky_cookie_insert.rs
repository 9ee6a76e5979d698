//! `sticky_cookie_insert name [expires=time | max] [domain=] [path=]` of NGINX Plus before 1.5.7, the predecessor of
//! `sticky cookie`.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleServerConf;
use session_cookie::policy::{Mode, Style};

use super::parameters::{DOMAIN, LITERAL_PATH};
use super::parser::{Directive, Leading};
use super::sticky_cookie::EXPIRES;
use crate::conf::Sticky;
use crate::nginx::conf::{self, Conf};

static DIRECTIVE: Directive = Directive {
    name: "sticky_cookie_insert",
    mode: Mode::Repeat,
    style: Style::Nginx,
    leading: Leading::CookieName,
    parameters: &[EXPIRES, DOMAIN, LITERAL_PATH],
    finish: |_| Ok(()),
};

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn sticky_cookie_insert(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block. No other reference to the module's configuration of
    // the block exists.
    let (cf, upstream) = unsafe { (Conf::new(cf), Sticky::server_conf_mut(&*cf)) };
    let Some(upstream) = upstream else {
        return conf::ERROR;
    };
    DIRECTIVE.read(cf, cf.parameters(), upstream)
}
