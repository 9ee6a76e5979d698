//! The servers of an upstream in nginx's round-robin data structures, and the locks of these
//! (`src/http/ngx_http_upstream_round_robin.h` of each supported version).

use core::fmt::{self, Display, Formatter};
use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_http_upstream_rr_peer_t, ngx_http_upstream_rr_peers_t, ngx_int_t, ngx_time, ngx_uint_t,
    time_t,
};
use session_cookie::policy::Full;
use session_cookie::roster::Member;

use super::control_bits::{Control, CONTROLLED};
use super::time::Clock;
use super::upstream::Upstream;
use super::{bytes, Printable};

/// A server. It may have been removed, unless a [group](Peers) of the same generation is locked or a request holds the server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Peer(*mut ngx_http_upstream_rr_peer_t);

impl Peer {
    /// No server.
    pub(crate) const NONE: Self = Peer(core::ptr::null_mut());

    pub(super) fn new(peer: *mut ngx_http_upstream_rr_peer_t) -> Self {
        Peer(peer)
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut ngx_http_upstream_rr_peer_t {
        self.0
    }
}

/// A group of servers, primary or backup. It has a lock only if the upstream has a `zone`.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Peers<'c>(NonNull<ngx_http_upstream_rr_peers_t>, PhantomData<&'c ()>);

#[cfg(nginx_upstream_check)]
extern "C" {
    /// Provided by nginx_upstream_check_module: returns whether its active check has marked a server down.
    fn ngx_http_upstream_check_peer_down(index: ngx_uint_t) -> ngx_uint_t;
}

/// The bit of `down` for draining in nginx 1.29.6 and newer (`NGX_HTTP_UPSTREAM_DRAINING`).
const DRAINING: ngx_uint_t = 8;

/// The same bit if this nginx has it, otherwise 0.
const DRAINING_OF_NGINX: ngx_uint_t = if cfg!(nginx_drain) { DRAINING } else { 0 };
impl<'c> Upstream<'c> {
    /// Returns the primary servers of an upstream whose load-balancing method is based on round robin.
    #[inline(always)]
    pub(crate) fn primary(self) -> Option<Peers<'c>> {
        // SAFETY: the upstream is live; round robin sets `data` to its servers.
        let peers = unsafe { (*self.as_ptr()).peer.data };
        NonNull::new(peers.cast()).map(|peers| Peers(peers, PhantomData))
    }

    /// Returns whether the upstream has the data structures of round robin, even if no server has been selected yet: they point
    /// to the upstream's name, or to its zone if it has one. Pointers in another method's data are only compared.
    pub(crate) fn has_round_robin_peers(self) -> bool {
        let Some(peers) = self.primary() else {
            return false;
        };
        // SAFETY: upstream and servers live as long as the cycle. The data of another method is in a pool, which has room for
        // the members read here; they are only compared.
        unsafe {
            let us = self.as_ptr();
            if (*peers.as_ptr()).name == &raw mut (*us).host {
                return true;
            }
            #[cfg(ngx_feature = "http_upstream_zone")]
            if let Some(zone) = (*us).shm_zone.as_ref() {
                return (*peers.as_ptr()).shpool.cast() == zone.shm.addr;
            }
            false
        }
    }
}

impl<'c> Peers<'c> {
    /// Creates the handle of a group, unless the pointer is null.
    ///
    /// # Safety
    ///
    /// `peers` is null, or a group that lives for `'c`.
    pub(super) unsafe fn at(peers: *mut ngx_http_upstream_rr_peers_t) -> Option<Self> {
        NonNull::new(peers).map(|peers| Peers(peers, PhantomData))
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut ngx_http_upstream_rr_peers_t {
        self.0.as_ptr()
    }

    /// Returns the next group: for the primary servers, the backup servers.
    pub(crate) fn next(self) -> Option<Peers<'c>> {
        // SAFETY: the groups of an upstream live as long as its cycle.
        NonNull::new(unsafe { self.0.as_ref().next }).map(|peers| Peers(peers, PhantomData))
    }

    /// Returns the group to which a server belongs; `self` is the primary group.
    #[inline(always)]
    pub(super) fn group_of(self, member: &Member<Peer>) -> Option<Peers<'c>> {
        if member.backup {
            self.next()
        } else {
            Some(self)
        }
    }

    /// Locks the group for writing: no other worker process reads or changes the servers while it is locked.
    #[inline(always)]
    pub(super) fn lock(self) -> Locked<'c> {
        // SAFETY: the group is live, and this worker does not hold its lock: no function of this module that takes a lock is
        // called while one is held (`ngx_http_upstream_rr_peers_wlock`).
        #[cfg(ngx_feature = "http_upstream_zone")]
        unsafe {
            if !(*self.as_ptr()).shpool.is_null() {
                ngx::ffi::ngx_rwlock_wlock(&raw mut (*self.as_ptr()).rwlock);
            }
        }
        Locked(self)
    }

    /// Locks the group for reading: no other worker process changes the servers while it is locked.
    pub(super) fn lock_for_reading(self) -> Locked<'c> {
        // SAFETY: the group is live, and this worker does not hold its lock: no function of this module that takes a lock is
        // called while one is held (`ngx_http_upstream_rr_peers_rlock`).
        #[cfg(ngx_feature = "http_upstream_zone")]
        unsafe {
            if !(*self.as_ptr()).shpool.is_null() {
                ngx::ffi::ngx_rwlock_rlock(&raw mut (*self.as_ptr()).rwlock);
            }
        }
        Locked(self)
    }

    /// Returns the generation of the servers, which must be locked. It changes when `resolve` adds or removes a server.
    #[inline(always)]
    pub(super) fn generation(self) -> ngx_uint_t {
        // SAFETY: the group is live; `config` is null or points into the zone.
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        let generation = unsafe { (*self.as_ptr()).config.as_ref().copied() };
        #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
        let generation = None;
        generation.unwrap_or_default()
    }

    /// Returns the generation of the servers without a lock; it may change at any time.
    #[inline(always)]
    pub(crate) fn generation_now(self) -> ngx_uint_t {
        // SAFETY: the group is live; `config` is null or points to a word in the zone, which other workers may be writing.
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        let generation = unsafe {
            (*self.as_ptr())
                .config
                .as_ref()
                .map(|config| core::ptr::from_ref(config).read_volatile())
        };
        #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
        let generation = None;
        generation.unwrap_or_default()
    }

    /// Returns whether the upstream has a single server, whose failures nginx ignores.
    #[inline(always)]
    pub(crate) fn is_single(self) -> bool {
        // SAFETY: the group is live.
        unsafe { (*self.as_ptr()).single() != 0 }
    }
}

/// The lock of a group, released on drop. A group without a `zone` has none.
pub(super) struct Locked<'c>(Peers<'c>);

impl Drop for Locked<'_> {
    /// `ngx_http_upstream_rr_peers_unlock()`
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the group is live and was locked by this worker.
        #[cfg(ngx_feature = "http_upstream_zone")]
        unsafe {
            if !(*self.0.as_ptr()).shpool.is_null() {
                ngx::ffi::ngx_rwlock_unlock(&raw mut (*self.0.as_ptr()).rwlock);
            }
        }
    }
}

/// Why nginx's load-balancing methods do not select a server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Reason {
    /// Its `down` is set, by the configuration or by another module.
    Down,
    /// It was set to down at run time.
    TakenDown,
    /// An active check of nginx_upstream_check_module has marked it down.
    #[cfg(nginx_upstream_check)]
    CheckFailed,
    /// Too many failures: it is not tried again until this second has passed.
    MaxFails(time_t),
    /// It has reached its limit on connections.
    MaxConns,
}

impl Reason {
    /// Returns whether a session must not use the server. With `Full::Over`, sessions may exceed the limit on connections.
    pub(crate) fn keeps_away(self, full: Full) -> bool {
        full == Full::Move || self != Reason::MaxConns
    }
}

impl Display for Reason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Down => f.write_str("down"),
            Reason::TakenDown => f.write_str("down by session_sticky_control"),
            #[cfg(nginx_upstream_check)]
            Reason::CheckFailed => f.write_str("active check failed"),
            Reason::MaxFails(until) => write!(f, "max_fails until {}", Clock(*until)),
            Reason::MaxConns => f.write_str("max_conns"),
        }
    }
}

/// Returns why a server with a nonzero `down` is not available even to its sessions.
#[cold]
#[inline(never)]
fn reason_of_down(down: ngx_uint_t, member: &Member<Peer>) -> Option<Reason> {
    if Control::of(down) == Control::Down {
        return Some(Reason::TakenDown);
    }
    let is_down = if cfg!(nginx_drain) {
        down & !(DRAINING | CONTROLLED) != 0
    } else {
        down & !CONTROLLED != 0 && !member.draining
    };
    is_down.then_some(Reason::Down)
}

/// Which failures make a server unavailable.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Failures {
    /// Those counted by nginx.
    Counted,
    /// None: the caller has better knowledge of whether the server accepts connections.
    Ignored,
}

impl Peers<'_> {
    /// Returns why nginx's load-balancing methods would not select this server for a request that has not tried it yet
    /// (`ngx_http_upstream_get_peer`). A draining server is available to its sessions.
    ///
    /// # Safety
    ///
    /// The member belongs to the group's current generation, and the group is locked.
    #[inline(always)]
    pub(super) unsafe fn reason(self, member: &Member<Peer>, failures: Failures) -> Option<Reason> {
        // SAFETY: the caller guarantees that the member is in the group, where the lock keeps it.
        let peer = unsafe { &*member.peer.as_ptr() };
        // Nearly all servers have 0.
        if peer.down != 0 {
            if let Some(reason) = reason_of_down(peer.down, member) {
                return Some(reason);
            }
        }
        // SAFETY: the caller guarantees that the server is in this group, which is locked.
        unsafe { self.reason_beside_down(member.peer, failures) }
    }

    /// See [`reason`](Self::reason); ignores `down`.
    ///
    /// # Safety
    ///
    /// The server is in the group, and the group is locked.
    #[inline(always)]
    unsafe fn reason_beside_down(self, peer: Peer, failures: Failures) -> Option<Reason> {
        // SAFETY: the caller guarantees that the server is in the group, where the lock keeps it.
        let peer = unsafe { &*peer.as_ptr() };
        #[cfg(nginx_upstream_check)]
        // SAFETY: nginx_upstream_check_module sets the index of each server.
        if unsafe { ngx_http_upstream_check_peer_down(peer.check_index) } != 0 {
            return Some(Reason::CheckFailed);
        }
        // nginx counts the failures of a single server but ignores them.
        if failures == Failures::Counted
            && peer.max_fails != 0
            && peer.fails >= peer.max_fails
            && !self.is_single()
            && ngx_time().wrapping_sub(peer.checked) <= peer.fail_timeout
        {
            let until = peer.checked.saturating_add(peer.fail_timeout);
            return Some(Reason::MaxFails(until));
        }
        (peer.max_conns != 0 && peer.conns >= peer.max_conns).then_some(Reason::MaxConns)
    }

    /// Calls `work` for a server of this generation with its group locked for reading. Returns `None` if the generation has
    /// changed, as the server may have been removed. `self` is the primary group.
    fn with<T>(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
        work: impl FnOnce(Peers<'_>) -> T,
    ) -> Option<T> {
        let peers = self.group_of(member)?;
        let _locked = peers.lock_for_reading();
        (self.generation() == generation).then(|| work(peers))
    }

    /// Calls [`reason`](Self::reason) for a server of this generation; `None` if it may have been removed.
    pub(crate) fn reason_of(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
        failures: Failures,
    ) -> Option<Option<Reason>> {
        self.with(member, generation, |peers| {
            // SAFETY: the generation was compared under the lock, which is still held, so the server exists.
            unsafe { peers.reason(member, failures) }
        })
    }

    /// Returns the address of a server of this generation; `None` if it may have been removed.
    pub(crate) fn address_of(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
    ) -> Option<Address> {
        self.with(member, generation, |_| {
            // SAFETY: the generation was compared under the lock, which is still held, so the server exists.
            unsafe { Address::of(member.peer) }
        })
    }

    /// Returns the state set at run time of a server of this generation; `None` if it may have been removed.
    pub(crate) fn control_of(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
    ) -> Option<Control> {
        self.with(member, generation, |_| {
            // SAFETY: the generation was compared under the lock, which is still held, so the server exists.
            Control::of(unsafe { (*member.peer.as_ptr()).down })
        })
    }

    /// Returns the current state of a server.
    ///
    /// # Safety
    ///
    /// The server is in the group, and the group is locked.
    pub(super) unsafe fn look(self, peer: Peer) -> Look {
        // SAFETY: the caller guarantees that the server is in the group, where the lock keeps it.
        unsafe {
            let server = &*peer.as_ptr();
            Look {
                weight: server.weight,
                connections: server.conns,
                max_connections: server.max_conns,
                down: server.down & !(DRAINING_OF_NGINX | CONTROLLED) != 0,
                control: Control::of(server.down),
                reason: self.reason_beside_down(peer, Failures::Counted),
            }
        }
    }
}

/// The state of a server at one moment.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) weight: ngx_int_t,
    pub(crate) connections: ngx_uint_t,
    /// 0 means no limit.
    pub(crate) max_connections: ngx_uint_t,
    /// Whether the load-balancing methods consider it down. Before nginx had `drain`, this includes a draining server.
    pub(crate) down: bool,
    /// The state set at run time.
    pub(crate) control: Control,
    /// Why else they would not select it.
    pub(crate) reason: Option<Reason>,
}

impl Look {
    /// The state of a server that is in no group.
    pub(super) const NONE: Self = Look {
        weight: 0,
        connections: 0,
        max_connections: 0,
        down: false,
        control: Control::None,
        reason: None,
    };
}

/// A copy of a server's address as nginx prints it. The server may be removed while the copy is in use.
pub(crate) struct Address {
    text: [u8; ADDRESS],
    length: usize,
}

/// The maximum length of an address, that of a unix socket (`NGX_SOCKADDR_STRLEN`).
pub(super) const ADDRESS: usize = 128;

impl Address {
    /// Copies the address of a server.
    ///
    /// # Safety
    ///
    /// The server exists: its group is locked, or the request holds it.
    pub(super) unsafe fn of(peer: Peer) -> Self {
        let mut text = [0; ADDRESS];
        // SAFETY: the caller guarantees that the server exists; its name is freed with it, and copied before this returns.
        let name = unsafe { bytes((*peer.as_ptr()).name) };
        text.iter_mut()
            .zip(name)
            .for_each(|(place, byte)| *place = *byte);
        Address {
            text,
            length: name.len(),
        }
    }

    /// Returns the address that was printed into `text`, with its length.
    pub(super) fn printed(text: [u8; ADDRESS], length: usize) -> Self {
        Address { text, length }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or(&self.text)
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printable(self.as_bytes()).fmt(f)
    }
}

/// Returns the server after `last` in a group, or the first server if `last` is `None`.
///
/// # Safety
///
/// The group is locked, and `last`, if given, is in it.
pub(super) unsafe fn after(peers: Peers<'_>, last: Option<Peer>) -> Option<Peer> {
    // SAFETY: the caller guarantees that the group is locked and that `last` is in its list, and so is the next server.
    let next = unsafe { last.map_or((*peers.as_ptr()).peer, |last| (*last.as_ptr()).next) };
    (!next.is_null()).then_some(Peer(next))
}

/// Returns the `server` directive of a server: the address as written, and whether it has `backup`.
///
/// A server added by `resolve` refers to the directive's template. With `service=`, its own text differs from the directive's,
/// and its priority may put it in the backup group.
///
/// # Safety
///
/// The server is in a locked group of `primary`, and both outlive `'a`.
pub(super) unsafe fn line_of<'a>(primary: Peers<'_>, peer: Peer, backup: bool) -> (&'a [u8], bool) {
    let peer = peer.as_ptr();
    #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
    // SAFETY: the caller guarantees that the server is in a locked group. The template and its group live as long as the zone.
    unsafe {
        if let Some(host) = (*peer).host.as_ref() {
            return (
                bytes((*host.peer).server),
                host.peers == (*primary.as_ptr()).next,
            );
        }
    }
    let _ = primary;
    // SAFETY: the caller guarantees that the server is in a locked group; its text lives as long as the server.
    (unsafe { bytes((*peer).server) }, backup)
}

/// The properties of a server that identify it, and how it was configured.
pub(super) struct Names<'a> {
    /// The address as nginx prints it.
    pub(super) name: &'a [u8],
    /// The address as a `struct sockaddr`.
    pub(super) address: &'a [u8],
    /// The value of nginx's own `route=`.
    pub(super) route: Option<&'a [u8]>,
    /// Whether the server has nginx's own `drain`.
    pub(super) draining: bool,
    /// Whether `resolve` has added it.
    pub(super) resolved: bool,
}

/// Returns the names of a server.
///
/// # Safety
///
/// The server is in a group that is locked for `'a`.
pub(super) unsafe fn names_of<'a>(peer: Peer) -> Names<'a> {
    // SAFETY: the caller guarantees that the server's group is locked for `'a`; the server and its texts change only under the
    // lock.
    unsafe {
        let peer = peer.as_ptr();
        #[cfg(nginx_peer_sid)]
        let route = ((*peer).route() != 0).then(|| bytes((*peer).sid));
        #[cfg(not(nginx_peer_sid))]
        let route = None;
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        let resolved = !(*peer).host.is_null();
        #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
        let resolved = false;
        Names {
            name: bytes((*peer).name),
            address: core::slice::from_raw_parts((*peer).sockaddr.cast(), (*peer).socklen as usize),
            route,
            draining: cfg!(nginx_drain) && (*peer).down & DRAINING != 0,
            resolved,
        }
    }
}
