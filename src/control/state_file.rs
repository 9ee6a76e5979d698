//! `state=FILE`: server states are kept across restarts. At each change, a worker writes a new file in the same directory,
//! and renames it once all of it is on disk. The master reads the file if there are no states in memory yet.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process;

use session_cookie::bytes::{Buffer, Sink};
use session_cookie::control::file::{most, read, Damaged, Writer};
use session_cookie::control::Full;
use session_cookie::memory::{self, OutOfMemory};

use crate::log::error;
use crate::nginx::control_zone::{ControlZone, SERVERS};
use crate::nginx::log::Log;
use crate::nginx::system_error::SystemError;
use crate::nginx::Printable;

/// The longest path. The standard library allocates no memory for it: a failed allocation would abort the process.
pub(crate) const MOST_PATH: usize = 320;

/// The maximum length of a file that is read.
const MOST_FILE: u64 = 1 << 22;

/// A file could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{}", SystemError(.0))]
    File(#[from] io::Error),
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    #[error("line {0} is damaged")]
    Damaged(usize),
    #[error("it is not a regular file")]
    NoFile,
    #[error("it has too many servers")]
    Full,
}

impl From<Damaged> for Failure {
    fn from(damaged: Damaged) -> Self {
        Failure::Damaged(damaged.0)
    }
}

impl From<Full> for Failure {
    fn from(_: Full) -> Self {
        Failure::Full
    }
}

/// Saves the states of a zone, if it has a file. Failures are also logged.
pub(crate) fn save(zone: ControlZone) -> Result<(), Failure> {
    let Some(path) = zone.state_file() else {
        return Ok(());
    };
    write(zone, path).inspect_err(|failure| {
        error!(
            Log::of_cycle(),
            "session_sticky: \"{}\" could not be written: {failure}",
            Printable(path)
        );
    })
}

/// Saves the states of a zone, unless they are already saved.
pub(crate) fn save_unsaved(zone: ControlZone) -> Result<(), Failure> {
    match zone.with(|table| table.is_unsaved(table.generation())) {
        Some(true) => save(zone),
        _ => Ok(()),
    }
}

fn write(zone: ControlZone, path: &[u8]) -> Result<(), Failure> {
    let (text, generation) = text_of(zone)?;
    let own = number_of_process();
    let own = memory::concat(&[path, b".", own.as_bytes(), b".tmp"])?;
    let (path, own) = (path_of(path), path_of(&own));
    let written =
        write_beside(own, text.as_bytes()).and_then(|()| put_in_place(zone, generation, own, path));
    if written.is_err() {
        // It may not even exist.
        let _ = fs::remove_file(own);
    }
    written?;
    // So that the new name is on disk as well.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn path_of(path: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(path))
}

fn number_of_process() -> Digits {
    let mut digits = Digits::default();
    digits.put_decimal(process::id().into());
    digits
}

/// A number in decimal.
#[derive(Default)]
struct Digits([u8; 20], usize);

impl Digits {
    fn as_bytes(&self) -> &[u8] {
        self.0.get(..self.1).unwrap_or_default()
    }
}

impl Sink for Digits {
    fn put(&mut self, text: &[u8]) {
        let end = self.1.saturating_add(text.len());
        if let Some(place) = self.0.get_mut(self.1..end) {
            place.copy_from_slice(text);
            self.1 = end;
        }
    }
}

/// Returns the states as text, and their generation. Memory is reserved before the table is locked.
fn text_of(zone: ControlZone) -> Result<(Buffer, u64), OutOfMemory> {
    loop {
        let number = zone.with(|table| table.len()).unwrap_or_default();
        let mut text = Buffer::with_capacity(most(number))?;
        let generation = zone.with(|table| {
            let mut writer = Writer::new(&mut text);
            table.each(|entry| writer.put(entry));
            writer.end();
            (table.len() <= number).then(|| table.generation())
        });
        match generation {
            Some(None) => {}
            generation => return Ok((text, generation.flatten().unwrap_or_default())),
        }
    }
}

/// Writes a file that belongs to this process alone.
fn write_beside(own: &Path, text: &[u8]) -> io::Result<()> {
    match fs::remove_file(own) {
        // Left by a worker that was killed.
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .open(own)?;
    file.write_all(text)?;
    file.sync_all()
}

/// Moves the file into place, unless another worker has already put a newer one there, which includes this change.
fn put_in_place(zone: ControlZone, generation: u64, own: &Path, path: &Path) -> io::Result<()> {
    let placed = zone.with(|table| {
        if !table.is_unsaved(generation) {
            return fs::remove_file(own);
        }
        fs::rename(own, path)?;
        table.note_saved(generation);
        Ok(())
    });
    placed.unwrap_or(Ok(()))
}

/// Reads the file into a zone without states. A missing file is not an error; a damaged one is logged, and ignored entirely.
pub(crate) fn restore(zone: ControlZone, path: &[u8], log: Log<'_>) {
    match read_into(zone, path) {
        Ok(()) => {}
        Err(Failure::File(error)) if error.kind() == ErrorKind::NotFound => {}
        Err(failure) => error!(
            log,
            "session_sticky: \"{}\" is ignored, server states are not restored: {failure}",
            Printable(path)
        ),
    }
}

fn read_into(zone: ControlZone, path: &[u8]) -> Result<(), Failure> {
    // Workers may write to the directory: a named pipe there must not block nginx.
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path_of(path))?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Failure::NoFile);
    }
    let length = about.len().min(MOST_FILE);
    let length = usize::try_from(length).unwrap_or_default();
    let mut text = memory::with_capacity(length)?;
    let mut block = [0; 4096];
    loop {
        let read = file.read(&mut block)?;
        let room = length.saturating_sub(text.len()).min(read);
        if read == 0 || room == 0 {
            break;
        }
        memory::append(&mut text, block.get(..room).unwrap_or_default())?;
    }
    let mut number = 0usize;
    read(&text, |_| number = number.saturating_add(1))?;
    if number > SERVERS {
        return Err(Failure::Full);
    }
    let restored = zone.with(|table| {
        let mut result = Ok(());
        // It was already read once without an error.
        let _ = read(&text, |entry| {
            let over = Some(entry.over);
            if let Err(full) = table.change(entry.upstream, [entry.address].into_iter(), over) {
                result = Err(full);
            }
        });
        result
    });
    restored.unwrap_or(Ok(())).map_err(Failure::from)
}
