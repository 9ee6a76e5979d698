//! The shared memory zone with the lingering servers. Its size is fixed, so nginx keeps it across reloads.

use core::cell::OnceCell;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::slice;

use ngx::core::Status;
use ngx::ffi::{ngx_int_t, ngx_shm_zone_t, NGX_LOG_EMERG};
use ngx::http::{HttpModule, NgxHttpCoreModule};
use ngx::ngx_log_error;
use session_cookie::linger::{Header, Slot, Table};

use super::conf::Conf;
use super::shared_zone::{self, take_all, take_over, Locking};

/// Must change with the layout of the memory, since a different version of the module may take over the zone.
const NAME: &[u8] = b"session_sticky_linger";

/// Room for half as many servers: half of the slots stay free so that each server finds a slot.
const SLOTS: usize = 32_768;

const BYTES: usize = size_of::<Header>() + SLOTS * size_of::<Slot>();

/// The size of the zone, part of which is used by nginx's slab pool.
const SIZE: usize = BYTES + 128 * 1024;

/// A handle of the zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct LingerZone(NonNull<ngx_shm_zone_t>);

/// The data of the zone in one cycle.
#[derive(Default)]
struct ZoneData {
    /// The table, once there is memory for it.
    table: OnceCell<Locking<Table<'static>>>,
}

impl LingerZone {
    /// Adds the zone to the configuration; `None` if it could not be added.
    pub(crate) fn add(cf: Conf<'_>) -> Option<Self> {
        // An address in nginx itself that no zone of nginx uses as a tag, so that the zone is kept across a reload with a
        // different file of the module.
        let tag = ptr::from_ref(NgxHttpCoreModule::module()).cast_mut().cast();
        let zone = shared_zone::add(cf, NAME, SIZE, tag, Some(init))?;
        let data = cf.pool().place(ZoneData::default)?;
        // SAFETY: the zone is in the cycle's pool, and no reference to it exists.
        unsafe { (*zone.as_ptr()).data = ptr::from_mut(data).cast() };
        Some(LingerZone(zone))
    }

    fn locking(&self) -> Option<&Locking<Table<'static>>> {
        // SAFETY: `add` has set the data, which lives as long as the cycle, and so does the handle.
        let data = unsafe { &*self.0.as_ref().data.cast::<ZoneData>() };
        data.table.get()
    }

    /// Returns the table, for operations that need no lock; `None` if there is no memory.
    pub(crate) fn table(&self) -> Option<Table<'static>> {
        Some(self.locking()?.table)
    }

    /// Calls `work` with the table locked. All workers wait for the lock.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Table<'static>) -> T) -> Option<T> {
        let locked = self.locking()?.lock();
        locked.repair();
        Some(work(*locked))
    }
}

/// Creates the table of the zone, or takes over that of the previous cycle, of which only the memory is known. nginx calls this
/// when the zone has its memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for the zone of `LingerZone::add`, whose data is set and which has its memory. It has created a
    // slab pool there. Nothing has been allocated from it, unless nginx has kept the memory of a zone with the same name, size
    // and tag in the previous cycle. The table is not used after the zone is freed.
    let (zone, table, data) = unsafe {
        let zone = &*zone;
        let table = if old.is_null() {
            take_all(zone, |memory, size| {
                (size >= BYTES).then(|| table_at(memory))
            })
        } else {
            take_over(zone, |memory| table_at(memory))
        };
        (zone, table, &*zone.data.cast::<ZoneData>())
    };
    let Some(table) = table else {
        ngx_log_error!(
            NGX_LOG_EMERG,
            zone.shm.log,
            "could not create the table in zone \"{}\"",
            zone.shm.name
        );
        return Status::NGX_ERROR.into();
    };
    if old.is_null() {
        table.table.clear();
    }
    data.table.get_or_init(|| table);
    Status::NGX_OK.into()
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
            slice::from_raw_parts(slots.as_ptr(), SLOTS),
        )
    }
}
