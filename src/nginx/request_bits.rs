//! Bit fields of a request (`src/http/ngx_http_request.h`).

use core::mem::offset_of;

use ngx::ffi::ngx_http_request_t;

use super::request::Request;

impl Request<'_> {
    /// Returns whether only the header of the response is to be sent, as for HEAD and for subrequests of some modules. To be
    /// called after the header has been sent.
    pub(crate) fn wants_header_only(self) -> bool {
        header_only(self.as_ptr())
    }

    /// Keeps the request and its main request alive until the request is [ended](Request::end).
    pub(super) fn hold(self) {
        // The counter is the first bit field and has 16 bits, wherever the bit fields begin.
        const { assert!(offset_of!(ngx_http_request_t, _bitfield_1) % align_of::<u16>() == 0) };
        // SAFETY: the request and its main request are live; the counter is where the assertion expects it, and no reference to
        // it exists.
        unsafe {
            let count = (&raw mut (*(*self.as_ptr()).main)._bitfield_1).cast::<u16>();
            count.write(count.read().wrapping_add(1));
        }
    }
}

#[cfg(not(nginx_request_port))]
fn header_only(r: *mut ngx_http_request_t) -> bool {
    // SAFETY: callers pass a live request.
    unsafe { (*r).header_only() != 0 }
}

/// Since nginx 1.29.4, the bit fields begin after a two-byte `port`, in the middle of a word. bindgen assumes that they begin at
/// a word, so its accessors are wrong for all but the first few.
#[cfg(nginx_request_port)]
fn header_only(r: *mut ngx_http_request_t) -> bool {
    const PORT: usize = offset_of!(ngx_http_request_t, port);
    const {
        assert!(
            PORT % 4 == 0 && offset_of!(ngx_http_request_t, _bitfield_1) == PORT.wrapping_add(2)
        )
    };
    // SAFETY: callers pass a live request, whose words of bit fields begin with that of `port`.
    let word = unsafe { r.byte_add(PORT).cast::<u32>().add(HEADER_ONLY / 32).read() };
    word >> (HEADER_ONLY % 32) & 1 != 0
}

/// The widths of the fields before `header_only`, in order.
#[cfg(nginx_request_port)]
const BEFORE_HEADER_ONLY: &[&[usize]] = &[
    // port, count, subrequests, blocked, aio, http_state
    &[16, 16, 8, 8, 1, 4],
    // complex_uri to uri_changed, uri_changes
    &[1, 1, 1, 1, 1, 1, 1, 1, 1, 4],
    // request_body_in_single_buf to request_body_no_buffering
    &[1, 1, 1, 1, 1, 3, 1],
    // subrequest_in_memory, waited
    &[1, 1],
    #[cfg(ngx_feature = "http_cache")]
    &[1],
    #[cfg(ngx_feature = "http_gzip")]
    &[1, 1, 1],
    #[cfg(ngx_feature = "pcre")]
    &[1],
    // proxy, bypass_cache, no_cache, limit_conn_status, limit_req_status
    &[1, 1, 1, 2, 3],
    // limit_rate_set, limit_rate_after_set, pipeline, chunked
    &[1, 1, 1, 1],
];

#[cfg(nginx_request_port)]
const HEADER_ONLY: usize = end_of(BEFORE_HEADER_ONLY);

/// Returns the position after bit fields that begin at a word, as compilers lay them out: none crosses a 32-bit boundary.
#[cfg(nginx_request_port)]
const fn end_of(mut groups: &[&[usize]]) -> usize {
    let mut at = 0usize;
    while let [mut fields, more @ ..] = groups {
        while let [bits, rest @ ..] = fields {
            let left = 32usize.wrapping_sub(at % 32);
            if *bits > left {
                at = at.wrapping_add(left);
            }
            at = at.wrapping_add(*bits);
            fields = rest;
        }
        groups = more;
    }
    at
}
