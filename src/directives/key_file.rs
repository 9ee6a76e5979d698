//! `key_file=`: reads the keys for IDs and signatures.

use core::ffi::CStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt;

use session_cookie::keys::{self, Keys};
use session_cookie::memory::{append, with_capacity, OutOfMemory};
use zeroize::Zeroizing;

use crate::nginx::open;
use crate::nginx::system_error::SystemError;

/// The maximum size of a key file.
const MOST_FILE: usize = 1 << 16;

/// The permission bits that let every user read a file, and users other than its owner write it.
const READ_BY_OTHERS: u32 = 0o4;
const WRITTEN_BY_OTHERS: u32 = 0o22;

/// The contents of a key file.
pub(super) struct Read {
    pub(super) keys: keys::Read,
    /// The excessive permission of users other than the owner, if there is one.
    pub(super) open_to: Option<&'static str>,
}

/// The reason why a file could not be used. It contains no part of a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("{}", SystemError(.0))]
    File(#[from] io::Error),
    #[error("it is not a regular file")]
    NoFile,
    #[error("it is longer than 64 kB")]
    Long,
    #[error(transparent)]
    Keys(#[from] keys::Unusable),
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// Reads a key file.
pub(super) fn read(path: &CStr) -> Result<Read, Unusable> {
    let (text, about) = text_of(open::without_waiting(path)?)?;
    Ok(Read {
        keys: Keys::read(&text)?,
        open_to: open_to(about.permissions().mode()),
    })
}

/// Returns the excessive permission of users other than the owner of a file, if there is one.
fn open_to(mode: u32) -> Option<&'static str> {
    if mode & WRITTEN_BY_OTHERS != 0 {
        Some("is writable by users other than its owner")
    } else if mode & READ_BY_OTHERS != 0 {
        Some("is readable by every user")
    } else {
        None
    }
}

/// Returns the text of a file. Its memory is wiped when it is dropped, and is never reallocated, which would leave a copy.
fn text_of(mut file: File) -> Result<(Zeroizing<Vec<u8>>, Metadata), Unusable> {
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Unusable::NoFile);
    }
    let mut text = Zeroizing::new(with_capacity(MOST_FILE)?);
    let mut block = Zeroizing::new([0; 4096]);
    loop {
        let read = match file.read(block.as_mut_slice()) {
            Ok(0) => return Ok((text, about)),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        if read > MOST_FILE.saturating_sub(text.len()) {
            return Err(Unusable::Long);
        }
        append(&mut text, block.get(..read).unwrap_or_default())?;
    }
}
