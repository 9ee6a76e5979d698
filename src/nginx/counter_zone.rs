//! The counters in a zone of shared memory, whose size follows from the configuration.

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

/// What tells the zone from those of other uses: its address.
static TAG: u8 = 0;

/// How many slots are registered or looked at under the lock in one go.
const SLICE: usize = 256;

/// How many workers have a line of their own at most.
const MOST_LINES: usize = 16;

/// A handle of the zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct CounterZone(NonNull<ngx_shm_zone_t>);

/// What a cycle knows of the zone.
struct ZoneData<'c> {
    layout: Layout,
    /// The upstreams whose requests are counted.
    upstreams: &'c [Upstream<'c>],
    /// The table, when there is memory for it.
    counters: OnceCell<Locking<Table<'static>>>,
    /// When this worker swept it last.
    swept: Cell<time_t>,
}

/// How many seconds a worker waits before it sweeps once more.
const PAUSE: time_t = 60;

impl CounterZone {
    /// Adds the zone to the configuration, with so many slots, for these upstreams; `None`: it could not be added.
    pub(crate) fn add<'c>(
        cf: Conf<'c>,
        slots: usize,
        upstreams: &'c [Upstream<'c>],
    ) -> Option<Self> {
        // SAFETY: nginx writes both once, when it starts.
        let (page, processors) = unsafe { (ngx_pagesize, ngx_ncpu) };
        let lines = usize::try_from(processors).unwrap_or(1).min(MOST_LINES);
        let layout = Layout::new(slots, lines)?;
        // nginx's slab pool takes a part of the zone, some bytes for each page and for its own header.
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
        // SAFETY: the zone is in the cycle's pool, and nobody else holds a reference to it.
        unsafe { (*zone.as_ptr()).data = ptr::from_mut(data).cast() };
        Some(CounterZone(zone))
    }

    #[inline(always)]
    fn data(&self) -> &ZoneData<'_> {
        // SAFETY: `add` has set the data, which lives as long as the cycle.
        unsafe { &*self.0.as_ref().data.cast::<ZoneData>() }
    }

    /// Returns the counters; `None`: the memory is not there, as where the configuration is only tested.
    #[inline(always)]
    pub(crate) fn table(&self) -> Option<Table<'static>> {
        Some(self.data().counters.get()?.table)
    }

    /// Returns the upstreams whose requests are counted.
    pub(crate) fn upstreams(&self) -> &[Upstream<'_>] {
        self.data().upstreams
    }

    /// Returns how much memory the counters take.
    pub(crate) fn bytes(&self) -> usize {
        self.data().layout.bytes
    }

    fn secret(&self) -> Secret {
        self.table().map_or(Secret([0; 2]), |table| table.secret())
    }

    /// Returns what a server is known by.
    pub(crate) fn server_key(&self, upstream: Upstream<'_>, address: &[u8]) -> Key {
        Key::of_pair(&self.secret(), upstream.host(), address)
    }

    /// Returns what an upstream is known by.
    pub(crate) fn group_key(&self, upstream: Upstream<'_>) -> Key {
        Key::new(&self.secret(), upstream.host())
    }

    /// Returns the slot of a server.
    pub(crate) fn find(&self, key: Key) -> Option<SlotId> {
        self.data().counters.get()?.lock().find(key)
    }

    /// Returns the slots of an upstream.
    pub(crate) fn find_group(&self, key: Key) -> Option<Group> {
        self.data().counters.get()?.lock().find_group(key)
    }

    /// Registers an upstream; `None`: there is no room.
    pub(crate) fn register_group(&self, key: Key) -> Option<Group> {
        let counters = self.data().counters.get()?;
        counters.lock().register_group(key, now())
    }

    /// Registers servers of an upstream, and shows the slot of each in order, until there is no room for one. Returns how
    /// many were registered.
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
                // Where there is no room for one, all slots were looked at.
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

    /// Returns whether this worker may sweep now, which it notes.
    pub(crate) fn is_time_to_sweep(&self, now: time_t) -> bool {
        let is_time = now.wrapping_sub(self.data().swept.get()) >= PAUSE;
        if is_time {
            self.data().swept.set(now);
        }
        is_time
    }

    /// Gives back the slots that nobody has wanted for so many seconds, but those with one of these keys, which are sorted.
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

/// Returns the number of this worker, which those of the cycle before may have as well.
#[inline(always)]
pub(crate) fn worker() -> usize {
    // SAFETY: nginx writes it once, when the worker starts.
    unsafe { ngx_worker }
}

/// Returns the second, in as many bits as a slot has for it.
fn now() -> u32 {
    u32::try_from(time::now()).unwrap_or(u32::MAX)
}

/// Makes the table of the zone, or takes over that of the cycle before. nginx calls it when it has the memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for the zone of `CounterZone::add`, whose data is set and whose memory is there; `old` is the
    // data of the zone of the same name, size and tag in the cycle before, if there was one.
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
    // SAFETY: nginx has made a slab pool of the zone's memory, in which nothing was allocated.
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

/// Registers the upstreams, before the addresses of names can take all room: the requests of each are counted, whatever
/// becomes of its servers.
fn register_groups(upstreams: &[Upstream<'_>], counters: &Locking<Table<'static>>) {
    let secret = counters.table.secret();
    for upstream in upstreams {
        let key = Key::new(&secret, upstream.host());
        // There is no room if another cycle's servers have taken it. A worker tries again.
        let _ = counters.lock().register_group(key, now());
    }
}

/// Makes a table in the memory of a zone, with what was counted in the cycle before. What workers of that add while they end
/// is lost: their zone has another size.
///
/// # Safety
///
/// nginx has made a slab pool of the zone's memory, in which nothing was allocated; it lives as long as what knows the table.
unsafe fn make_table(zone: &ngx_shm_zone_t, layout: Layout) -> Option<Locking<Table<'static>>> {
    // SAFETY: the memory is new, as the caller vouches, and `take_all` gives all of it.
    let counters = unsafe {
        take_all(zone, |memory, size| {
            (size >= layout.bytes).then(|| table_at(memory, layout))
        })?
    };
    // SAFETY: zones with this tag have the data of `CounterZone::add`, as long as their cycle is in force.
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

/// Returns a table in memory of which it takes as much as the layout says.
///
/// # Safety
///
/// The memory is as large as that at least, zeroed, aligned to 64 bytes, lives for good, and is used for nothing else.
unsafe fn table_at(memory: NonNull<u8>, layout: Layout) -> Table<'static> {
    // SAFETY: the parts are in the memory, apart from each other and aligned, as `Layout` has it; they consist of atomics, for
    // which any content is legal, and other processes write to them as such.
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
