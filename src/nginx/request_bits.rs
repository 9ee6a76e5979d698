//! Bit fields of a request (`src/http/ngx_http_request.h`).

use core::mem::offset_of;

use ngx::ffi::ngx_http_request_t;

use super::request::Request;

impl Request<'_> {
    /// Returns whether only the header of the response is wanted: for HEAD, and by some modules that make subrequests. Known
    /// when the header was sent.
    pub(crate) fn wants_header_only(self) -> bool {
        header_only(self.as_ptr())
    }

    /// Lets nginx wait for the request, and for its main request, until it is [ended](Request::end).
    pub(super) fn hold(self) {
        // Of the bit fields the counter is the first, of 16 bits, wherever they begin.
        const { assert!(offset_of!(ngx_http_request_t, _bitfield_1) % align_of::<u16>() == 0) };
        // SAFETY: the request is live, and so is its main request; the counter is where the assertion expects it, and nobody
        // holds a reference to it.
        unsafe {
            let count = (&raw mut (*(*self.as_ptr()).main)._bitfield_1).cast::<u16>();
            count.write(count.read().wrapping_add(1));
        }
    }
}

#[cfg(not(nginx_request_port))]
fn header_only(r: *mut ngx_http_request_t) -> bool {
    // SAFETY: the caller has a live request.
    unsafe { (*r).header_only() != 0 }
}

/// Since 1.29.4 the bit fields begin behind a `port` of two bytes, in the middle of a word. bindgen takes that place for the
/// beginning of a word, so those behind the first few are not where it expects them.
#[cfg(nginx_request_port)]
fn header_only(r: *mut ngx_http_request_t) -> bool {
    const PORT: usize = offset_of!(ngx_http_request_t, port);
    const {
        assert!(
            PORT % 4 == 0 && offset_of!(ngx_http_request_t, _bitfield_1) == PORT.wrapping_add(2)
        )
    };
    // SAFETY: the caller has a live request, with words of bit fields from that of `port` on.
    let word = unsafe { r.byte_add(PORT).cast::<u32>().add(HEADER_ONLY / 32).read() };
    word >> (HEADER_ONLY % 32) & 1 != 0
}

/// How many bits the fields before `header_only` have, in order.
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

/// Returns where bit fields end that begin with a word, as compilers lay them out: none lies in two words of 32 bits.
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
