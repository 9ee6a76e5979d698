//! The use of the shared memory zone of an upstream, and the memory in it that is no longer reachable.
//!
//! A server that was removed while a request used it is in no list: it is a zombie until the last request releases it, or
//! forever if one fails to. The zone still counts its memory as used, and everything else in the zone is reachable from the
//! upstreams, so the lost memory is the difference.

use core::mem::size_of;
use std::fmt::Write;

use ngx::ffi::{
    ngx_http_upstream_rr_peer_t, ngx_http_upstream_rr_peers_t, ngx_http_upstream_srv_conf_t,
    ngx_pagesize, ngx_shmtx_lock, ngx_shmtx_unlock, ngx_slab_pool_t, ngx_sockaddr_t, ngx_str_t,
};

use crate::bytes;
use crate::peers::{groups, list, Locked, Peer, Peers};

/// The size that nginx allocates for a server's name (`NGX_SOCKADDR_STRLEN`): "unix:" and the longest path.
const NAME_SIZE: usize = 5 + 108;

/// The number of objects in each size class of a slab pool.
struct Objects {
    min_shift: usize,
    /// Larger objects take whole pages, which have no class.
    max_size: usize,
    classes: Vec<usize>,
}

impl Objects {
    fn class(&self, size: usize) -> Option<usize> {
        (size <= self.max_size).then(|| {
            let shift = size.next_power_of_two().ilog2() as usize;
            shift.saturating_sub(self.min_shift)
        })
    }

    fn add(&mut self, size: usize) {
        if let Some(count) = self
            .class(size)
            .and_then(|class| self.classes.get_mut(class))
        {
            *count = count.saturating_add(1);
        }
    }

    fn add_if(&mut self, data: *mut u8, size: usize) {
        if !data.is_null() {
            self.add(size);
        }
    }

    fn sum(&self) -> usize {
        self.classes.iter().sum()
    }

    /// The number of objects in the class of this size.
    fn of_size(&self, size: usize) -> usize {
        let class = self.class(size).and_then(|class| self.classes.get(class));
        class.copied().unwrap_or_default()
    }
}

/// Writes a line for the zone of an upstream, if it has one.
///
/// # Safety
///
/// The upstream is live, its load-balancing method is one of nginx's, and it is one of `all`, the upstreams of its cycle.
pub(crate) unsafe fn describe(
    us: *mut ngx_http_upstream_srv_conf_t,
    all: &[*mut ngx_http_upstream_srv_conf_t],
    text: &mut String,
) {
    // SAFETY: the caller promises a live upstream; its zone lives as long as its cycle.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        let Some(zone) = (*us).shm_zone.as_ref() else {
            return;
        };
        if primary.is_null() || (*primary).shpool.is_null() {
            return;
        }
        let pool = (*primary).shpool;
        let same_zone = all
            .iter()
            .copied()
            .filter(|other| core::ptr::eq((**other).shm_zone, (*us).shm_zone));
        let groups: Vec<Vec<Peers>> = same_zone.map(|us| groups(us).collect()).collect();

        // nginx locks the groups before the pool too.
        let _locked: Vec<Locked> = groups
            .iter()
            .flatten()
            .map(|peers| Locked::read(*peers))
            .collect();
        ngx_shmtx_lock(&raw mut (*pool).mutex);
        let used = used(pool);
        let reached = reached(pool, &groups);
        let pages_free = (*pool).pfree;
        ngx_shmtx_unlock(&raw mut (*pool).mutex);

        let size = size_of::<ngx_http_upstream_rr_peer_t>();
        let lost = |used: usize, reached: usize| (used as isize).wrapping_sub(reached as isize);
        // Writing to a String does not fail.
        _ = writeln!(
            text,
            "zone upstream={} zone={} pages_free={pages_free} used={} lost={} zombies={}",
            bytes((*us).host).escape_ascii(),
            bytes(zone.shm.name).escape_ascii(),
            used.sum(),
            lost(used.sum(), reached.sum()),
            lost(used.of_size(size), reached.of_size(size))
        );
    }
}

unsafe fn empty(pool: *mut ngx_slab_pool_t) -> Objects {
    // SAFETY: the pool is live; nginx sets the page size once, when it starts.
    unsafe {
        let min_shift = (*pool).min_shift;
        let classes = (ngx_pagesize.ilog2() as usize).saturating_sub(min_shift);
        Objects {
            min_shift,
            max_size: ngx_pagesize / 2,
            classes: vec![0; classes],
        }
    }
}

/// The objects that the pool counts as used.
unsafe fn used(pool: *mut ngx_slab_pool_t) -> Objects {
    // SAFETY: the pool is live and locked; it has statistics for each class.
    unsafe {
        let mut objects = empty(pool);
        for (class, count) in objects.classes.iter_mut().enumerate() {
            *count = (*(*pool).stats.add(class)).used;
        }
        objects
    }
}

/// The objects reachable from the upstreams of the zone (`ngx_http_upstream_zone_copy_peers`).
unsafe fn reached(pool: *mut ngx_slab_pool_t, upstreams: &[Vec<Peers>]) -> Objects {
    // SAFETY: the pool is live and locked, and so are the groups.
    unsafe {
        let mut objects = empty(pool);
        let log_context = core::ffi::CStr::from_ptr((*pool).log_ctx.cast());
        objects.add(log_context.to_bytes_with_nul().len());

        for groups in upstreams {
            if let Some(primary) = groups.first() {
                objects.add(size_of::<ngx_str_t>());
                objects.add((*(**primary).name).len);
                #[cfg(nginx_peer_refs)]
                objects.add(size_of::<ngx::ffi::ngx_uint_t>());
            }
            for peers in groups {
                objects.add(size_of::<ngx_http_upstream_rr_peers_t>());
                for peer in list((**peers).peer) {
                    add_peer(peer, &mut objects);
                }
                #[cfg(nginx_peer_refs)]
                for peer in list((**peers).resolve) {
                    add_peer(peer, &mut objects);
                    if let Some(host) = (*peer).host.as_ref() {
                        objects.add(size_of::<ngx::ffi::ngx_http_upstream_host_t>());
                        objects.add_if(host.name.data, host.name.len);
                        objects.add_if(host.service.data, host.service.len);
                    }
                }
            }
        }
        objects
    }
}

unsafe fn add_peer(peer: Peer, objects: &mut Objects) {
    // SAFETY: the server is live, and its group and the pool are locked, as in `reached`.
    unsafe {
        objects.add(size_of::<ngx_http_upstream_rr_peer_t>());
        objects.add(size_of::<ngx_sockaddr_t>());
        objects.add(NAME_SIZE);
        objects.add_if((*peer).server.data, (*peer).server.len);
        #[cfg(ngx_feature = "http_ssl")]
        objects.add_if(
            (*peer).ssl_session.cast(),
            usize::try_from((*peer).ssl_session_len).unwrap_or_default(),
        );
        #[cfg(nginx_peer_sid)]
        objects.add_if((*peer).sid.data, 32);
    }
}
