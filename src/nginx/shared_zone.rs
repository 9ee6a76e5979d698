//! Shared memory zones in which a single table of the module occupies all memory.
//!
//! nginx creates a zone, and keeps it across a reload if its name, size and tag are unchanged. A table allocates all of the
//! memory at once, so nothing is allocated or freed while requests are served. Its lock is that of the zone's slab pool, the only
//! lock that nginx releases if a worker dies while holding it (`src/os/unix/ngx_process.c`, `ngx_unlock_mutexes`).

use core::ffi::c_void;
use core::ops::Deref;
use core::ptr::NonNull;
use core::slice;

use ngx::ffi::{
    ngx_cycle, ngx_list_part_t, ngx_pagesize, ngx_shared_memory_add, ngx_shm_zone_init_pt,
    ngx_shm_zone_t, ngx_shmtx_lock, ngx_shmtx_t, ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t,
    ngx_str_t,
};
use session_cookie::learned::Secret;

use super::bytes;
use super::conf::Conf;

/// The table of a zone, and its lock.
#[allow(clippy::disallowed_methods)] // a copy allocates nothing
#[derive(Clone, Copy)]
pub(super) struct Locking<T> {
    mutex: *mut ngx_shmtx_t,
    pub(super) table: T,
}

impl<T> Locking<T> {
    /// Locks the table. All workers wait for the lock, so callers prepare what they need beforehand.
    #[inline(always)]
    pub(super) fn lock(&self) -> Locked<'_, T> {
        // SAFETY: the mutex is that of the zone's slab pool, which lives as long as the table.
        unsafe { ngx_shmtx_lock(self.mutex) };
        Locked(self)
    }
}

/// A table that is locked until this is dropped.
pub(super) struct Locked<'t, T>(&'t Locking<T>);

impl<T> Deref for Locked<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0.table
    }
}

impl<T> Drop for Locked<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: `Locking::lock` has locked the mutex in this process.
        unsafe { ngx_shmtx_unlock(self.0.mutex) };
    }
}

/// Adds a zone to the configuration. nginx refuses a zone with the same name and a different tag.
pub(super) fn add(
    cf: Conf<'_>,
    name: &[u8],
    size: usize,
    tag: *mut c_void,
    init: ngx_shm_zone_init_pt,
) -> Option<NonNull<ngx_shm_zone_t>> {
    let mut name = super::string(name);
    // SAFETY: `cf` is live. The name is in the cycle's pool or static, and the zone is in that pool; no reference to it exists.
    unsafe {
        let zone = NonNull::new(ngx_shared_memory_add(cf.as_ptr(), &raw mut name, size, tag))?;
        (*zone.as_ptr()).init = init;
        Some(zone)
    }
}

/// Allocates all memory of a new zone. `make` creates a table in it, given the address and the size.
///
/// # Safety
///
/// nginx has created a slab pool in the zone's memory, from which nothing has been allocated. What `make` keeps of the memory is
/// not used after the zone is freed.
pub(super) unsafe fn take_all<T>(
    zone: &ngx_shm_zone_t,
    make: impl FnOnce(NonNull<u8>, usize) -> Option<T>,
) -> Option<Locking<T>> {
    let pool: *mut ngx_slab_pool_t = zone.shm.addr.cast();
    // SAFETY: the caller guarantees that the pool exists.
    let (mutex, memory, size) = unsafe {
        let size = (*pool).pfree.saturating_mul(ngx_pagesize);
        (&raw mut (*pool).mutex, ngx_slab_alloc(pool, size), size)
    };
    let memory = NonNull::new(memory)?.cast();
    let table = make(memory, size)?;
    // SAFETY: the pool exists; its `data` is reserved for use by the owner of the zone, here for `take_over`.
    unsafe { (*pool).data = memory.as_ptr().cast() };
    Some(Locking { mutex, table })
}

/// Takes over a zone whose memory was allocated by [`take_all`] in the previous cycle, possibly by a different file of the
/// module: only the content of the memory is known. `make` creates a table at its address.
///
/// # Safety
///
/// nginx has passed the zone on to this cycle. What `make` keeps of the memory is not used after the zone is freed.
pub(super) unsafe fn take_over<T>(
    zone: &ngx_shm_zone_t,
    make: impl FnOnce(NonNull<u8>) -> T,
) -> Option<Locking<T>> {
    let pool: *mut ngx_slab_pool_t = zone.shm.addr.cast();
    // SAFETY: the caller guarantees that the pool exists.
    let (mutex, memory) = unsafe { (&raw mut (*pool).mutex, (*pool).data) };
    let table = make(NonNull::new(memory)?.cast());
    Some(Locking { mutex, table })
}

/// Returns the data of the zone with the same name and tag in the cycle currently in use. nginx does not pass it on if the sizes
/// differ.
pub(super) fn data_before(zone: &ngx_shm_zone_t) -> Option<NonNull<c_void>> {
    // SAFETY: while a configuration is read, the cycle in use is live, with a list of its zones.
    unsafe {
        let cycle = (ngx_cycle as *const ngx::ffi::ngx_cycle_t).as_ref()?;
        let mut part: *const ngx_list_part_t = &raw const cycle.shared_memory.part;
        while let Some(zones) = part.as_ref() {
            let zones_of_part = if zones.elts.is_null() {
                &[]
            } else {
                slice::from_raw_parts(zones.elts.cast::<ngx_shm_zone_t>(), zones.nelts)
            };
            if let Some(found) = zones_of_part.iter().find(|other| is_same(other, zone)) {
                return NonNull::new(found.data);
            }
            part = zones.next;
        }
    }
    None
}

/// Returns whether two zones have the same name and tag.
fn is_same(one: &ngx_shm_zone_t, other: &ngx_shm_zone_t) -> bool {
    let name = |text: ngx_str_t| {
        // SAFETY: the name of a zone lives as long as its cycle.
        unsafe { bytes(text) }
    };
    one.tag == other.tag && name(one.shm.name) == name(other.shm.name)
}

/// Returns a random secret.
pub(super) fn new_secret() -> Option<Secret> {
    let mut secret = [0; 2];
    for word in &mut secret {
        *word = getrandom::u64().ok()?;
    }
    Some(Secret(secret))
}
