//! `sticky …`: decides whose directive it is. It is that of nginx-sticky-module-ng if it has no parameters or begins with
//! one of that module's, and nginx's own if it begins with `cookie`, `route` or `learn`.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleServerConf;

use super::messages::Error;
use super::{sticky_cookie, sticky_learn, sticky_module_ng, sticky_route};
use crate::conf::Sticky;
use crate::nginx::conf::{self, Conf};

/// The words with which nginx's own directive begins.
const OWN: [&[u8]; 3] = [b"cookie", b"route", b"learn"];

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn sticky(
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
    let parameters = cf.parameters();
    let first = parameters.first();
    let rest = parameters.rest();
    let form = first.filter(|word| OWN.contains(word));
    let is_alone = rest.is_empty();

    // A single unknown parameter is read in the same way: the error then lists the legal parameters.
    if first.is_none_or(sticky_module_ng::begins) || (form.is_none() && is_alone) {
        return sticky_module_ng::DIRECTIVE.read(cf, parameters, upstream);
    }
    let own = cf.module(c"ngx_http_upstream_sticky_module");
    match (own, form) {
        // nginx checks the number of arguments before it calls the handler of a directive, which does not check it itself.
        (Some(_), _) | (None, Some(_)) if is_alone => cf.refuse(Error::Count("sticky")),
        (Some(own), _) => cf.hand_over(own, b"sticky").unwrap_or(conf::ERROR),
        (None, Some(b"cookie")) => sticky_cookie::DIRECTIVE.read(cf, rest, upstream),
        (None, Some(b"route")) => sticky_route::DIRECTIVE.read(cf, rest, upstream),
        (None, Some(_)) => sticky_learn::DIRECTIVE.read(cf, rest, upstream),
        (None, None) => sticky_module_ng::DIRECTIVE.read(cf, parameters, upstream),
    }
}
