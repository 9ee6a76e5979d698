//! The user that worker processes run as, and whether it may write to a directory.

use core::ffi::{c_char, c_int, CStr};
use core::fmt::{self, Display, Formatter};
use core::marker::PhantomData;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use ngx::ffi::{ngx_core_conf_t, ngx_core_module, ngx_cycle_t};

use super::system_error::SystemError;
use super::Printable;

/// The user that a cycle's workers run as.
#[derive(Clone, Copy)]
pub(crate) struct WorkerUser<'c> {
    /// The configured user; `None` if it is that of the master process.
    user: Option<&'c ngx_core_conf_t>,
    cycle: PhantomData<&'c ()>,
}

/// Why workers cannot replace a file.
pub(crate) enum Unwritable<'c> {
    /// The attributes of the directory cannot be read.
    Folder(io::Error),
    NoFolder,
    /// The user lacks permission.
    Forbidden(Option<&'c [u8]>),
}

impl Display for Unwritable<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Unwritable::Folder(error) => write!(f, "its directory: {}", SystemError(error)),
            Unwritable::NoFolder => f.write_str("it has no directory"),
            Unwritable::Forbidden(Some(user)) => write!(
                f,
                "its directory is not writable by user \"{}\", which runs the worker processes",
                Printable(user)
            ),
            Unwritable::Forbidden(None) => f.write_str("its directory is not writable"),
        }
    }
}

const WRITE: u32 = 0o3;
const STICKY: u32 = 0o1000;

/// The maximum number of a user's groups that is checked.
const GROUPS: usize = 64;

impl<'c> WorkerUser<'c> {
    /// Returns the user of a cycle whose configuration has been read.
    ///
    /// # Safety
    ///
    /// The cycle is live for `'c`, and nginx has initialized the configuration outside the `http` block.
    pub(super) unsafe fn of(cycle: *mut ngx_cycle_t) -> Self {
        // SAFETY: a cycle has a configuration of each core module, at its index.
        let core = unsafe {
            let conf = *(*cycle).conf_ctx.add(ngx_core_module.index);
            conf.cast::<ngx_core_conf_t>().as_ref()
        };
        // nginx ignores `user` unless the master process runs as root.
        // SAFETY: geteuid() has no preconditions.
        let is_root = unsafe { libc::geteuid() } == 0;
        WorkerUser {
            user: core.filter(|core| is_root && core.user != u32::MAX),
            cycle: PhantomData,
        }
    }

    /// Returns whether a worker may create a file in the directory of `file`, and replace `file` with it.
    pub(crate) fn may_replace(self, file: &[u8]) -> Result<(), Unwritable<'c>> {
        let file = Path::new(OsStr::from_bytes(file));
        let folder = file.parent().ok_or(Unwritable::NoFolder)?;
        let about = fs::metadata(folder).map_err(Unwritable::Folder)?;
        if !about.is_dir() {
            return Err(Unwritable::NoFolder);
        }
        let owner = |about: &Metadata| self.uid().is_some_and(|user| user == about.uid());
        // In a sticky directory, files of other users cannot be replaced.
        let is_kept = about.permissions().mode() & STICKY != 0
            && !owner(&about)
            && fs::metadata(file).is_ok_and(|file| !owner(&file));
        let may = match self.user {
            Some(core) if core.user == 0 => true,
            Some(_) => self.may_write(&about) && !is_kept,
            None => may_write_now(folder),
        };
        if may {
            Ok(())
        } else {
            Err(Unwritable::Forbidden(self.name().map(CStr::to_bytes)))
        }
    }

    fn uid(self) -> Option<u32> {
        self.user.map(|core| core.user)
    }

    fn name(self) -> Option<&'c CStr> {
        let name = self.user?.username;
        // SAFETY: the name ends with a zero byte, and lives as long as the cycle.
        (!name.is_null()).then(|| unsafe { CStr::from_ptr(name.cast::<c_char>()) })
    }

    /// Checks the mode of a directory, as the system does for a user that is not root.
    fn may_write(self, about: &Metadata) -> bool {
        let mode = about.permissions().mode();
        let bits = if self.uid() == Some(about.uid()) {
            mode >> 6
        } else if self.is_in(about.gid()) {
            mode >> 3
        } else {
            mode
        };
        bits & WRITE == WRITE
    }

    /// Returns whether the user is in a group. nginx gives workers all of the user's groups.
    fn is_in(self, group: u32) -> bool {
        let Some(core) = self.user else {
            return false;
        };
        if core.group == group {
            return true;
        }
        let Some(name) = self.name() else {
            return false;
        };
        let mut groups = [0; GROUPS];
        let mut number = GROUPS as c_int;
        // SAFETY: the name ends with a zero byte, and there is room for `number` groups.
        let rc = unsafe {
            libc::getgrouplist(
                name.as_ptr(),
                core.group,
                groups.as_mut_ptr(),
                &raw mut number,
            )
        };
        let number = usize::try_from(number).unwrap_or_default();
        rc >= 0
            && groups
                .get(..number)
                .is_some_and(|groups| groups.contains(&group))
    }
}

/// Asks the system whether this process may write to a directory.
fn may_write_now(folder: &Path) -> bool {
    let mut path = [0; 512];
    let text = folder.as_os_str().as_bytes();
    let Some(place) = path.get_mut(..text.len()) else {
        return false;
    };
    place.copy_from_slice(text);
    let Ok(path) = CStr::from_bytes_until_nul(&path) else {
        return false;
    };
    // SAFETY: the path ends with a zero byte.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}
