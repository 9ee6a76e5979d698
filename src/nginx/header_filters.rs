//! The chain of header filters.

use core::cell::Cell;

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_top_header_filter, ngx_int_t,
};

use super::request::Request;

/// The filters after a filter of this module. nginx builds the chain for each configuration.
pub(crate) struct HeaderFilters(Cell<ngx_http_output_header_filter_pt>);

// SAFETY: filters are called by the worker's only event thread, never by its thread pools.
unsafe impl Sync for HeaderFilters {}

impl HeaderFilters {
    /// Returns a placeholder for a chain that nginx has not built yet.
    pub(crate) const fn new() -> Self {
        HeaderFilters(Cell::new(None))
    }

    /// Inserts a filter at the head of the chain.
    pub(crate) fn stand_before(
        &self,
        filter: unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t,
    ) {
        // SAFETY: a single thread reads the configuration, and no request is being served.
        unsafe {
            self.0.set(ngx_http_top_header_filter);
            ngx_http_top_header_filter = Some(filter);
        }
    }

    /// Calls the next filter.
    #[inline(always)]
    pub(crate) fn call(&self, request: Request<'_>) -> ngx_int_t {
        let Some(next) = self.0.get() else {
            return Status::NGX_OK.into();
        };
        // SAFETY: `next` is a filter of nginx's chain, called with the request that is passing through the chain.
        unsafe { next(request.as_ptr()) }
    }
}
