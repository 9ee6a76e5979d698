//! `sticky …`: whose it is. Without parameters, or beginning with one of nginx-sticky-module-ng's, it is that
//! module's; nginx's own begins with a word of its own.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};

use super::{nginx, sticky_module_ng, Error};
use crate::nginx::bytes;
use crate::nginx::conf::{self, hand_over, words};

/// What nginx's own begins with.
const OWN: [&[u8]; 3] = [b"cookie", b"route", b"learn"];

pub(crate) unsafe extern "C" fn sticky(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block.
    unsafe {
        let is_ng = match words(cf) {
            [_, first, ..] => sticky_module_ng::is_parameter(bytes(*first)),
            _ => true,
        };
        if is_ng {
            return super::read(cf, sticky_module_ng::parse);
        }
        if let Some(own) = conf::module(cf, c"ngx_http_upstream_sticky_module") {
            // nginx looks at the number before it calls the directive's own function.
            match words(cf) {
                [_, form] if OWN.contains(&bytes(*form)) => {
                    return super::refuse(cf, &Error::Count("sticky"));
                }
                [_, _] => return super::read(cf, sticky_module_ng::parse),
                _ => (),
            }
            return hand_over(cf, own, b"sticky").unwrap_or(conf::ERROR);
        }
        super::read(cf, |parameters| match parameters {
            [form @ (b"route" | b"learn"), ..] => Err(Error::NotHere(form)),
            [b"cookie", ..] => nginx::parse(parameters),
            _ => sticky_module_ng::parse(parameters),
        })
    }
}
