//! The servers that linger, in a zone of shared memory. It has always the same size, so nginx hands it over at a reload.

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

/// Whoever changes what is in the memory changes this as well: another file of the module may take it over.
const NAME: &[u8] = b"session_sticky_linger";

/// There is room for half as many servers: the other half is free, so that each finds a place.
const SLOTS: usize = 32_768;

const BYTES: usize = size_of::<Header>() + SLOTS * size_of::<Slot>();

/// The size of the zone, of which nginx's slab pool takes a part.
const SIZE: usize = BYTES + 128 * 1024;

/// A handle of the zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct LingerZone(NonNull<ngx_shm_zone_t>);

/// What a cycle knows of the zone.
#[derive(Default)]
struct ZoneData {
    /// The table, when there is memory for it.
    table: OnceCell<Locking<Table<'static>>>,
}

impl LingerZone {
    /// Adds the zone to the configuration; `None`: it could not be added.
    pub(crate) fn add(cf: Conf<'_>) -> Option<Self> {
        // An address in nginx itself, which no zone of nginx's has: a reload with another file of the module keeps the zone.
        let tag = ptr::from_ref(NgxHttpCoreModule::module()).cast_mut().cast();
        let zone = shared_zone::add(cf, NAME, SIZE, tag, Some(init))?;
        let data = cf.pool().place(ZoneData::default)?;
        // SAFETY: the zone is in the cycle's pool, and nobody else holds a reference to it.
        unsafe { (*zone.as_ptr()).data = ptr::from_mut(data).cast() };
        Some(LingerZone(zone))
    }

    fn locking(&self) -> Option<&Locking<Table<'static>>> {
        // SAFETY: `add` has set the data, which lives as long as the cycle, as the handle does.
        let data = unsafe { &*self.0.as_ref().data.cast::<ZoneData>() };
        data.table.get()
    }

    /// Returns the table, of which only what needs no lock may be asked; `None`: the memory is not there.
    pub(crate) fn table(&self) -> Option<Table<'static>> {
        Some(self.locking()?.table)
    }

    /// Does something with the table, which is locked meanwhile. All workers wait for it.
    pub(crate) fn with<T>(&self, work: impl FnOnce(Table<'static>) -> T) -> Option<T> {
        let locked = self.locking()?.lock();
        locked.repair();
        Some(work(*locked))
    }
}

/// Makes the table of the zone, or takes over that of the cycle before, of which nothing is known but its memory. nginx calls it
/// when it has the memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for the zone of `LingerZone::add`, whose data is set and whose memory is there. It has made a slab
    // pool of the memory, in which nothing was allocated if there is no zone of the same name, size and tag in the cycle before;
    // else it has handed that over. The table is used as long as the zone.
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
/// The memory has [`BYTES`] at least, aligned to 64, lives for good, and is used for nothing else.
unsafe fn table_at(memory: NonNull<u8>) -> Table<'static> {
    // SAFETY: both parts have room in the memory, as the caller vouches, and consist of atomics, for which any content is legal,
    // and to which other processes write as such.
    unsafe {
        let slots = memory.add(size_of::<Header>()).cast::<Slot>();
        Table::new(
            memory.cast::<Header>().as_ref(),
            slice::from_raw_parts(slots.as_ptr(), SLOTS),
        )
    }
}
