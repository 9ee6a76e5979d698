//! The servers of an upstream as nginx's balancers keep them, with their locks and their bookkeeping
//! (`src/http/ngx_http_upstream_round_robin.h` of each supported version).

use ngx::ffi::{
    ngx_http_upstream_rr_peer_data_t, ngx_http_upstream_rr_peer_t, ngx_http_upstream_rr_peers_t,
    ngx_peer_connection_t, ngx_time, ngx_uint_t, time_t,
};

use session_cookie::roster::Member;

use super::bytes;

pub(crate) type Peer = *mut ngx_http_upstream_rr_peer_t;
pub(crate) type Peers = *mut ngx_http_upstream_rr_peers_t;
pub(crate) type PeerData = *mut ngx_http_upstream_rr_peer_data_t;

#[cfg(nginx_upstream_check)]
extern "C" {
    /// Of nginx_upstream_check_module, compiled into nginx: has its active check marked a server down?
    fn ngx_http_upstream_check_peer_down(index: ngx_uint_t) -> ngx_uint_t;
}

/// Runs `work` while no other worker changes the servers. Only a `zone` has a lock.
///
/// # Safety
///
/// `peers` is live, and this worker does not hold its lock.
#[inline]
pub(crate) unsafe fn exclusively<T>(peers: Peers, work: impl FnOnce() -> T) -> T {
    // SAFETY: the caller's promise; `work` cannot unwind (panic = abort).
    unsafe {
        lock(peers);
        let result = work();
        unlock(peers);
        result
    }
}

/// `ngx_http_upstream_rr_peers_wlock()`
#[inline(always)]
unsafe fn lock(peers: Peers) {
    // SAFETY: the caller's promise.
    #[cfg(ngx_feature = "http_upstream_zone")]
    unsafe {
        if !(*peers).shpool.is_null() {
            ngx::ffi::ngx_rwlock_wlock(&raw mut (*peers).rwlock);
        }
    }
    let _ = peers;
}

/// `ngx_http_upstream_rr_peers_unlock()`
#[inline(always)]
unsafe fn unlock(peers: Peers) {
    // SAFETY: the caller's promise.
    #[cfg(ngx_feature = "http_upstream_zone")]
    unsafe {
        if !(*peers).shpool.is_null() {
            ngx::ffi::ngx_rwlock_unlock(&raw mut (*peers).rwlock);
        }
    }
    let _ = peers;
}

/// The generation of the servers: it changes when `resolve` brings or takes one.
///
/// # Safety
///
/// `peers` is live and locked.
pub(crate) unsafe fn current_generation(peers: Peers) -> ngx_uint_t {
    // SAFETY: `config` is null, or points into the zone.
    #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
    let generation = unsafe { (*peers).config.as_ref().copied() };
    #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
    let generation = {
        let _ = peers;
        None
    };
    generation.unwrap_or_default()
}

/// The generation of the servers that a request began with.
///
/// # Safety
///
/// `data` is live.
pub(crate) unsafe fn generation_of(data: PeerData) -> ngx_uint_t {
    // Without zones nginx does not write it.
    if cfg!(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")) {
        // SAFETY: the caller's promise.
        unsafe { (*data).config }
    } else {
        0
    }
}

/// The `server` line that a server comes of: its address as it was written, and whether it has `backup`.
///
/// A server that `resolve` has brought leads to the line's template: with `service=` its own text is another,
/// and it may stand among the backups because of its priority.
///
/// # Safety
///
/// The peer is live, in a group of `primary`.
pub(crate) unsafe fn line_of<'a>(primary: Peers, peer: Peer, backup: bool) -> (&'a [u8], bool) {
    // SAFETY: the caller's promise; the template and its group live as long as the zone.
    unsafe {
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        if let Some(host) = (*peer).host.as_ref() {
            return (bytes((*host.peer).server), host.peers == (*primary).next);
        }
        let _ = primary;
        (bytes((*peer).server), backup)
    }
}

/// The address of a server as the system has it, a `struct sockaddr`.
///
/// # Safety
///
/// The peer is live, in a group that is locked.
pub(crate) unsafe fn address_of<'a>(peer: Peer) -> &'a [u8] {
    // SAFETY: nginx keeps it as long as the peer, and changes it only under the lock.
    unsafe { core::slice::from_raw_parts((*peer).sockaddr.cast(), (*peer).socklen as usize) }
}

/// nginx 1.29.6 and newer: the bit of `down` for draining (`NGX_HTTP_UPSTREAM_DRAINING`).
const DRAINING: ngx_uint_t = 8;

/// Did nginx itself read `drain` of this server?
///
/// # Safety
///
/// The peer is live.
pub(crate) unsafe fn is_draining(peer: Peer) -> bool {
    // SAFETY: the caller's promise.
    unsafe { cfg!(nginx_drain) && (*peer).down & DRAINING != 0 }
}

/// The word of the bitmap of those already tried, and the bit of a server in it.
///
/// # Safety
///
/// The member is a primary server, and `data` is live.
#[inline]
unsafe fn tried_bit(member: &Member<Peer>, data: PeerData) -> (*mut usize, usize) {
    let bits = usize::BITS;
    // SAFETY: the bitmap has a bit for every primary server.
    let word = unsafe { (*data).tried.add((member.index / bits) as usize) };
    (word, 1usize.wrapping_shl(member.index % bits))
}

/// Why nginx's own balancers would not choose a server.
#[derive(Clone, Copy)]
pub(crate) enum Reason {
    /// The configuration says `down`, or what stands for it.
    Down,
    /// An active check of nginx_upstream_check_module has marked it down.
    #[cfg(nginx_upstream_check)]
    CheckFailed,
    /// Too many failures: it is not tried up to this second.
    MaxFails(time_t),
    /// It has as many connections as it may have.
    MaxConns,
}

/// Which failures count against a server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Failures {
    /// Those that nginx counts.
    Counted,
    /// None: who asks knows better whether it accepts connections.
    Ignored,
}

/// Why nginx's own balancers could not choose this server for this request now, if it was not tried before
/// (`ngx_http_upstream_get_peer`).
///
/// A draining server may keep its sessions.
///
/// # Safety
///
/// The member is one of `peers`, which is locked.
#[inline(always)]
unsafe fn reason(peers: Peers, member: &Member<Peer>, failures: Failures) -> Option<Reason> {
    // SAFETY: the caller's promise.
    unsafe {
        let peer = member.peer;
        let is_down = if cfg!(nginx_drain) {
            (*peer).down & !DRAINING != 0
        } else {
            (*peer).down != 0 && !member.draining
        };
        if is_down {
            return Some(Reason::Down);
        }
        #[cfg(nginx_upstream_check)]
        if ngx_http_upstream_check_peer_down((*peer).check_index) != 0 {
            return Some(Reason::CheckFailed);
        }
        // Failures of a single server are counted, but nobody looks at them.
        if failures == Failures::Counted
            && (*peer).max_fails != 0
            && (*peer).fails >= (*peer).max_fails
            && (*peers).single() == 0
            && ngx_time().wrapping_sub((*peer).checked) <= (*peer).fail_timeout
        {
            let until = (*peer).checked.saturating_add((*peer).fail_timeout);
            return Some(Reason::MaxFails(until));
        }
        ((*peer).max_conns != 0 && (*peer).conns >= (*peer).max_conns).then_some(Reason::MaxConns)
    }
}

/// The address of a server as nginx prints it, copied: the server may go while it is in use.
pub(crate) struct Address {
    text: [u8; ADDRESS],
    length: usize,
}

/// The longest address is that of a unix socket (`NGX_SOCKADDR_STRLEN`).
const ADDRESS: usize = 128;

impl Address {
    /// # Safety
    ///
    /// The peer is live: its group is locked, or the request holds it.
    pub(crate) unsafe fn of(peer: Peer) -> Self {
        let mut text = [0; ADDRESS];
        // SAFETY: the caller's promise.
        let name = unsafe { bytes((*peer).name) };
        text.iter_mut()
            .zip(name)
            .for_each(|(place, byte)| *place = *byte);
        Address {
            text,
            length: name.len(),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or(&self.text)
    }
}

/// A server of a request as it is now.
pub(crate) struct Condition {
    pub(crate) address: Address,
    /// Why nginx's own balancers would not choose it.
    pub(crate) reason: Option<Reason>,
    /// Has the request tried it? Of backups nginx notes that only while it chooses among them.
    pub(crate) tried: bool,
}

/// Looks what became of a server; `None`: it may be gone.
///
/// # Safety
///
/// `data` is the round robin data of a live request; the member is one of the servers of `primary`, and neither
/// group is locked.
pub(crate) unsafe fn condition(
    primary: Peers,
    member: &Member<Peer>,
    data: PeerData,
    failures: Failures,
) -> Option<Condition> {
    // SAFETY: the caller's promise. As in `take_from`, the generation is compared before the server is read.
    unsafe {
        let peers = if member.backup {
            (*primary).next
        } else {
            primary
        };
        if peers.is_null() {
            return None;
        }
        exclusively(peers, || {
            (generation_of(data) == current_generation(primary)).then(|| Condition {
                address: Address::of(member.peer),
                reason: reason(peers, member, failures),
                tried: !member.backup && {
                    let (word, bit) = tried_bit(member, data);
                    *word & bit != 0
                },
            })
        })
    }
}

/// Lets a server be taken once more for a request that it did not get.
///
/// # Safety
///
/// `data` is live, and the member is of its generation.
pub(crate) unsafe fn forget_try(member: &Member<Peer>, data: PeerData) {
    if !member.backup {
        // SAFETY: the bitmap is about the primary servers as long as the balancer was not asked.
        unsafe {
            let (word, bit) = tried_bit(member, data);
            *word &= !bit;
        }
    }
}

/// Takes back that a server is being tried again after failures: nobody learnt anything about it. Else
/// nginx would forget its failures when it is freed without another (`ngx_http_upstream_free_round_robin_peer`).
///
/// # Safety
///
/// `data` is that of a request that holds a server, whose group this worker has not locked.
pub(crate) unsafe fn forget_check(data: PeerData) {
    // SAFETY: the caller's promise; the reference keeps the server.
    unsafe {
        exclusively((*data).peers, || {
            // None, if the balancer is not nginx's.
            if let Some(peer) = (*data).current.as_mut() {
                peer.checked = peer.checked.min(peer.accessed);
            }
        });
    }
}

/// Takes a server for a request as nginx's own balancers do: counts the connection, holds a reference,
/// marks it as tried. The marks are about the primary servers as long as no balancer has turned to the
/// backups, and stay so when a backup is taken here. `false`: it is not available, and nothing happened.
///
/// # Safety
///
/// `data` is the round robin data of the request behind `pc`, whose balancer was not asked yet; the
/// member is one of the servers of `primary`, and neither group is locked.
#[inline(always)]
pub(crate) unsafe fn take(
    primary: Peers,
    member: &Member<Peer>,
    data: PeerData,
    failures: Failures,
    pc: *mut ngx_peer_connection_t,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        if member.backup {
            take_backup(primary, member, data, failures, pc)
        } else {
            take_from::<false>(primary, primary, member, data, failures, pc)
        }
    }
}

/// [`take`], apart for those who seldom need it.
///
/// # Safety
///
/// As for [`take`].
#[cold]
#[inline(never)]
pub(crate) unsafe fn take_out_of_line(
    primary: Peers,
    member: &Member<Peer>,
    data: PeerData,
    failures: Failures,
    pc: *mut ngx_peer_connection_t,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe { take(primary, member, data, failures, pc) }
}

/// Takes a server of the other group.
#[cold]
#[inline(never)]
unsafe fn take_backup(
    primary: Peers,
    member: &Member<Peer>,
    data: PeerData,
    failures: Failures,
    pc: *mut ngx_peer_connection_t,
) -> bool {
    // SAFETY: as in `take`.
    unsafe {
        let backups = (*primary).next;
        !backups.is_null() && take_from::<true>(primary, backups, member, data, failures, pc)
    }
}

/// Takes a server of this group, which knows whether it is that of the backups: nearly none is.
#[inline(always)]
unsafe fn take_from<const BACKUP: bool>(
    primary: Peers,
    peers: Peers,
    member: &Member<Peer>,
    data: PeerData,
    failures: Failures,
    pc: *mut ngx_peer_connection_t,
) -> bool {
    // SAFETY: as in `take`.
    unsafe {
        lock(peers);
        let taken = take_locked::<BACKUP>(primary, peers, member, data, failures, pc);
        unlock(peers);
        taken
    }
}

/// Takes a server of a group that is locked.
#[inline(always)]
unsafe fn take_locked<const BACKUP: bool>(
    primary: Peers,
    peers: Peers,
    member: &Member<Peer>,
    data: PeerData,
    failures: Failures,
    pc: *mut ngx_peer_connection_t,
) -> bool {
    // SAFETY: as in `take`. The generation is compared under the lock before the server is touched, so that
    // it is still there; the reference keeps it until `free`.
    unsafe {
        if generation_of(data) != current_generation(primary)
            || reason(peers, member, failures).is_some()
        {
            return false;
        }
        if !BACKUP {
            let (word, bit) = tried_bit(member, data);
            if *word & bit != 0 {
                return false;
            }
            *word |= bit;
        }

        let peer = member.peer;
        (*data).peers = peers;
        (*data).current = peer;
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        {
            (*peer).refs = (*peer).refs.wrapping_add(1);
        }
        (*peer).conns = (*peer).conns.wrapping_add(1);

        // The next request after `fail_timeout` is the one that tries a server again.
        let now = ngx_time();
        if now.wrapping_sub((*peer).checked) > (*peer).fail_timeout && (*peers).single() == 0 {
            (*peer).checked = now;
        }

        (*pc).set_cached(0);
        (*pc).connection = core::ptr::null_mut();
        (*pc).sockaddr = (*peer).sockaddr;
        (*pc).socklen = (*peer).socklen;
        (*pc).name = &raw mut (*peer).name;
        #[cfg(nginx_peer_sid)]
        {
            (*pc).sid = &raw mut (*peer).sid;
        }
        true
    }
}
