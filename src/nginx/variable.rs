//! Variables that a directive names.

use ngx::ffi::{ngx_http_get_flushed_variable, ngx_uint_t};

use super::request::Request;

/// A variable of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct Variable(ngx_uint_t);

impl Variable {
    /// Makes the handle of the variable that nginx knows by this index.
    pub(super) fn new(index: ngx_uint_t) -> Self {
        Variable(index)
    }

    /// Returns the value that the variable has for a request now, unless that is empty. It lives as long as the request.
    #[inline]
    pub(crate) fn value<'r>(self, request: Request<'r>) -> Option<&'r [u8]> {
        // SAFETY: the request is live, and the index is one of its configuration. nginx keeps the text of a value in memory
        // of the request or of the cycle, and does not write to it again.
        unsafe {
            let value = ngx_http_get_flushed_variable(request.as_ptr(), self.0).as_ref()?;
            if value.not_found() != 0 || value.len() == 0 {
                return None;
            }
            Some(core::slice::from_raw_parts(
                value.data,
                value.len() as usize,
            ))
        }
    }
}

/// Returns the first value among those of several variables.
#[inline]
pub(crate) fn first_value<'r>(variables: &[Variable], request: Request<'r>) -> Option<&'r [u8]> {
    (variables.iter()).find_map(|variable| variable.value(request))
}
