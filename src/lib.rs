//! Cookie session persistence for stock nginx: the two modules that nginx gets to see.
//!
//! There are two of them, because the directives of one have to be found before
//! nginx's own of the same name, while the filters of the other belong among the filters:
//!
//! * `ngx_http_session_sticky_server_module` stands before `ngx_http_upstream_module` and takes the
//!   parameters of this module out of `server`, then hands over to nginx ([`directives::server`]);
//! * `ngx_http_session_sticky_module` is a filter and does everything else. It stands behind the filters of all
//!   other modules (`HTTP_AUX_FILTER`), whatever the order of `load_module`. nginx calls header filters from the
//!   last to the first: the cookie is among the fields of the response before any of them sees it.
//!
//! A request meets [`filters::hide`], [`upstream`] and [`filters::set_cookie`], in this order.

#![deny(unsafe_code)]
#![deny(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]
#![warn(missing_docs)]

mod conf;
mod control;
mod counters;
mod directives;
mod filters;
mod log;
mod module;
#[allow(unsafe_code)]
mod nginx;
mod status;
mod upstream;
mod variables;

use core::ffi::c_void;

use ngx::ffi::{ngx_http_module_t, ngx_module_t, NGX_HTTP_MODULE};

static mut SERVER_CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: None,
    postconfiguration: None,
    create_main_conf: None,
    init_main_conf: Some(module::init_main_conf),
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
};

/// Takes the parameters of this module out of directives that nginx has too, before nginx reads them.
#[no_mangle]
#[allow(unsafe_code)]
#[allow(non_upper_case_globals)]
pub static mut ngx_http_session_sticky_server_module: ngx_module_t = ngx_module_t {
    ctx: (&raw mut SERVER_CONTEXT).cast::<c_void>(),
    commands: (&raw mut directives::SERVER_COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as _,
    ..ngx_module_t::default()
};

static mut CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(module::preconfiguration),
    postconfiguration: Some(module::postconfiguration),
    create_main_conf: Some(module::create_main_conf),
    init_main_conf: None,
    create_srv_conf: Some(module::create_srv_conf),
    merge_srv_conf: None,
    create_loc_conf: Some(module::create_loc_conf),
    merge_loc_conf: Some(module::merge_loc_conf),
};

/// Session persistence: directives, the choice of a server, and the filters.
#[no_mangle]
#[allow(unsafe_code)]
#[allow(non_upper_case_globals)]
pub static mut ngx_http_session_sticky_module: ngx_module_t = ngx_module_t {
    ctx: (&raw mut CONTEXT).cast::<c_void>(),
    commands: (&raw mut directives::COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as _,
    init_module: Some(module::init_module),
    init_process: Some(module::init_process),
    exit_process: Some(module::exit_process),
    ..ngx_module_t::default()
};
