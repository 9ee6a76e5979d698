//! System error messages.

use core::ffi::CStr;
use core::fmt::{self, Display, Formatter};
use std::io;

/// A system error, to be printed in a log line. The standard library allocates memory for the message, and aborts the process if
/// memory is short.
pub(crate) struct SystemError<'e>(pub(crate) &'e io::Error);

/// More than the length of any system error message.
const MOST_WORDS: usize = 128;

impl Display for SystemError<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(code) = self.0.raw_os_error() else {
            return self.0.fmt(f);
        };
        let mut words = [0; MOST_WORDS];
        // SAFETY: strerror_r() writes at most this number of bytes.
        unsafe { libc::strerror_r(code, words.as_mut_ptr().cast(), words.len()) };
        // A message that does not fit is truncated, and ends with a zero byte.
        let words = CStr::from_bytes_until_nul(&words).unwrap_or_default();
        write!(f, "{} (os error {code})", words.to_bytes().escape_ascii())
    }
}
