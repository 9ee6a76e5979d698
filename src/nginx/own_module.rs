//! The tables of this module. nginx sees two modules.

use ngx::ffi::ngx_module_t;

extern "C" {
    // Defined in `lib.rs`, where nginx finds them in the shared object.
    #[allow(non_upper_case_globals)]
    static ngx_http_session_sticky_module: ngx_module_t;
    #[allow(non_upper_case_globals)]
    static ngx_http_session_sticky_server_module: ngx_module_t;
}

/// Returns the table of the module with the module's own directives, its phase handler and its filter.
#[inline(always)]
pub(crate) fn own_module() -> &'static ngx_module_t {
    // SAFETY: the table is in this shared object. nginx writes to it only before and after the calls that read it.
    unsafe { &ngx_http_session_sticky_module }
}

/// Returns the table of the module whose directives nginx also has. It needs no request context itself, so its slot is free
/// for that of a status response (`status::stream`).
pub(crate) fn server_module() -> &'static ngx_module_t {
    // SAFETY: as above.
    unsafe { &ngx_http_session_sticky_server_module }
}
