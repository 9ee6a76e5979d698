//! Text with variables, made ready to be evaluated.

use core::ptr::NonNull;

use ngx::core::Status;
use ngx::ffi::{ngx_http_complex_value, ngx_http_complex_value_t, ngx_str_t};
use session_cookie::memory::OutOfMemory;

use super::bytes;
use super::remembered::aside;
use super::request::Request;

/// A handle of such a text. It lives as long as the configuration in which it stands.
#[derive(Clone, Copy)]
pub(crate) struct ComplexValue(NonNull<ngx_http_complex_value_t>);

impl ComplexValue {
    /// Makes the handle.
    ///
    /// # Safety
    ///
    /// nginx has compiled the value in the pool of a cycle, which is live for as long as the handle is used.
    pub(crate) unsafe fn new(value: NonNull<ngx_http_complex_value_t>) -> Self {
        ComplexValue(value)
    }

    /// Returns what nginx knows it by.
    pub(crate) fn as_ptr(self) -> *mut ngx_http_complex_value_t {
        self.0.as_ptr()
    }

    /// Returns the text as it is written.
    pub(crate) fn text(&self) -> &[u8] {
        // SAFETY: value and text are in the pool of the cycle, which is live as `new` demands, and nobody writes to them.
        unsafe { bytes(self.0.as_ref().value) }
    }

    /// Returns whether the text is neither empty nor `0` for a request, as nginx's own directives ask with `if=`.
    pub(crate) fn is_true(self, request: Request<'_>) -> Result<bool, OutOfMemory> {
        let value = self.evaluate(request)?;
        Ok(!matches!(value, b"" | b"0"))
    }

    /// [`is_true`](Self::is_true), while the request may be evaluating other variables.
    pub(crate) fn is_true_aside(self, request: Request<'_>) -> Result<bool, OutOfMemory> {
        aside(request, || self.is_true(request))?
    }

    /// Returns what the text is for a request. Evaluating fails where memory is short, and nginx fails the request then.
    pub(crate) fn evaluate<'r>(self, request: Request<'r>) -> Result<&'r [u8], OutOfMemory> {
        let mut value = ngx_str_t::empty();
        // SAFETY: the request is live, and the compiled value lives as long as the cycle, which outlives it. What it is
        // evaluated to lives as long as the request.
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
