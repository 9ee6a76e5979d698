//! The table of this module, as nginx sees it.

use ngx::ffi::ngx_module_t;

extern "C" {
    /// The table, which nginx finds in the shared object (`lib.rs`).
    #[allow(non_upper_case_globals)]
    static ngx_http_session_sticky_module: ngx_module_t;
}

/// Returns the table of the module that has directives, the phase handler and the filter.
#[inline(always)]
pub(crate) fn own_module() -> &'static ngx_module_t {
    // SAFETY: the table is in this shared object. nginx writes to it only before and after the calls that read it.
    unsafe { &ngx_http_session_sticky_module }
}
