//! Safe wrappers around nginx-sys. All `unsafe` code is in this module, except trait implementations, the exported module
//! tables, and the callbacks, which create handles from nginx's pointers.

pub(crate) mod all_upstreams;
pub(crate) mod body;
pub(crate) mod chain;
pub(crate) mod complex_value;
pub(crate) mod conf;
pub(crate) mod content_handler;
pub(crate) mod control_bits;
pub(crate) mod control_zone;
pub(crate) mod cookies;
pub(crate) mod counter_zone;
pub(crate) mod exchange;
pub(crate) mod gone_server;
pub(crate) mod header_filters;
pub(crate) mod inner;
pub(crate) mod linger_zone;
pub(crate) mod log;
pub(crate) mod open;
pub(crate) mod own_module;
pub(crate) mod own_variable;
pub(crate) mod peer_connection;
pub(crate) mod peers;
pub(crate) mod pieces;
pub(crate) mod pool;
mod remembered;
pub(crate) mod request;
mod request_bits;
pub(crate) mod request_line;
pub(crate) mod response;
pub(crate) mod response_fields;
pub(crate) mod resumption;
pub(crate) mod round_robin;
pub(crate) mod sender;
pub(crate) mod server_control;
pub(crate) mod server_names;
pub(crate) mod session_zone;
mod shared_zone;
pub(crate) mod system_error;
pub(crate) mod time;
pub(crate) mod upstream;
pub(crate) mod variable;
pub(crate) mod variables;
pub(crate) mod worker_cell;
pub(crate) mod worker_timer;
pub(crate) mod worker_user;

use ngx::ffi::ngx_str_t;

/// Returns the bytes of an nginx string for the lifetime of its pool.
///
/// # Safety
///
/// `text.data` is null, or points to `text.len` bytes that stay valid and unmodified for `'a`.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(text: ngx_str_t) -> &'a [u8] {
    if text.data.is_null() {
        return &[];
    }
    // SAFETY: `data` is not null and points to `len` bytes, which the caller guarantees to be valid and unmodified for `'a`.
    unsafe { core::slice::from_raw_parts(text.data, text.len) }
}

/// Returns an nginx string that refers to `text`, which must outlive it. nginx does not write through it.
pub(crate) fn string(text: &[u8]) -> ngx_str_t {
    ngx_str_t {
        len: text.len(),
        data: text.as_ptr().cast_mut(),
    }
}

/// External text in a log line: bytes that are not visible ASCII are printed as `\xNN`.
pub(crate) struct Printable<'a>(pub(crate) &'a [u8]);

impl core::fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

/// An optional value in a log line, `none` if it is missing.
pub(crate) struct OrNone<T>(pub(crate) Option<T>);

impl<T: core::fmt::Display> core::fmt::Display for OrNone<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str("none"),
        }
    }
}
