//! Variables defined by the module.

use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};

// The bit fields at the start of a value, as compilers for little-endian processors lay them out. bindgen's own setters take
// hundreds of instructions.
const LENGTH: u32 = (1 << 28) - 1;
const VALID: u32 = 1 << 28;
const NO_CACHEABLE: u32 = 1 << 29;
const NOT_FOUND: u32 = 1 << 30;
const _: () = assert!(cfg!(target_endian = "little"));

/// A handler that nginx calls for the value of a variable of the module. Its arguments are the request, the place for the value,
/// and the number with which the variable was added.
pub(crate) type Handler = unsafe extern "C" fn(
    *mut ngx_http_request_t,
    *mut ngx_http_variable_value_t,
    usize,
) -> ngx_int_t;

/// The place for a value that nginx has requested.
pub(crate) struct Asked<'r>(NonNull<ngx_http_variable_value_t>, PhantomData<&'r ()>);

impl<'r> Asked<'r> {
    /// Creates the handle at the start of a handler.
    ///
    /// # Safety
    ///
    /// `value` is the argument of a [`Handler`] called for a request that lives for `'r`, and nothing else writes to it.
    pub(crate) unsafe fn new(value: *mut ngx_http_variable_value_t) -> Self {
        // SAFETY: the caller guarantees that `value` is not null.
        Asked(unsafe { NonNull::new_unchecked(value) }, PhantomData)
    }

    /// Sets the value, or that there is none. nginx does not cache it.
    pub(crate) fn set(self, text: Option<&'r [u8]>) {
        let bytes = text.unwrap_or_default();
        let length = u32::try_from(bytes.len()).unwrap_or_default() & LENGTH;
        let found = if text.is_some() { VALID } else { NOT_FOUND };
        // SAFETY: nothing else writes to the value, as `new` requires, and it begins with one word of bit fields.
        unsafe {
            (*self.0.as_ptr()).data = bytes.as_ptr().cast_mut();
            self.0.cast::<u32>().write(length | found | NO_CACHEABLE);
        }
    }
}
