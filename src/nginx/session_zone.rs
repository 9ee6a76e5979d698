//! The table of learned sessions in a zone of shared memory.

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
    sessions: OnceCell<Sessions>,
}

/// The table of a zone.
#[derive(Clone, Copy)]
struct Sessions {
    locking: Locking<Table<'static>>,
    /// A copy of that of the table, which stays the same.
    secret: Secret,
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
        let tag = ptr::from_ref(own_module()).cast_mut().cast();
        let zone = shared_zone::add(cf, name, size, tag, Some(init)).ok_or(NoZone::NotAdded)?;
        // SAFETY: the zone is in the cycle's pool, and nobody else holds a reference to it. Its data is null, or what this
        // function has put there for the same cycle.
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

    /// Returns its name.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: the zone lives as long as the cycle, like its name.
        unsafe { bytes(self.0.as_ref().shm.name) }
    }

    /// Returns the table; `None`: the memory is not there, as where the configuration is only tested.
    #[inline(always)]
    fn sessions(&self) -> Option<&Sessions> {
        // SAFETY: `add` has set the data, which lives as long as the cycle.
        unsafe { (*self.0.as_ref().data.cast::<ZoneData>()).sessions.get() }
    }

    /// Returns what the table knows a session by.
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

    /// Notes that a session is used, if it is known, and which server it has.
    #[inline(always)]
    pub(crate) fn renew(&self, key: Key, server: &ServerId, now: u64, timeout: Timeout) -> bool {
        let now = Tick::from_millis(now);
        let Some(known) = self.sessions() else {
            return false;
        };
        let renewed = known.locking.lock().renew(key, server, now, timeout);
        renewed.is_some()
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
        let known = self.sessions()?;
        Some(known.locking.lock().learn(key, server, now, timeout))
    }

    /// Returns how many sessions were dropped before their timeout, once a minute.
    #[cold]
    pub(crate) fn take_dropped(&self, now: u64) -> Option<u32> {
        let known = self.sessions()?;
        known.locking.lock().tell_dropped(Tick::from_millis(now))
    }

    /// Returns how many sessions there is room for.
    pub(crate) fn capacity(&self) -> usize {
        (self.sessions()).map_or(0, |known| known.locking.table.capacity())
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
        if let Some(sessions) = old.sessions.get() {
            data.sessions.get_or_init(|| *sessions);
        }
        return Status::NGX_OK.into();
    }
    // SAFETY: nginx has made a slab pool of the zone's memory, in which nothing was allocated.
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

/// Makes a table of all the memory of a zone, with the sessions of the cycle before.
///
/// # Safety
///
/// nginx has made a slab pool of the zone's memory, in which nothing was allocated; it lives as long as what knows the table.
unsafe fn make_table(zone: &ngx_shm_zone_t, data: &ZoneData<'_>) -> Option<Sessions> {
    // SAFETY: the memory is new, as the caller vouches, and `take_all` gives all of it.
    let locking = unsafe { take_all(zone, |memory, size| table_at(memory, size))? };
    let table = locking.table;

    // SAFETY: zones with the tag of this module have the data of `SessionZone::add`, as long as their cycle is in force.
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
