//! The shared memory zone with the server states that were set at run time or requested by the servers. Its size is fixed, so
//! nginx keeps it across reloads.

use core::cell::{Cell, OnceCell};
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::slice;

use ngx::core::Status;
use ngx::ffi::{ngx_cycle_t, ngx_int_t, ngx_shm_zone_t, NGX_LOG_EMERG};
use ngx::http::{HttpModule, NgxHttpCoreModule};
use ngx::ngx_log_error;
use session_cookie::control::{Header, Slot, Table};

use super::conf::Conf;
use super::log::Log;
use super::shared_zone::{self, take_all, take_over, Locking};
use super::worker_user::WorkerUser;

/// Must change with the layout of the memory, since a different version of the module may take over the zone.
const NAME: &[u8] = b"session_sticky_control_2";

/// The maximum number of servers.
pub(crate) const SERVERS: usize = 1024;

const BYTES: usize = size_of::<Header>() + SERVERS * size_of::<Slot>();

/// The size of the zone, part of which is used by nginx's slab pool.
const SIZE: usize = 512 * 1024;

/// The type of the function called when the zone of a cycle has its memory.
pub(crate) type Prepare = fn(ControlZone, IsNew, Log<'_>);

/// Whether the memory is new and contains no states yet.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum IsNew {
    Yes,
    No,
}

/// A handle of the zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct ControlZone(NonNull<ngx_shm_zone_t>);

/// The data of the zone in one cycle.
struct ZoneData<'c> {
    cycle: *mut ngx_cycle_t,
    prepare: Prepare,
    /// Whether operators may set states.
    controlled: Cell<bool>,
    /// The file that keeps the states while nginx is not running.
    state_file: OnceCell<&'c [u8]>,
    /// The table, once there is memory for it.
    table: OnceCell<Locking<Table<'static>>>,
}

impl ControlZone {
    /// Adds the zone to the configuration; `None` if it could not be added.
    pub(crate) fn add(cf: Conf<'_>, prepare: Prepare) -> Option<Self> {
        // An address in nginx itself that no zone of nginx uses as a tag, so that the zone is kept across a reload with a
        // different file of the module.
        let tag = ptr::from_ref(NgxHttpCoreModule::module()).cast_mut().cast();
        let zone = shared_zone::add(cf, NAME, SIZE, tag, Some(init))?;
        // SAFETY: `cf` is live, and has a cycle.
        let cycle = unsafe { (*cf.as_ptr()).cycle };
        let data = cf.pool().place(|| ZoneData {
            cycle,
            prepare,
            controlled: Cell::new(false),
            state_file: OnceCell::new(),
            table: OnceCell::new(),
        })?;
        // SAFETY: the zone is in the cycle's pool, and no reference to it exists.
        unsafe { (*zone.as_ptr()).data = ptr::from_mut(data).cast() };
        Some(ControlZone(zone))
    }

    fn data(&self) -> &ZoneData<'static> {
        // SAFETY: `add` has set the data, which lives as long as the cycle, and so does the handle.
        unsafe { &*self.0.as_ref().data.cast::<ZoneData>() }
    }

    /// Returns the user that worker processes run as. Not to be called while the configuration is being read.
    pub(crate) fn worker_user(&self) -> WorkerUser<'_> {
        // SAFETY: the zone lives as long as its cycle, whose configuration has been read.
        unsafe { WorkerUser::of(self.data().cycle) }
    }

    /// Returns whether operators may set states; if not, states that were set are ignored.
    pub(crate) fn is_controlled(&self) -> bool {
        self.data().controlled.get()
    }

    /// Allows operators to set states.
    pub(crate) fn set_controlled(&self) {
        self.data().controlled.set(true);
    }

    /// Returns the file that keeps the states.
    pub(crate) fn state_file(&self) -> Option<&'static [u8]> {
        self.data().state_file.get().copied()
    }

    /// Sets the file, unless one is set already. Returns the file that was set before.
    pub(crate) fn set_state_file(&self, path: &'static [u8]) -> Option<&'static [u8]> {
        let before = self.state_file();
        self.data().state_file.get_or_init(|| path);
        before
    }

    /// Returns the table, for operations that need no lock; `None` if there is no memory.
    pub(crate) fn table(&self) -> Option<Table<'static>> {
        Some(self.data().table.get()?.table)
    }

    /// Calls `work` with the table locked. All workers wait for the lock.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Table<'static>) -> T) -> Option<T> {
        let locked = self.data().table.get()?.lock();
        locked.repair();
        Some(work(*locked))
    }
}

/// Creates the table of the zone, or takes over that of the previous cycle, of which only the memory is known. nginx calls this
/// when the zone has its memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for the zone of `ControlZone::add`, whose data is set and which has its memory and a log.
    let (handle, shm, data, log) = unsafe {
        (
            ControlZone(NonNull::new_unchecked(zone)),
            &(*zone).shm,
            &*(*zone).data.cast::<ZoneData>(),
            Log::new((*zone).shm.log),
        )
    };
    let is_new = if old.is_null() { IsNew::Yes } else { IsNew::No };
    // SAFETY: nginx has created a slab pool in the zone's memory. Nothing has been allocated from it, unless nginx has kept the
    // memory of a zone with the same name, size and tag in the previous cycle.
    let table = unsafe {
        match is_new {
            IsNew::Yes => make_table(&*zone),
            IsNew::No => take_over(&*zone, |memory| table_at(memory)),
        }
    };
    let Some(table) = table else {
        ngx_log_error!(
            NGX_LOG_EMERG,
            shm.log,
            "could not create the table in zone \"{}\"",
            shm.name
        );
        return Status::NGX_ERROR.into();
    };
    data.table.get_or_init(|| table);
    (data.prepare)(handle, is_new, log);
    Status::NGX_OK.into()
}

/// Creates an empty table in the memory of a zone.
///
/// # Safety
///
/// nginx has created a slab pool in the zone's memory, from which nothing has been allocated. The zone outlives all uses of the
/// table.
unsafe fn make_table(zone: &ngx_shm_zone_t) -> Option<Locking<Table<'static>>> {
    // SAFETY: the caller guarantees that the memory is new; it is page-aligned, and `take_all` allocates all of it.
    let locking = unsafe {
        take_all(zone, |memory, size| {
            (size >= BYTES).then(|| table_at(memory))
        })?
    };
    locking.table.clear();
    Some(locking)
}

/// Returns the table in this memory.
///
/// # Safety
///
/// The memory has at least [`BYTES`] bytes, is aligned to 64 bytes, is never freed, and is used for nothing else.
unsafe fn table_at(memory: NonNull<u8>) -> Table<'static> {
    // SAFETY: the caller guarantees that both parts fit into the memory. They consist of atomics, for which any content is valid,
    // and other processes access them as atomics.
    unsafe {
        let slots = memory.add(size_of::<Header>()).cast::<Slot>();
        Table::new(
            memory.cast::<Header>().as_ref(),
            slice::from_raw_parts(slots.as_ptr(), SERVERS),
        )
    }
}
