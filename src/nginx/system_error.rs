//! Errors of the system in words.

use core::ffi::CStr;
use core::fmt::{self, Display, Formatter};
use std::io;

/// What to make of an error in a log line. The standard library takes memory for its words, and ends the process where that
/// is short.
pub(crate) struct SystemError<'e>(pub(crate) &'e io::Error);

/// More than any of the system's words are long.
const MOST_WORDS: usize = 128;

impl Display for SystemError<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(code) = self.0.raw_os_error() else {
            return self.0.fmt(f);
        };
        let mut words = [0; MOST_WORDS];
        // SAFETY: it writes so many bytes at most.
        unsafe { libc::strerror_r(code, words.as_mut_ptr().cast(), words.len()) };
        // What did not fit is cut off, with a zero byte behind it.
        let words = CStr::from_bytes_until_nul(&words).unwrap_or_default();
        write!(f, "{} (os error {code})", words.to_bytes().escape_ascii())
    }
}
