//! Opening a file.

use core::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Opens a file for reading. Opening a pipe without writers does not block, and a terminal does not become nginx's controlling
/// terminal.
///
/// `File::open` allocates memory for a long path, and aborts the process if memory is short.
pub(crate) fn without_waiting(path: &CStr) -> io::Result<File> {
    const FLAGS: libc::c_int = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path ends with a zero byte.
    let fd = unsafe { libc::open(path.as_ptr(), FLAGS) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nothing else owns it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(fd) }))
}
