//! Evaluating variables without changing the values that a request has cached.
//!
//! nginx evaluates the variables of a text first to compute its length, and then copies the cached values. While it does so, a
//! variable that evaluates others must not change the cached values: a `no_cacheable` variable that is evaluated again may have
//! become longer than the memory allocated for it.

use ngx::ffi::ngx_http_variable_value_t;
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};
use session_cookie::memory::OutOfMemory;

use super::request::Request;

/// Calls `work`, and then restores the values of non-cacheable variables that the request had cached before.
pub(super) fn aside<T>(request: Request<'_>, work: impl FnOnce() -> T) -> Result<T, OutOfMemory> {
    // SAFETY: the request is live, and its configuration outlives it.
    let count = unsafe {
        NgxHttpCoreModule::main_conf(&*request.as_ptr()).map_or(0, |core| core.variables.nelts)
    };
    let mut before = request.pool().stack(count).ok_or(OutOfMemory)?;
    // SAFETY: a request has a value for each variable of its configuration; none is modified while they are copied.
    let values = unsafe { (*request.as_ptr()).variables };
    for at in 0..count {
        // SAFETY: as above.
        before.push(unsafe { *values.add(at) });
    }
    let before: &[ngx_http_variable_value_t] = before.into_slice();
    let result = work();
    for (at, value) in before.iter().enumerate() {
        // SAFETY: as above, and no reference to a value exists.
        unsafe {
            let place = values.add(at);
            if (*place).no_cacheable() != 0 {
                *place = *value;
            }
        }
    }
    Ok(result)
}
