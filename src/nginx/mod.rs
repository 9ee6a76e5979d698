//! What nginx-sys leaves raw, made safe enough to read. All `unsafe` lives here and at the boundary of
//! callbacks.

pub(crate) mod census;
pub(crate) mod complex_value;
pub(crate) mod conf;
pub(crate) mod headers_in;
pub(crate) mod headers_out;
pub(crate) mod peers;
pub(crate) mod pool;
pub(crate) mod upstream;
pub(crate) mod variables;

use ngx::ffi::{ngx_http_request_t, ngx_log_t, ngx_str_t};

/// The bytes of an nginx string, for as long as its pool lives.
///
/// # Safety
///
/// The string points into memory that outlives `'a` and is not written meanwhile.
#[inline]
pub(crate) unsafe fn bytes<'a>(text: ngx_str_t) -> &'a [u8] {
    if text.len == 0 || text.data.is_null() {
        return &[];
    }
    // SAFETY: the caller's promise.
    unsafe { core::slice::from_raw_parts(text.data, text.len) }
}

/// An nginx string over bytes that outlive it. nginx does not write through it.
pub(crate) fn string(text: &[u8]) -> ngx_str_t {
    ngx_str_t {
        len: text.len(),
        data: text.as_ptr().cast_mut(),
    }
}

/// The log of a request.
///
/// # Safety
///
/// `r` is a live request.
pub(crate) unsafe fn log(r: *mut ngx_http_request_t) -> *mut ngx_log_t {
    // SAFETY: a live request has a connection, which has a log.
    unsafe { (*(*r).connection).log }
}

/// Text from outside in a log line: what is no visible ASCII character becomes `\xNN`.
pub(crate) struct Printable<'a>(pub(crate) &'a [u8]);

impl core::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}
