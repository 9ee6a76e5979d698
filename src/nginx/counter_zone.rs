//! The shared memory zone with the counters. Its size depends on the configuration.

use core::cell::{Cell, OnceCell};
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::AtomicU32;

use ngx::core::Status;
use ngx::ffi::{
    ngx_int_t, ngx_ncpu, ngx_pagesize, ngx_shm_zone_t, ngx_worker, time_t, NGX_LOG_EMERG,
};
use ngx::ngx_log_error;
use session_cookie::counters::{Group, Header, Key, Layout, Line, Secret, Slot, SlotId, Table};

use super::conf::Conf;
use super::shared_zone::{self, data_before, new_secret, take_all, Locking};
use super::time;
use super::upstream::Upstream;

const NAME: &[u8] = b"session_sticky_status";

/// The address of this variable is the tag of the zone.
static TAG: u8 = 0;

/// How many slots are registered or examined under one lock.
const SLICE: usize = 256;

/// The maximum number of workers with a cache line of their own.
const MOST_LINES: usize = 16;

/// A handle of the zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct CounterZone(NonNull<ngx_shm_zone_t>);

/// The data of the zone in one cycle.
struct ZoneData<'c> {
    layout: Layout,
    /// The upstreams whose requests are counted.
    upstreams: &'c [Upstream<'c>],
    /// The table, once there is memory for it.
    counters: OnceCell<Locking<Table<'static>>>,
    /// When this worker last swept the table.
    swept: Cell<time_t>,
}

/// The minimum number of seconds between two sweeps by a worker.
const PAUSE: time_t = 60;

impl CounterZone {
    /// Adds the zone to the configuration, with this number of slots, for these upstreams; `None` if it could not be added.
    pub(crate) fn add<'c>(
        cf: Conf<'c>,
        slots: usize,
        upstreams: &'c [Upstream<'c>],
    ) -> Option<Self> {
        // SAFETY: nginx sets both once, at startup.
        let (page, processors) = unsafe { (ngx_pagesize, ngx_ncpu) };
        let lines = usize::try_from(processors).unwrap_or(1).min(MOST_LINES);
        let layout = Layout::new(slots, lines)?;
        // nginx's slab pool uses part of the zone: some bytes for each page, and its own header.
        let pages = layout.bytes.checked_div(page)?;
        let size = (pages.saturating_add(8).saturating_mul(page))
            .saturating_add(pages.saturating_mul(64))
            .checked_next_multiple_of(page)?;
        let tag = ptr::from_ref(&TAG).cast_mut().cast();
        let zone = shared_zone::add(cf, NAME, size, tag, Some(init))?;
        let data = cf.pool().place(|| ZoneData {
            layout,
            upstreams,
            counters: OnceCell::new(),
            swept: Cell::new(0),
        })?;
        // SAFETY: the zone is in the cycle's pool, and no reference to it exists.
        unsafe { (*zone.as_ptr()).data = ptr::from_mut(data).cast() };
        Some(CounterZone(zone))
    }

    #[inline(always)]
    fn data(&self) -> &ZoneData<'_> {
        // SAFETY: `add` has set the data, which lives as long as the cycle.
        unsafe { &*self.0.as_ref().data.cast::<ZoneData>() }
    }

    /// Returns the counters; `None` if there is no memory, for example when the configuration is only tested.
    #[inline(always)]
    pub(crate) fn table(&self) -> Option<Table<'static>> {
        Some(self.data().counters.get()?.table)
    }

    /// Returns the upstreams whose requests are counted.
    pub(crate) fn upstreams(&self) -> &[Upstream<'_>] {
        self.data().upstreams
    }

    /// Returns the size of the counters in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.data().layout.bytes
    }

    fn secret(&self) -> Secret {
        self.table().map_or(Secret([0; 2]), |table| table.secret())
    }

    /// Returns the key of a server.
    pub(crate) fn server_key(&self, upstream: Upstream<'_>, address: &[u8]) -> Key {
        Key::of_pair(&self.secret(), upstream.host(), address)
    }

    /// Returns the key of an upstream.
    pub(crate) fn group_key(&self, upstream: Upstream<'_>) -> Key {
        Key::new(&self.secret(), upstream.host())
    }

    /// Returns the slot of a server.
    pub(crate) fn find(&self, key: Key) -> Option<SlotId> {
        self.data().counters.get()?.lock().find(key)
    }

    /// Returns the group of slots of an upstream.
    pub(crate) fn find_group(&self, key: Key) -> Option<Group> {
        self.data().counters.get()?.lock().find_group(key)
    }

    /// Registers an upstream; `None` if there is no room.
    pub(crate) fn register_group(&self, key: Key) -> Option<Group> {
        let counters = self.data().counters.get()?;
        counters.lock().register_group(key, now())
    }

    /// Registers servers of an upstream until there is no room for another, and calls `show` with the slot of each in order.
    /// Returns how many were registered.
    pub(crate) fn register(
        &self,
        group: Group,
        keys: &[Key],
        mut show: impl FnMut(SlotId),
    ) -> usize {
        let Some(counters) = self.data().counters.get() else {
            return 0;
        };
        let mut registered = 0usize;
        for keys in keys.chunks(SLICE) {
            let mut found = [SlotId::NONE; SLICE];
            let locked = counters.lock();
            for (found, key) in found.iter_mut().zip(keys) {
                // All slots have been examined if there is no room for one server.
                let Some(slot) = locked.register(*key, group, now()) else {
                    break;
                };
                *found = slot;
            }
            drop(locked);
            for slot in found.into_iter().take(keys.len()) {
                if slot == SlotId::NONE {
                    return registered;
                }
                show(slot);
                registered = registered.saturating_add(1);
            }
        }
        registered
    }

    /// Returns whether it is time for this worker to sweep, and if so, records the time.
    pub(crate) fn is_time_to_sweep(&self, now: time_t) -> bool {
        let is_time = now.wrapping_sub(self.data().swept.get()) >= PAUSE;
        if is_time {
            self.data().swept.set(now);
        }
        is_time
    }

    /// Frees the slots last registered at least this many seconds ago, except those whose keys are in `wanted`, which is sorted.
    pub(crate) fn sweep(&self, wanted: &[Key], seconds: u32) {
        let Some(counters) = self.data().counters.get() else {
            return;
        };
        let before = now().saturating_sub(seconds);
        let is_wanted = |key| wanted.binary_search(&key).is_ok();
        let mut next = Some(0);
        while let Some(start) = next {
            next = counters.lock().sweep(start, SLICE, before, is_wanted);
        }
    }
}

/// Returns the number of this worker. A worker of the previous cycle may have the same number.
#[inline(always)]
pub(crate) fn worker() -> usize {
    // SAFETY: nginx sets it once, when the worker starts.
    unsafe { ngx_worker }
}

/// Returns the current second in the type that a slot stores.
fn now() -> u32 {
    u32::try_from(time::now()).unwrap_or(u32::MAX)
}

/// Creates the table of the zone, or takes over that of the previous cycle. nginx calls this when the zone has its memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for the zone of `CounterZone::add`, whose data is set and which has its memory; `old` is the data
    // of the zone with the same name, size and tag in the previous cycle, or null.
    let (zone, data, old) = unsafe {
        (
            &*zone,
            &*(*zone).data.cast::<ZoneData>(),
            old.cast::<ZoneData>().as_ref(),
        )
    };
    if let Some(old) = old {
        if let Some(counters) = old.counters.get() {
            register_groups(data.upstreams, data.counters.get_or_init(|| *counters));
        }
        return Status::NGX_OK.into();
    }
    // SAFETY: nginx has created a slab pool in the zone's memory, from which nothing has been allocated.
    match unsafe { make_table(zone, data.layout) } {
        Some(counters) => {
            register_groups(data.upstreams, data.counters.get_or_init(|| counters));
            Status::NGX_OK.into()
        }
        None => {
            ngx_log_error!(
                NGX_LOG_EMERG,
                zone.shm.log,
                "could not create the counters in zone \"{}\"",
                zone.shm.name
            );
            Status::NGX_ERROR.into()
        }
    }
}

/// Registers the upstreams before the servers of resolved names can use up the room, so that the requests of each upstream are
/// counted even if there is no room for its servers.
fn register_groups(upstreams: &[Upstream<'_>], counters: &Locking<Table<'static>>) {
    let secret = counters.table.secret();
    for upstream in upstreams {
        let key = Key::new(&secret, upstream.host());
        // The servers of another cycle may have used up the room. Workers try again.
        let _ = counters.lock().register_group(key, now());
    }
}

/// Creates a table in the memory of a zone, with the counters of the previous cycle. What that cycle's workers count while they
/// shut down is lost, because their zone has a different size.
///
/// # Safety
///
/// nginx has created a slab pool in the zone's memory, from which nothing has been allocated. The zone outlives all uses of the
/// table.
unsafe fn make_table(zone: &ngx_shm_zone_t, layout: Layout) -> Option<Locking<Table<'static>>> {
    // SAFETY: the caller guarantees that the memory is new, and `take_all` allocates all of it.
    let counters = unsafe {
        take_all(zone, |memory, size| {
            (size >= layout.bytes).then(|| table_at(memory, layout))
        })?
    };
    // SAFETY: zones with this tag have the data of `CounterZone::add` while their cycle is in use.
    let before = data_before(zone)
        .and_then(|data| unsafe { data.cast::<ZoneData>().as_ref().counters.get() });
    let table = counters.table;
    match before {
        Some(before) => {
            table.clear(before.table.secret(), before.table.since());
            table.take_over(&before.table);
        }
        None => table.clear(new_secret()?, u64::from(now())),
    }
    Some(counters)
}

/// Returns a table in this memory, of which it uses as much as the layout specifies.
///
/// # Safety
///
/// The memory is at least that large, zeroed, aligned to 64 bytes, never freed, and used for nothing else.
unsafe fn table_at(memory: NonNull<u8>, layout: Layout) -> Table<'static> {
    // SAFETY: according to `Layout`, the parts are in the memory, aligned, and do not overlap. They consist of atomics, for which
    // any content is valid, and other processes access them as atomics.
    unsafe {
        let header = memory.cast::<Header>().as_ref();
        let slots = memory.add(layout.slots_at).cast::<Slot>();
        let lines = memory.add(layout.lines_at).cast::<Line>();
        let buckets = memory.add(layout.buckets_at).cast::<AtomicU32>();
        Table::new(
            header,
            slice::from_raw_parts(buckets.as_ptr(), layout.buckets),
            slice::from_raw_parts(slots.as_ptr(), layout.slots),
            slice::from_raw_parts(lines.as_ptr(), layout.lines),
        )
    }
}
