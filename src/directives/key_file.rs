//! `key_file=`: the keys of ids and signatures.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;

use session_cookie::keys::{self, Keys};
use session_cookie::memory::{append, with_capacity, OutOfMemory};
use zeroize::Zeroizing;

use super::messages::{Error, Oddity, Warning};
use crate::nginx::conf::Conf;
use crate::nginx::open;

/// The longest file that is read.
const MOST_FILE: usize = 1 << 16;

/// The permission of everyone to read a file.
const READ_BY_OTHERS: u32 = 0o4;

/// The reason for which a file could not be used. It shows nothing of a key.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error(transparent)]
    File(#[from] io::Error),
    #[error("it is no regular file")]
    NoFile,
    #[error("it is longer than 64 kB")]
    Long,
    #[error(transparent)]
    Keys(#[from] keys::Unusable),
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// Reads the file at a path, which begins at the folder of the configuration where it is relative.
pub(super) fn read<'c>(
    cf: Conf<'c>,
    directive: &'static str,
    path: &'c [u8],
) -> Result<Keys, Error<'c>> {
    let path = cf.path_beside(path).ok_or(OutOfMemory)?;
    let shown = path.to_bytes();
    let refuse = |why| Error::KeyFile {
        directive,
        path: shown,
        why,
    };
    let file = open::without_waiting(path).map_err(|error| refuse(error.into()))?;
    let (text, about) = text_of(file).map_err(refuse)?;
    let read = Keys::read(&text).map_err(|unusable| refuse(unusable.into()))?;
    let warn = |oddity| cf.warn(Warning::With(directive, oddity));
    if about.permissions().mode() & READ_BY_OTHERS != 0 {
        warn(Oddity::OpenKeyFile(shown));
    }
    if let Some(line) = read.repeated {
        warn(Oddity::RepeatedKey { path: shown, line });
    }
    Ok(read.keys)
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
