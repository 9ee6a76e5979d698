//! What was said of servers at run time, and what they ask for themselves, in a zone of shared memory. It has always the same size, so nginx hands it over at a
//! reload.

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

/// Whoever changes what is in the memory changes this as well: another file of the module may take it over.
const NAME: &[u8] = b"session_sticky_control_2";

/// The servers that there is room for.
pub(crate) const SERVERS: usize = 1024;

const BYTES: usize = size_of::<Header>() + SERVERS * size_of::<Slot>();

/// The size of the zone, of which nginx's slab pool takes a part.
const SIZE: usize = 512 * 1024;

/// What is done with the zone of a cycle when it has its memory.
pub(crate) type Prepare = fn(ControlZone, IsNew, Log<'_>);

/// Whether nothing was said in the memory yet.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum IsNew {
    Yes,
    No,
}

/// A handle of the zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct ControlZone(NonNull<ngx_shm_zone_t>);

/// What a cycle knows of the zone.
struct ZoneData<'c> {
    cycle: *mut ngx_cycle_t,
    prepare: Prepare,
    /// Whether operators may say something.
    controlled: Cell<bool>,
    /// Where what is said is kept when nginx ends.
    state_file: OnceCell<&'c [u8]>,
    /// The table, when there is memory for it.
    table: OnceCell<Locking<Table<'static>>>,
}

impl ControlZone {
    /// Adds the zone to the configuration; `None`: it could not be added.
    pub(crate) fn add(cf: Conf<'_>, prepare: Prepare) -> Option<Self> {
        // An address in nginx itself, which no zone of nginx's has: a reload with another file of the module keeps the zone.
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
        // SAFETY: the zone is in the cycle's pool, and nobody else holds a reference to it.
        unsafe { (*zone.as_ptr()).data = ptr::from_mut(data).cast() };
        Some(ControlZone(zone))
    }

    fn data(&self) -> &ZoneData<'static> {
        // SAFETY: `add` has set the data, which lives as long as the cycle, as the handle does.
        unsafe { &*self.0.as_ref().data.cast::<ZoneData>() }
    }

    /// Returns which runs the worker processes. Not while the configuration is being read.
    pub(crate) fn worker_user(&self) -> WorkerUser<'_> {
        // SAFETY: the zone lives as long as its cycle, whose configuration was read.
        unsafe { WorkerUser::of(self.data().cycle) }
    }

    /// Returns whether operators may say something; else what was said means nothing.
    pub(crate) fn is_controlled(&self) -> bool {
        self.data().controlled.get()
    }

    /// Lets operators say something.
    pub(crate) fn set_controlled(&self) {
        self.data().controlled.set(true);
    }

    /// Returns the file in which what is said is kept.
    pub(crate) fn state_file(&self) -> Option<&'static [u8]> {
        self.data().state_file.get().copied()
    }

    /// Sets the file. Returns the one that was set before, and stays.
    pub(crate) fn set_state_file(&self, path: &'static [u8]) -> Option<&'static [u8]> {
        let before = self.state_file();
        self.data().state_file.get_or_init(|| path);
        before
    }

    /// Returns the table, of which only what needs no lock may be asked; `None`: the memory is not there.
    pub(crate) fn table(&self) -> Option<Table<'static>> {
        Some(self.data().table.get()?.table)
    }

    /// Does something with the table, which is locked meanwhile. All workers wait for it.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Table<'static>) -> T) -> Option<T> {
        let locked = self.data().table.get()?.lock();
        locked.repair();
        Some(work(*locked))
    }
}

/// Makes the table of the zone, or takes over that of the cycle before, of which nothing is known but its memory. nginx calls it
/// when it has the memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for the zone of `ControlZone::add`, whose data is set and whose memory is there. The zone has a
    // log.
    let (handle, shm, data, log) = unsafe {
        (
            ControlZone(NonNull::new_unchecked(zone)),
            &(*zone).shm,
            &*(*zone).data.cast::<ZoneData>(),
            Log::new((*zone).shm.log),
        )
    };
    let is_new = if old.is_null() { IsNew::Yes } else { IsNew::No };
    // SAFETY: nginx has made a slab pool of the zone's memory, in which nothing was allocated if there is no zone of the same
    // name, size and tag in the cycle before; else it has handed that over.
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

/// Makes an empty table in the memory of a zone.
///
/// # Safety
///
/// nginx has made a slab pool of the zone's memory, in which nothing was allocated; it lives as long as what knows the table.
unsafe fn make_table(zone: &ngx_shm_zone_t) -> Option<Locking<Table<'static>>> {
    // SAFETY: the memory is new and aligned to a page, as the caller vouches, and `take_all` gives all of it.
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
/// The memory has [`BYTES`] at least, aligned to 64, lives for good, and is used for nothing else.
unsafe fn table_at(memory: NonNull<u8>) -> Table<'static> {
    // SAFETY: both parts have room in the memory, as the caller vouches, and consist of atomics, for which any content is legal,
    // and to which other processes write as such.
    unsafe {
        let slots = memory.add(size_of::<Header>()).cast::<Slot>();
        Table::new(
            memory.cast::<Header>().as_ref(),
            slice::from_raw_parts(slots.as_ptr(), SERVERS),
        )
    }
}
