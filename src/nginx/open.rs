//! Opening a file by a path of nginx.

use core::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Opens a file to be read. A pipe to which nobody writes is opened as well, and a terminal does not become that of nginx.
///
/// `File::open` takes memory for a long path, and ends the process where that is short.
pub(crate) fn without_waiting(path: &CStr) -> io::Result<File> {
    const FLAGS: libc::c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero byte.
    let fd = unsafe { libc::open(path.as_ptr(), FLAGS) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nobody else has it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}
