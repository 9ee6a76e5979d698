//! Cookie-based session persistence for stock nginx.
//!
//! The library contains two nginx modules. The directives of the first must be found before nginx's own directives of the
//! same name, while the second must be among the filters:
//!
//! * `ngx_http_session_sticky_server_module` comes before `ngx_http_upstream_module`. It removes this module's parameters
//!   from `server` directives, then calls nginx's handler ([`directives::server`]).
//! * `ngx_http_session_sticky_module` is a filter and does everything else. It comes after the filters of all other modules
//!   (`HTTP_AUX_FILTER`), regardless of the order of `load_module`. nginx calls header filters from last to first, so the
//!   cookie is in the response before any other filter sees it.
//!
//! A request passes through [`filters::hide`], [`upstream`] and [`filters::set_cookie`], in this order.

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

/// Removes this module's parameters from directives that nginx also has, before nginx reads them.
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

/// Session persistence: directives, server selection, and filters.
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
