//! A header filter like those of other modules: it reads the `Set-Cookie` fields of a response, and may remove them.

use core::ptr;

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_header_filter, ngx_int_t,
    ngx_list_push, ngx_pnalloc, ngx_str_t, ngx_table_elt_t, ngx_uint_t,
};
use ngx::ngx_string;

use crate::{argument, bytes};

/// The filter after this one.
static mut NEXT: ngx_http_output_header_filter_pt = None;

/// Inserts the filter into the chain of header filters.
///
/// # Safety
///
/// Called from `postconfiguration`.
pub(crate) unsafe fn install() {
    // SAFETY: nginx has one thread, and reads the chain only when it serves requests.
    unsafe {
        NEXT = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(filter);
    }
}

/// Evaluates the argument "cookies": "show" copies the cookies into a field X-Cookies, "clear" removes them.
unsafe extern "C" fn filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this with a live request whose header is about to be sent.
    unsafe {
        let done = match argument(r, b"cookies") {
            Some(b"show") => show(r),
            Some(b"clear") => {
                each(r, |field| (*field).hash = 0);
                true
            }
            _ => true,
        };
        if !done {
            return Status::NGX_ERROR.into();
        }
        NEXT.map_or(Status::NGX_OK.into(), |next| next(r))
    }
}

/// Calls `what` with each `Set-Cookie` field to be sent.
unsafe fn each(r: *mut ngx_http_request_t, mut what: impl FnMut(*mut ngx_table_elt_t)) {
    // SAFETY: the request is live; its list of parts ends with null, and each part has `nelts` fields.
    unsafe {
        let mut part = &raw mut (*r).headers_out.headers.part;
        while !part.is_null() {
            let fields = (*part).elts.cast::<ngx_table_elt_t>();
            for i in 0..(*part).nelts {
                let field = fields.add(i);
                if (*field).hash != 0 && bytes((*field).key).eq_ignore_ascii_case(b"Set-Cookie") {
                    what(field);
                }
            }
            part = (*part).next;
        }
    }
}

/// Adds the field if there are cookies; returns `false` if memory allocation fails.
unsafe fn show(r: *mut ngx_http_request_t) -> bool {
    let mut text = Vec::new();
    // SAFETY: the request is live; the field and its text are allocated from its pool.
    unsafe {
        each(r, |field| {
            text.extend_from_slice(bytes((*field).value));
            text.push(b'|');
        });
        if text.is_empty() {
            return true;
        }
        let data = ngx_pnalloc((*r).pool, text.len()).cast::<u8>();
        let field = ngx_list_push(&raw mut (*r).headers_out.headers).cast::<ngx_table_elt_t>();
        if data.is_null() || field.is_null() {
            return false;
        }
        ptr::copy_nonoverlapping(text.as_ptr(), data, text.len());
        ptr::write_bytes(field, 0, 1);
        (*field).hash = 1 as ngx_uint_t;
        (*field).key = ngx_string!("X-Cookies");
        (*field).value = ngx_str_t {
            len: text.len(),
            data,
        };
    }
    true
}
