//! What a request remembers of variables, while something evaluates some of them and must leave no trace.
//!
//! nginx evaluates the variables of a text first for its length, and takes them from what the request remembers when it writes
//! the text. So a variable that evaluates others, and these still others, must not change what is remembered: one that is
//! evaluated anew each time (`no_cacheable`) may have become longer than the room that was made for it.

use ngx::ffi::ngx_http_variable_value_t;
use ngx::http::{HttpModuleMainConf, NgxHttpCoreModule};
use session_cookie::memory::OutOfMemory;

use super::request::Request;

/// Does something, and lets the request remember of variables what it did before, but of those of which it evaluates a value
/// once.
pub(super) fn aside<T>(request: Request<'_>, work: impl FnOnce() -> T) -> Result<T, OutOfMemory> {
    // SAFETY: the request is live, and its configuration outlives it.
    let count = unsafe {
        NgxHttpCoreModule::main_conf(&*request.as_ptr()).map_or(0, |core| core.variables.nelts)
    };
    let mut before = request.pool().stack(count).ok_or(OutOfMemory)?;
    // SAFETY: a request has a value for each variable of its configuration, and nobody writes to them meanwhile.
    let values = unsafe { (*request.as_ptr()).variables };
    for at in 0..count {
        // SAFETY: as above.
        before.push(unsafe { *values.add(at) });
    }
    let before: &[ngx_http_variable_value_t] = before.into_slice();
    let result = work();
    for (at, value) in before.iter().enumerate() {
        // SAFETY: as above, and nobody holds a reference to a value.
        unsafe {
            let place = values.add(at);
            if (*place).no_cacheable() != 0 {
                *place = *value;
            }
        }
    }
    Ok(result)
}
