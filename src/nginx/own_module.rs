//! The tables of this module, as nginx sees it: it is two.

use ngx::ffi::ngx_module_t;

extern "C" {
    // The tables, which nginx finds in the shared object (`lib.rs`).
    #[allow(non_upper_case_globals)]
    static ngx_http_session_sticky_module: ngx_module_t;
    #[allow(non_upper_case_globals)]
    static ngx_http_session_sticky_server_module: ngx_module_t;
}

/// Returns the table of the module that has directives, the phase handler and the filter.
#[inline(always)]
pub(crate) fn own_module() -> &'static ngx_module_t {
    // SAFETY: the table is in this shared object. nginx writes to it only before and after the calls that read it.
    unsafe { &ngx_http_session_sticky_module }
}

/// Returns the table of the module whose directives nginx has too. It has no use for contexts of requests.
pub(crate) fn server_module() -> &'static ngx_module_t {
    // SAFETY: as above.
    unsafe { &ngx_http_session_sticky_server_module }
}
