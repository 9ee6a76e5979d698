//! Complex values: text with variables, compiled for evaluation.

use core::ptr::NonNull;

use ngx::core::Status;
use ngx::ffi::{ngx_http_complex_value, ngx_http_complex_value_t, ngx_str_t};
use session_cookie::memory::OutOfMemory;

use super::bytes;
use super::remembered::aside;
use super::request::Request;

/// A handle of a complex value. It lives as long as the configuration that contains it.
#[derive(Clone, Copy)]
pub(crate) struct ComplexValue(NonNull<ngx_http_complex_value_t>);

impl ComplexValue {
    /// Creates the handle.
    ///
    /// # Safety
    ///
    /// nginx has compiled the value in the pool of a cycle that is live for as long as the handle is used.
    pub(crate) unsafe fn new(value: NonNull<ngx_http_complex_value_t>) -> Self {
        ComplexValue(value)
    }

    /// Returns nginx's pointer to the value.
    pub(crate) fn as_ptr(self) -> *mut ngx_http_complex_value_t {
        self.0.as_ptr()
    }

    /// Returns the text as written in the configuration.
    pub(crate) fn text(&self) -> &[u8] {
        // SAFETY: value and text are in the pool of the cycle, which is live as `new` requires, and are not modified.
        unsafe { bytes(self.0.as_ref().value) }
    }

    /// Returns whether the value is neither empty nor `0` for a request, like `if=` of nginx's own directives.
    pub(crate) fn is_true(self, request: Request<'_>) -> Result<bool, OutOfMemory> {
        let value = self.evaluate(request)?;
        Ok(!matches!(value, b"" | b"0"))
    }

    /// [`is_true`](Self::is_true) for use while the request may be evaluating other variables.
    pub(crate) fn is_true_aside(self, request: Request<'_>) -> Result<bool, OutOfMemory> {
        aside(request, || self.is_true(request))?
    }

    /// Evaluates the text for a request. This fails only if memory is short; nginx then fails the request.
    pub(crate) fn evaluate<'r>(self, request: Request<'r>) -> Result<&'r [u8], OutOfMemory> {
        let mut value = ngx_str_t::empty();
        // SAFETY: the request is live, and the compiled value lives as long as the cycle, which outlives the request. The result
        // lives as long as the request.
        unsafe {
            let rc = ngx_http_complex_value(request.as_ptr(), self.as_ptr(), &raw mut value);
            if rc == Status::NGX_OK.0 {
                Ok(bytes(value))
            } else {
                Err(OutOfMemory)
            }
        }
    }
}
