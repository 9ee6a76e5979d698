//! `key_file=`: the keys of ids and signatures.

use core::ffi::CStr;
use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt;

use session_cookie::keys::{self, Keys};
use session_cookie::memory::{append, with_capacity, OutOfMemory};
use zeroize::Zeroizing;

use crate::nginx::open;
use crate::nginx::system_error::SystemError;

/// The longest file that is read.
const MOST_FILE: usize = 1 << 16;

/// The permissions of a file that let everyone read it, and others than its owner write it.
const READ_BY_OTHERS: u32 = 0o4;
const WRITTEN_BY_OTHERS: u32 = 0o22;

/// What was read of a file.
pub(super) struct Read {
    pub(super) keys: keys::Read,
    /// What others than its owner may do with it, if that is more than they should.
    pub(super) open_to: Option<&'static str>,
}

/// The reason for which a file could not be used. It shows nothing of a key.
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

/// Reads a file.
pub(super) fn read(path: &CStr) -> Result<Read, Unusable> {
    let (text, about) = text_of(open::without_waiting(path)?)?;
    Ok(Read {
        keys: Keys::read(&text)?,
        open_to: open_to(about.permissions().mode()),
    })
}

/// Returns what others than the owner of a file may do with it that they should not.
fn open_to(mode: u32) -> Option<&'static str> {
    if mode & WRITTEN_BY_OTHERS != 0 {
        Some("is writable by users other than its owner")
    } else if mode & READ_BY_OTHERS != 0 {
        Some("is readable by every user")
    } else {
        None
    }
}

/// Returns the text of a file, in memory that is wiped and was never moved.
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
