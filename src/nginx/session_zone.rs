//! The table of learned sessions in a zone of shared memory.
//!
//! nginx makes the zone, and hands it over at a reload if its size is the same. The table takes all of its memory at once, so
//! nothing in there is allocated or freed while requests are served. Its lock is that of the zone's slab pool, which alone
//! nginx releases when a worker dies that holds it (`src/os/unix/ngx_process.c`, `ngx_unlock_mutexes`).

use core::cell::OnceCell;
use core::ffi::c_void;
use core::ops::Deref;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::AtomicU32;

use ngx::core::Status;
use ngx::ffi::{
    ngx_cycle, ngx_int_t, ngx_list_part_t, ngx_pagesize, ngx_shared_memory_add, ngx_shm_zone_t,
    ngx_shmtx_lock, ngx_shmtx_t, ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t, ngx_str_t,
    NGX_LOG_EMERG,
};
use ngx::ngx_log_error;
use session_cookie::learned::{
    Header, Key, Layout, Learned, Secret, ServerId, Slot, Table, Tick, Timeout,
};

use super::conf::Conf;
use super::own_module::own_module;
use super::time::milliseconds;
use super::{bytes, string};

/// The fewest pages of memory that a zone may have: nginx's own `sticky learn` demands as many.
const PAGES: usize = 8;

/// How many slots of a table are copied under its lock in one go.
const SLICE: usize = 256;

/// The reason for which there is no zone.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoZone<'c> {
    #[error("is already used in upstream \"{}\"", string(.0))]
    Used(&'c [u8]),
    #[error("could not be added")]
    NotAdded,
}

/// A handle of a zone. It lives as long as the cycle.
#[derive(Clone, Copy)]
pub(crate) struct SessionZone(NonNull<ngx_shm_zone_t>);

/// What a cycle knows of a zone.
struct ZoneData<'c> {
    /// The upstream whose sessions are in it.
    upstream: &'c [u8],
    /// How long they live; where the zone gets another size, only those are taken along that do.
    timeout: Timeout,
    /// The table, when there is memory for it.
    table: OnceCell<LockedTable>,
}

/// A table and its lock.
#[derive(Clone, Copy)]
struct LockedTable {
    mutex: *mut ngx_shmtx_t,
    table: Table<'static>,
    /// A copy of that of the table, which stays the same.
    secret: Secret,
}

impl LockedTable {
    /// Locks the table. Requests of all workers wait for it: what they need is at hand before.
    #[inline(always)]
    fn lock(&self) -> Locked<'_> {
        // SAFETY: the mutex is that of the zone's slab pool, which lives as long as the table.
        unsafe { ngx_shmtx_lock(self.mutex) };
        Locked(self)
    }
}

/// A table that is locked, until this is dropped.
struct Locked<'t>(&'t LockedTable);

impl Deref for Locked<'_> {
    type Target = Table<'static>;

    #[inline(always)]
    fn deref(&self) -> &Table<'static> {
        &self.0.table
    }
}

impl Drop for Locked<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: this process has locked it, by `LockedTable::lock`.
        unsafe { ngx_shmtx_unlock(self.0.mutex) };
    }
}

impl SessionZone {
    /// Returns whether a zone of so many bytes has room for a table.
    pub(crate) fn is_enough(size: usize) -> bool {
        // SAFETY: nginx writes it once, when it starts.
        let page = unsafe { ngx_pagesize };
        size >= page.saturating_mul(PAGES)
    }

    /// Adds a zone to the configuration, for the upstream that is being read.
    pub(crate) fn add<'c>(
        cf: Conf<'c>,
        name: &'c [u8],
        size: usize,
        timeout: Timeout,
    ) -> Result<Self, NoZone<'c>> {
        let upstream = cf.current_upstream().ok_or(NoZone::NotAdded)?;
        let mut name = string(name);
        let tag = ptr::from_ref(own_module()).cast_mut().cast();
        // SAFETY: `cf` is live. The zone is in the cycle's pool, and its name is a word of the directive; nobody else holds
        // a reference to it. Its data is null, or what this function has put there for the same cycle.
        unsafe {
            let zone = ngx_shared_memory_add(cf.as_ptr(), &raw mut name, size, tag);
            let zone = NonNull::new(zone).ok_or(NoZone::NotAdded)?;
            let place = &raw mut (*zone.as_ptr()).data;
            if let Some(data) = (*place).cast::<ZoneData<'c>>().as_ref() {
                return Err(NoZone::Used(data.upstream));
            }
            let data = cf.pool().place(|| ZoneData {
                upstream: upstream.host(),
                timeout,
                table: OnceCell::new(),
            });
            *place = ptr::from_mut(data.ok_or(NoZone::NotAdded)?).cast();
            (*zone.as_ptr()).init = Some(init);
            Ok(SessionZone(zone))
        }
    }

    /// Returns its name.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: the zone lives as long as the cycle, like its name.
        unsafe { bytes(self.0.as_ref().shm.name) }
    }

    /// Returns the table; `None`: the memory is not there, as where the configuration is only tested.
    #[inline(always)]
    fn table(&self) -> Option<&LockedTable> {
        // SAFETY: `add` has set the data, which lives as long as the cycle.
        unsafe { (*self.0.as_ref().data.cast::<ZoneData>()).table.get() }
    }

    /// Returns what the table knows a session by.
    #[inline]
    pub(crate) fn key(&self, session: &[u8]) -> Key {
        let secret = self.table().map_or(Secret([0; 2]), |table| table.secret);
        Key::new(&secret, session)
    }

    /// Returns the server of a session.
    #[inline(always)]
    pub(crate) fn find(&self, key: Key, now: u64, timeout: Timeout) -> Option<ServerId> {
        let now = Tick::from_millis(now);
        self.table()?.lock().find(key, now, timeout)
    }

    /// Notes that a session is used, if it is known, and which server it has.
    #[inline(always)]
    pub(crate) fn renew(&self, key: Key, server: &ServerId, now: u64, timeout: Timeout) -> bool {
        let now = Tick::from_millis(now);
        let Some(table) = self.table() else {
            return false;
        };
        table.lock().renew(key, server, now, timeout).is_some()
    }

    /// Notes the server of a session; `None`: there is no table.
    #[inline]
    pub(crate) fn learn(
        &self,
        key: Key,
        server: &ServerId,
        now: u64,
        timeout: Timeout,
    ) -> Option<Learned> {
        let now = Tick::from_millis(now);
        Some(self.table()?.lock().learn(key, server, now, timeout))
    }

    /// Returns how many sessions were dropped before their timeout, once a minute.
    #[cold]
    pub(crate) fn take_dropped(&self, now: u64) -> Option<u32> {
        self.table()?.lock().tell_dropped(Tick::from_millis(now))
    }

    /// Returns how many sessions there is room for.
    pub(crate) fn capacity(&self) -> usize {
        self.table().map_or(0, |known| known.table.capacity())
    }
}

/// Makes the table of a zone, or takes over that of the cycle before. nginx calls it when it has the memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for a zone of `SessionZone::add`, whose data is set and whose memory is there; `old` is the
    // data of the zone of the same name, size and tag in the cycle before, if there was one.
    let (zone, data, old) = unsafe {
        (
            &*zone,
            &*(*zone).data.cast::<ZoneData>(),
            old.cast::<ZoneData>().as_ref(),
        )
    };
    if let Some(old) = old {
        if let Some(table) = old.table.get() {
            data.table.get_or_init(|| *table);
        }
        return Status::NGX_OK.into();
    }
    // SAFETY: nginx has made a slab pool of the zone's memory, in which nothing was allocated.
    match unsafe { make_table(zone.shm.addr.cast(), zone, data) } {
        Some(table) => {
            data.table.get_or_init(|| table);
            Status::NGX_OK.into()
        }
        None => {
            ngx_log_error!(
                NGX_LOG_EMERG,
                zone.shm.log,
                "could not make the table of learned sessions in zone \"{}\"",
                zone.shm.name
            );
            Status::NGX_ERROR.into()
        }
    }
}

/// Makes a table of all the memory of a slab pool, with the sessions of the cycle before.
///
/// # Safety
///
/// The pool was initialized, and nothing was allocated from it; it lives as long as what knows the table.
unsafe fn make_table(
    pool: *mut ngx_slab_pool_t,
    zone: &ngx_shm_zone_t,
    data: &ZoneData<'_>,
) -> Option<LockedTable> {
    // SAFETY: the pool is there, as the caller vouches.
    let (mutex, memory, size) = unsafe {
        let size = (*pool).pfree.saturating_mul(ngx_pagesize);
        (&raw mut (*pool).mutex, ngx_slab_alloc(pool, size), size)
    };
    // SAFETY: new memory of this size, aligned to a page, which lives as long as the zone.
    let table = unsafe { table_at(NonNull::new(memory)?.cast(), size)? };

    let before = table_before(zone);
    let secret = match &before {
        Some(before) => before.secret,
        None => new_secret()?,
    };
    table.clear(secret);
    if let Some(before) = before {
        let now = Tick::from_millis(milliseconds());
        let mut next = Some(0);
        while let Some(start) = next {
            next = table.copy_slice(&before.lock(), start, SLICE, now, data.timeout);
        }
    }
    Some(LockedTable {
        mutex,
        table,
        secret,
    })
}

/// Returns a table in memory of this size.
///
/// # Safety
///
/// The memory is zeroed, aligned to 64 bytes, lives for good, and is used for nothing else.
unsafe fn table_at(memory: NonNull<u8>, size: usize) -> Option<Table<'static>> {
    let layout = Layout::of(size)?;
    // SAFETY: the parts are in the memory, apart from each other and aligned, as `Layout` has it; they consist of atomics, for
    // which any content is legal, and other processes write to them as such.
    unsafe {
        let header = memory.cast::<Header>().as_ref();
        let buckets = memory.add(layout.buckets_at).cast::<AtomicU32>();
        let slots = memory.add(layout.slots_at).cast::<Slot>();
        Some(Table::new(
            header,
            slice::from_raw_parts(buckets.as_ptr(), layout.buckets),
            slice::from_raw_parts(slots.as_ptr(), layout.slots),
        ))
    }
}

/// Returns the table of the zone of the same name in the cycle that is in force: nginx hands none over whose size is another.
fn table_before(zone: &ngx_shm_zone_t) -> Option<LockedTable> {
    // SAFETY: while a configuration is read, the cycle in force is live, with a list of its zones; those with the tag of this
    // module have the data of `SessionZone::add`.
    unsafe {
        let cycle = (ngx_cycle as *const ngx::ffi::ngx_cycle_t).as_ref()?;
        let mut part: *const ngx_list_part_t = &raw const cycle.shared_memory.part;
        while let Some(zones) = part.as_ref() {
            let zones_of_part = if zones.elts.is_null() {
                &[]
            } else {
                slice::from_raw_parts(zones.elts.cast::<ngx_shm_zone_t>(), zones.nelts)
            };
            let is_it = |other: &&ngx_shm_zone_t| is_same(other, zone);
            if let Some(found) = zones_of_part.iter().find(is_it) {
                return found.data.cast::<ZoneData>().as_ref()?.table.get().copied();
            }
            part = zones.next;
        }
    }
    None
}

/// Returns whether two zones have the same name and belong to this module.
fn is_same(one: &ngx_shm_zone_t, other: &ngx_shm_zone_t) -> bool {
    let name = |text: ngx_str_t| {
        // SAFETY: the name of a zone lives as long as its cycle.
        unsafe { bytes(text) }
    };
    one.tag == other.tag && name(one.shm.name) == name(other.shm.name)
}

/// Returns a secret that nobody can guess.
fn new_secret() -> Option<Secret> {
    let mut secret = [0; 2];
    for word in &mut secret {
        *word = getrandom::u64().ok()?;
    }
    Some(Secret(secret))
}
