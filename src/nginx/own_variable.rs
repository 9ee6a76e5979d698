//! A variable of the module: its value, when nginx asks for it.

use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};

// The word of bit fields that a value begins with, as compilers for little-endian processors lay it out: bindgen's own
// functions take hundreds of instructions to set one.
const LENGTH: u32 = (1 << 28) - 1;
const VALID: u32 = 1 << 28;
const NO_CACHEABLE: u32 = 1 << 29;
const NOT_FOUND: u32 = 1 << 30;
const _: () = assert!(cfg!(target_endian = "little"));

/// What nginx calls to learn the value of a variable of the module: with the request, the place of the value and the number
/// that the variable was added with.
pub(crate) type Handler = unsafe extern "C" fn(
    *mut ngx_http_request_t,
    *mut ngx_http_variable_value_t,
    usize,
) -> ngx_int_t;

/// The place of a value that nginx asks for.
pub(crate) struct Asked<'r>(NonNull<ngx_http_variable_value_t>, PhantomData<&'r ()>);

impl<'r> Asked<'r> {
    /// Makes the handle at the start of a handler.
    ///
    /// # Safety
    ///
    /// `value` is what nginx has called a [`Handler`] with, for a request that lives for `'r`, and nobody else writes to it.
    pub(crate) unsafe fn new(value: *mut ngx_http_variable_value_t) -> Self {
        // SAFETY: the caller vouches for a value, which is not null.
        Asked(unsafe { NonNull::new_unchecked(value) }, PhantomData)
    }

    /// Sets the value: text, or nothing. It is asked for anew each time.
    pub(crate) fn set(self, text: Option<&'r [u8]>) {
        let bytes = text.unwrap_or_default();
        let length = u32::try_from(bytes.len()).unwrap_or_default() & LENGTH;
        let found = if text.is_some() { VALID } else { NOT_FOUND };
        // SAFETY: nobody else writes to the value, as `new` demands, and it begins with one word of bit fields.
        unsafe {
            (*self.0.as_ptr()).data = bytes.as_ptr().cast_mut();
            self.0.cast::<u32>().write(length | found | NO_CACHEABLE);
        }
    }
}
