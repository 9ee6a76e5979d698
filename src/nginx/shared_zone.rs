//! Zones of shared memory that a table of the module takes whole.
//!
//! nginx makes a zone, and hands it over at a reload if its name, its size and its tag are the same. A table takes all of its
//! memory at once, so nothing in there is allocated or freed while requests are served. Its lock is that of the zone's slab
//! pool, which alone nginx releases when a worker dies that holds it (`src/os/unix/ngx_process.c`, `ngx_unlock_mutexes`).

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

/// What is in the memory of a zone, and its lock.
#[allow(clippy::disallowed_methods)] // a copy allocates nothing
#[derive(Clone, Copy)]
pub(super) struct Locking<T> {
    mutex: *mut ngx_shmtx_t,
    pub(super) table: T,
}

impl<T> Locking<T> {
    /// Locks the table. All workers wait for it: what the caller needs is at hand before.
    #[inline(always)]
    pub(super) fn lock(&self) -> Locked<'_, T> {
        // SAFETY: the mutex is that of the zone's slab pool, which lives as long as the table.
        unsafe { ngx_shmtx_lock(self.mutex) };
        Locked(self)
    }
}

/// A table that is locked, until this is dropped.
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
        // SAFETY: this process has locked it, by `Locking::lock`.
        unsafe { ngx_shmtx_unlock(self.0.mutex) };
    }
}

/// Adds a zone to the configuration. One of the same name with another tag, nginx refuses.
pub(super) fn add(
    cf: Conf<'_>,
    name: &[u8],
    size: usize,
    tag: *mut c_void,
    init: ngx_shm_zone_init_pt,
) -> Option<NonNull<ngx_shm_zone_t>> {
    let mut name = super::string(name);
    // SAFETY: `cf` is live. The name is in the cycle's pool or static, and the zone is in that pool; nobody else holds a
    // reference to it.
    unsafe {
        let zone = NonNull::new(ngx_shared_memory_add(cf.as_ptr(), &raw mut name, size, tag))?;
        (*zone.as_ptr()).init = init;
        Some(zone)
    }
}

/// Takes all memory of a zone, which is new: its address and its size. `make` makes a table of it.
///
/// # Safety
///
/// nginx has made a slab pool of the zone's memory, in which nothing was allocated. What `make` keeps of the memory is kept
/// as long as the zone.
pub(super) unsafe fn take_all<T>(
    zone: &ngx_shm_zone_t,
    make: impl FnOnce(NonNull<u8>, usize) -> Option<T>,
) -> Option<Locking<T>> {
    let pool: *mut ngx_slab_pool_t = zone.shm.addr.cast();
    // SAFETY: the pool is there, as the caller vouches.
    let (mutex, memory, size) = unsafe {
        let size = (*pool).pfree.saturating_mul(ngx_pagesize);
        (&raw mut (*pool).mutex, ngx_slab_alloc(pool, size), size)
    };
    let memory = NonNull::new(memory)?.cast();
    let table = make(memory, size)?;
    // SAFETY: the pool is there, and has a place for what whoever takes the zone over has to know.
    unsafe { (*pool).data = memory.as_ptr().cast() };
    Some(Locking { mutex, table })
}

/// Takes over a zone, all of whose memory was taken by [`take_all`] in the cycle before, maybe by the module in another file:
/// nothing but what is in the memory is known. `make` makes a table of its address.
///
/// # Safety
///
/// nginx has handed the zone over to this cycle. What `make` keeps of the memory is kept as long as the zone.
pub(super) unsafe fn take_over<T>(
    zone: &ngx_shm_zone_t,
    make: impl FnOnce(NonNull<u8>) -> T,
) -> Option<Locking<T>> {
    let pool: *mut ngx_slab_pool_t = zone.shm.addr.cast();
    // SAFETY: the pool is there, as the caller vouches.
    let (mutex, memory) = unsafe { (&raw mut (*pool).mutex, (*pool).data) };
    let table = make(NonNull::new(memory)?.cast());
    Some(Locking { mutex, table })
}

/// Returns the data of the zone of the same name and tag in the cycle that is in force: nginx hands none over whose size is
/// another.
pub(super) fn data_before(zone: &ngx_shm_zone_t) -> Option<NonNull<c_void>> {
    // SAFETY: while a configuration is read, the cycle in force is live, with a list of its zones.
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

/// Returns whether two zones have the same name and the same use.
fn is_same(one: &ngx_shm_zone_t, other: &ngx_shm_zone_t) -> bool {
    let name = |text: ngx_str_t| {
        // SAFETY: the name of a zone lives as long as its cycle.
        unsafe { bytes(text) }
    };
    one.tag == other.tag && name(one.shm.name) == name(other.shm.name)
}

/// Returns a secret that nobody can guess.
pub(super) fn new_secret() -> Option<Secret> {
    let mut secret = [0; 2];
    for word in &mut secret {
        *word = getrandom::u64().ok()?;
    }
    Some(Secret(secret))
}
