//! nginx's chain of header filters.

use core::cell::Cell;

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_header_filter, ngx_int_t,
};

use super::request::Request;

/// The filters after one of this module. nginx makes the chain anew for each configuration.
pub(crate) struct HeaderFilters(Cell<ngx_http_output_header_filter_pt>);

// SAFETY: nginx has one thread that calls filters, and its thread pools do not.
unsafe impl Sync for HeaderFilters {}

impl HeaderFilters {
    /// Returns a place of which nginx has not made the chain yet.
    pub(crate) const fn new() -> Self {
        HeaderFilters(Cell::new(None))
    }

    /// Puts a filter before all that are in the chain.
    pub(crate) fn stand_before(
        &self,
        filter: unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t,
    ) {
        // SAFETY: one thread reads the configuration, and no request is served meanwhile.
        unsafe {
            self.0.set(ngx_http_top_header_filter);
            ngx_http_top_header_filter = Some(filter);
        }
    }

    /// Calls the first of them.
    #[inline(always)]
    pub(crate) fn call(&self, request: Request<'_>) -> ngx_int_t {
        let Some(next) = self.0.get() else {
            return Status::NGX_OK.into();
        };
        // SAFETY: a filter of nginx's chain, with the request that is in it.
        unsafe { next(request.as_ptr()) }
    }
}
