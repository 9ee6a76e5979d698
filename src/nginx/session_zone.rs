//! The shared memory zone with the table of learned sessions.

use core::cell::OnceCell;
use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::AtomicU32;

use ngx::core::Status;
use ngx::ffi::{ngx_int_t, ngx_pagesize, ngx_shm_zone_t, NGX_LOG_EMERG};
use ngx::ngx_log_error;
use session_cookie::learned::{
    Header, Key, Layout, Learned, Secret, ServerId, Slot, Table, Tick, Timeout,
};

use super::conf::Conf;
use super::own_module::own_module;
use super::shared_zone::{self, data_before, new_secret, take_all, Locking};
use super::time::milliseconds;
use super::{bytes, string};

/// The minimum number of pages in a zone, as for nginx's own `sticky learn`.
const PAGES: usize = 8;

/// How many slots of a table are copied under one lock.
const SLICE: usize = 256;

/// Why a zone could not be added.
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

/// The data of a zone in one cycle.
struct ZoneData<'c> {
    /// The name of the upstream whose sessions the zone contains.
    upstream: &'c [u8],
    /// The timeout of sessions. When the size of the zone changes, only sessions that have not expired are copied.
    timeout: Timeout,
    /// The table, once there is memory for it.
    sessions: OnceCell<Sessions>,
}

/// The table of a zone.
#[derive(Clone, Copy)]
struct Sessions {
    locking: Locking<Table<'static>>,
    /// A copy of the table's secret, which never changes.
    secret: Secret,
}

impl SessionZone {
    /// Returns whether a zone of this size has room for a table.
    pub(crate) fn is_enough(size: usize) -> bool {
        // SAFETY: nginx sets it once, at startup.
        let page = unsafe { ngx_pagesize };
        size >= page.saturating_mul(PAGES)
    }

    /// Adds a zone to the configuration, for the upstream whose block is being read.
    pub(crate) fn add<'c>(
        cf: Conf<'c>,
        name: &'c [u8],
        size: usize,
        timeout: Timeout,
    ) -> Result<Self, NoZone<'c>> {
        let upstream = cf.current_upstream().ok_or(NoZone::NotAdded)?;
        let tag = ptr::from_ref(own_module()).cast_mut().cast();
        let zone = shared_zone::add(cf, name, size, tag, Some(init)).ok_or(NoZone::NotAdded)?;
        // SAFETY: the zone is in the cycle's pool, and no reference to it exists. Its data is null or was set by this function
        // for the same cycle.
        unsafe {
            let place = &raw mut (*zone.as_ptr()).data;
            if let Some(data) = (*place).cast::<ZoneData<'c>>().as_ref() {
                return Err(NoZone::Used(data.upstream));
            }
            let data = cf.pool().place(|| ZoneData {
                upstream: upstream.host(),
                timeout,
                sessions: OnceCell::new(),
            });
            *place = ptr::from_mut(data.ok_or(NoZone::NotAdded)?).cast();
        }
        Ok(SessionZone(zone))
    }

    /// Returns the name of the zone.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: the zone lives as long as the cycle, like its name.
        unsafe { bytes(self.0.as_ref().shm.name) }
    }

    /// Returns the table; `None` if there is no memory, for example when the configuration is only tested.
    #[inline(always)]
    fn sessions(&self) -> Option<&Sessions> {
        // SAFETY: `add` has set the data, which lives as long as the cycle.
        unsafe { (*self.0.as_ref().data.cast::<ZoneData>()).sessions.get() }
    }

    /// Returns the key of a session in the table.
    #[inline]
    pub(crate) fn key(&self, session: &[u8]) -> Key {
        let secret = self.sessions().map_or(Secret([0; 2]), |known| known.secret);
        Key::new(&secret, session)
    }

    /// Returns the server of a session.
    #[inline(always)]
    pub(crate) fn find(&self, key: Key, now: u64, timeout: Timeout) -> Option<ServerId> {
        let now = Tick::from_millis(now);
        self.sessions()?.locking.lock().find(key, now, timeout)
    }

    /// Records the use of a session and its server, if the session is known.
    #[inline(always)]
    pub(crate) fn renew(&self, key: Key, server: &ServerId, now: u64, timeout: Timeout) -> bool {
        let now = Tick::from_millis(now);
        let Some(known) = self.sessions() else {
            return false;
        };
        let renewed = known.locking.lock().renew(key, server, now, timeout);
        renewed.is_some()
    }

    /// Records the server of a session; `None` if there is no table.
    #[inline]
    pub(crate) fn learn(
        &self,
        key: Key,
        server: &ServerId,
        now: u64,
        timeout: Timeout,
    ) -> Option<Learned> {
        let now = Tick::from_millis(now);
        let known = self.sessions()?;
        Some(known.locking.lock().learn(key, server, now, timeout))
    }

    /// Returns how many sessions were dropped before their timeout, at most once a minute.
    #[cold]
    pub(crate) fn take_dropped(&self, now: u64) -> Option<u32> {
        let known = self.sessions()?;
        known.locking.lock().tell_dropped(Tick::from_millis(now))
    }

    /// Returns the maximum number of sessions.
    pub(crate) fn capacity(&self) -> usize {
        (self.sessions()).map_or(0, |known| known.locking.table.capacity())
    }
}

/// Creates the table of a zone, or takes over that of the previous cycle. nginx calls this when the zone has its memory.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this for a zone of `SessionZone::add`, whose data is set and which has its memory; `old` is the data of
    // the zone with the same name, size and tag in the previous cycle, or null.
    let (zone, data, old) = unsafe {
        (
            &*zone,
            &*(*zone).data.cast::<ZoneData>(),
            old.cast::<ZoneData>().as_ref(),
        )
    };
    if let Some(old) = old {
        if let Some(sessions) = old.sessions.get() {
            data.sessions.get_or_init(|| *sessions);
        }
        return Status::NGX_OK.into();
    }
    // SAFETY: nginx has created a slab pool in the zone's memory, from which nothing has been allocated.
    match unsafe { make_table(zone, data) } {
        Some(sessions) => {
            data.sessions.get_or_init(|| sessions);
            Status::NGX_OK.into()
        }
        None => {
            ngx_log_error!(
                NGX_LOG_EMERG,
                zone.shm.log,
                "could not create the table of learned sessions in zone \"{}\"",
                zone.shm.name
            );
            Status::NGX_ERROR.into()
        }
    }
}

/// Creates a table in all the memory of a zone, with the sessions of the previous cycle.
///
/// # Safety
///
/// nginx has created a slab pool in the zone's memory, from which nothing has been allocated. The zone outlives all uses of the
/// table.
unsafe fn make_table(zone: &ngx_shm_zone_t, data: &ZoneData<'_>) -> Option<Sessions> {
    // SAFETY: the caller guarantees that the memory is new, and `take_all` allocates all of it.
    let locking = unsafe { take_all(zone, |memory, size| table_at(memory, size))? };
    let table = locking.table;

    // SAFETY: zones with the tag of this module have the data of `SessionZone::add` while their cycle is in use.
    let before = data_before(zone)
        .and_then(|data| unsafe { data.cast::<ZoneData>().as_ref().sessions.get() });
    let secret = match before {
        Some(before) => before.secret,
        None => new_secret()?,
    };
    table.clear(secret);
    if let Some(before) = before {
        let now = Tick::from_millis(milliseconds());
        let mut next = Some(0);
        while let Some(start) = next {
            let other = before.locking.lock();
            next = table.copy_slice(&other, start, SLICE, now, data.timeout);
        }
    }
    Some(Sessions { locking, secret })
}

/// Returns a table in memory of this size.
///
/// # Safety
///
/// The memory is zeroed, is aligned to 64 bytes, is never freed, and is used for nothing else.
unsafe fn table_at(memory: NonNull<u8>, size: usize) -> Option<Table<'static>> {
    let layout = Layout::of(size)?;
    // SAFETY: according to `Layout`, the parts are in the memory, aligned, and do not overlap. They consist of atomics, for which
    // any content is valid, and other processes access them as atomics.
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
