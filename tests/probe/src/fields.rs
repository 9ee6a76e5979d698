//! Removes a field from a request like other modules, from the list of its fields.

use ngx::core::Status;
use ngx::ffi::{
    ngx_array_push, ngx_conf_t, ngx_http_handler_pt, ngx_http_phases_NGX_HTTP_REWRITE_PHASE,
    ngx_http_request_t, ngx_int_t, ngx_table_elt_t,
};
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};

use crate::{argument, bytes};

/// Adds the handler to the phase in which modules edit fields.
///
/// # Safety
///
/// Called from `postconfiguration`.
pub(crate) unsafe fn install(cf: *mut ngx_conf_t) -> ngx_int_t {
    const PHASE: usize = ngx_http_phases_NGX_HTTP_REWRITE_PHASE as usize;
    // SAFETY: the caller promises that the http block was read completely.
    unsafe {
        let Some(core) = NgxHttpCoreModule::main_conf_mut(&*cf) else {
            return Status::NGX_ERROR.into();
        };
        let handlers = &raw mut core.phases[PHASE].handlers;
        let handler = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
        if handler.is_null() {
            return Status::NGX_ERROR.into();
        }
        *handler = Some(remove);
    }
    Status::NGX_OK.into()
}

/// Removes the field named in the argument "remove", which is the first or the last one of a part of the list.
unsafe extern "C" fn remove(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request; its list of parts ends with null, and each part has `nelts` fields.
    unsafe {
        let Some(name) = argument(r, b"remove") else {
            return Status::NGX_DECLINED.into();
        };
        let is_it = |field: *const ngx_table_elt_t| bytes((*field).key).eq_ignore_ascii_case(name);
        let list = &raw mut (*r).headers_in.headers;
        let mut part = &raw mut (*list).part;
        while !part.is_null() {
            let fields = (*part).elts.cast::<ngx_table_elt_t>();
            let length = (*part).nelts;
            if let Some(others) = length.checked_sub(1) {
                let is_first = others > 0 && is_it(fields);
                if is_first {
                    (*part).elts = fields.add(1).cast();
                }
                if is_first || is_it(fields.add(others)) {
                    (*part).nelts = others;
                    if part == (*list).last {
                        (*list).nalloc = (*list).nalloc.saturating_sub(1);
                    }
                }
            }
            part = (*part).next;
        }
    }
    Status::NGX_DECLINED.into()
}
