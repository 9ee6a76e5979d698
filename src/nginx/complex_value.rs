//! Text with variables, made ready to be evaluated.

use core::ptr::NonNull;

use ngx::ffi::ngx_http_complex_value_t;

use super::bytes;

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
}
