//! The servers of an upstream as nginx's balancers keep them, with their locks
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

/// A server. It may be gone: only a [group](Peers) of the same generation, which is locked, knows.
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

/// A group of servers, primary or backup. Only a `zone` has a lock.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Peers<'c>(NonNull<ngx_http_upstream_rr_peers_t>, PhantomData<&'c ()>);

#[cfg(nginx_upstream_check)]
extern "C" {
    /// Of nginx_upstream_check_module, compiled into nginx: whether its active check has marked a server down.
    fn ngx_http_upstream_check_peer_down(index: ngx_uint_t) -> ngx_uint_t;
}

/// nginx 1.29.6 and newer: the bit of `down` for draining (`NGX_HTTP_UPSTREAM_DRAINING`).
const DRAINING: ngx_uint_t = 8;

/// That bit, where nginx has it.
const DRAINING_OF_NGINX: ngx_uint_t = if cfg!(nginx_drain) { DRAINING } else { 0 };
impl<'c> Upstream<'c> {
    /// Returns the primary servers of an upstream whose balancer is based on round robin.
    #[inline(always)]
    pub(crate) fn primary(self) -> Option<Peers<'c>> {
        // SAFETY: the upstream is live; round robin has left its servers there.
        let peers = unsafe { (*self.as_ptr()).peer.data };
        NonNull::new(peers.cast()).map(|peers| Peers(peers, PhantomData))
    }

    /// Returns whether these look as round robin leaves them, also where no balancer has chosen a server yet: they lead to the
    /// upstream's name or, where they are in a zone, to the zone. What is read of those of another is not followed.
    pub(crate) fn has_round_robin_peers(self) -> bool {
        let Some(peers) = self.primary() else {
            return false;
        };
        // SAFETY: upstream and servers live as long as the cycle; what another balancer keeps is in a pool, which has room for so
        // much, and is only compared.
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
    /// Returns the group behind one of nginx's pointers, unless that is null.
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

    /// Returns the other group: of the primary servers, the backups.
    pub(crate) fn next(self) -> Option<Peers<'c>> {
        // SAFETY: the groups of an upstream live as long as its cycle.
        NonNull::new(unsafe { self.0.as_ref().next }).map(|peers| Peers(peers, PhantomData))
    }

    /// Returns the group to which a server belongs, seen from the primary one.
    #[inline(always)]
    pub(super) fn group_of(self, member: &Member<Peer>) -> Option<Peers<'c>> {
        if member.backup {
            self.next()
        } else {
            Some(self)
        }
    }

    /// Locks the group, so that no other worker reads or changes the servers.
    #[inline(always)]
    pub(super) fn lock(self) -> Locked<'c> {
        // SAFETY: the group is live, and this worker does not hold its lock: no function of this module that locks is
        // called while one is held (`ngx_http_upstream_rr_peers_wlock`).
        #[cfg(ngx_feature = "http_upstream_zone")]
        unsafe {
            if !(*self.as_ptr()).shpool.is_null() {
                ngx::ffi::ngx_rwlock_wlock(&raw mut (*self.as_ptr()).rwlock);
            }
        }
        Locked(self)
    }

    /// Locks the group, so that no other worker changes the servers; others may read them.
    pub(super) fn lock_for_reading(self) -> Locked<'c> {
        // SAFETY: the group is live, and this worker does not hold its lock: nothing that locks is called while one is
        // held (`ngx_http_upstream_rr_peers_rlock`).
        #[cfg(ngx_feature = "http_upstream_zone")]
        unsafe {
            if !(*self.as_ptr()).shpool.is_null() {
                ngx::ffi::ngx_rwlock_rlock(&raw mut (*self.as_ptr()).rwlock);
            }
        }
        Locked(self)
    }

    /// Returns the generation of the servers, which are locked: it changes when `resolve` brings or takes one.
    #[inline(always)]
    pub(super) fn generation(self) -> ngx_uint_t {
        // SAFETY: the group is live; `config` is null, or points into the zone.
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        let generation = unsafe { (*self.as_ptr()).config.as_ref().copied() };
        #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
        let generation = None;
        generation.unwrap_or_default()
    }

    /// Returns the generation of the servers, which may be changing.
    #[inline(always)]
    pub(crate) fn generation_now(self) -> ngx_uint_t {
        // SAFETY: the group is live; `config` is null, or points into the zone, where other workers write a word.
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

    /// Returns whether the upstream has one server only: nginx then looks at no failures.
    #[inline(always)]
    pub(crate) fn is_single(self) -> bool {
        // SAFETY: the group is live.
        unsafe { (*self.as_ptr()).single() != 0 }
    }
}

/// A group that is locked as long as this lives. Only a `zone` has a lock.
pub(super) struct Locked<'c>(Peers<'c>);

impl Drop for Locked<'_> {
    /// `ngx_http_upstream_rr_peers_unlock()`
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the group is live, and this worker has locked it.
        #[cfg(ngx_feature = "http_upstream_zone")]
        unsafe {
            if !(*self.0.as_ptr()).shpool.is_null() {
                ngx::ffi::ngx_rwlock_unlock(&raw mut (*self.0.as_ptr()).rwlock);
            }
        }
    }
}

/// Why nginx's own balancers would not choose a server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Reason {
    /// The configuration says `down`, or what stands for it.
    Down,
    /// It was said to be down at run time.
    TakenDown,
    /// An active check of nginx_upstream_check_module has marked it down.
    #[cfg(nginx_upstream_check)]
    CheckFailed,
    /// Too many failures: it is not tried up to this second.
    MaxFails(time_t),
    /// It has as many connections as it may have.
    MaxConns,
}

impl Reason {
    /// Returns whether it keeps a session away that may go over the limit of connections.
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

/// Returns why a server whose `down` is not 0 may not even keep its sessions.
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

/// Which failures count against a server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Failures {
    /// Those that nginx counts.
    Counted,
    /// None: the caller knows better whether the server accepts connections.
    Ignored,
}

impl Peers<'_> {
    /// Returns why nginx's own balancers could not choose this server of the group for a request that has not tried it
    /// (`ngx_http_upstream_get_peer`). A draining server may keep its sessions.
    ///
    /// # Safety
    ///
    /// The member is one of the group's generation, and the group is locked.
    #[inline(always)]
    pub(super) unsafe fn reason(self, member: &Member<Peer>, failures: Failures) -> Option<Reason> {
        // SAFETY: the member is a server of the group now, as the caller vouches, and the lock keeps it there.
        let peer = unsafe { &*member.peer.as_ptr() };
        // Nearly every server.
        if peer.down != 0 {
            if let Some(reason) = reason_of_down(peer.down, member) {
                return Some(reason);
            }
        }
        // SAFETY: the server is in this group, which is locked, as the caller vouches.
        unsafe { self.reason_beside_down(member.peer, failures) }
    }

    /// See [`reason`](Self::reason), of a server that is not down.
    ///
    /// # Safety
    ///
    /// The server is one of the group, and the group is locked.
    #[inline(always)]
    unsafe fn reason_beside_down(self, peer: Peer, failures: Failures) -> Option<Reason> {
        // SAFETY: the server is one of the group now, as the caller vouches, and the lock keeps it there.
        let peer = unsafe { &*peer.as_ptr() };
        #[cfg(nginx_upstream_check)]
        // SAFETY: nginx_upstream_check_module gives every server its index.
        if unsafe { ngx_http_upstream_check_peer_down(peer.check_index) } != 0 {
            return Some(Reason::CheckFailed);
        }
        // Failures of a single server are counted, but nobody looks at them.
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

    /// Does something with a server of this generation, which is locked for reading meanwhile; `None`: it may be gone. It is
    /// asked of the primary servers.
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

    /// Returns why nginx's own balancers could not choose a server of this generation; `None`: it may be gone.
    pub(crate) fn reason_of(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
        failures: Failures,
    ) -> Option<Option<Reason>> {
        self.with(member, generation, |peers| {
            // SAFETY: the generation was compared under the lock, which is still held, so the server is there.
            unsafe { peers.reason(member, failures) }
        })
    }

    /// Returns the address of a server of this generation; `None`: it may be gone.
    pub(crate) fn address_of(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
    ) -> Option<Address> {
        self.with(member, generation, |_| {
            // SAFETY: the generation was compared under the lock, which is still held, so the server is there.
            unsafe { Address::of(member.peer) }
        })
    }

    /// Returns what was said of a server of this generation at run time; `None`: it may be gone.
    pub(crate) fn control_of(
        self,
        member: &Member<Peer>,
        generation: ngx_uint_t,
    ) -> Option<Control> {
        self.with(member, generation, |_| {
            // SAFETY: the generation was compared under the lock, which is still held, so the server is there.
            Control::of(unsafe { (*member.peer.as_ptr()).down })
        })
    }

    /// Returns what a server is like now.
    ///
    /// # Safety
    ///
    /// The server is one of the group, and the group is locked.
    pub(super) unsafe fn look(self, peer: Peer) -> Look {
        // SAFETY: the server is one of the group now, as the caller vouches, and the lock keeps it there.
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

/// What a server is like at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    pub(crate) weight: ngx_int_t,
    pub(crate) connections: ngx_uint_t,
    /// 0: no limit.
    pub(crate) max_connections: ngx_uint_t,
    /// Whether the balancers take it for down. Before nginx has `drain`, that is also said of a server that drains.
    pub(crate) down: bool,
    /// What was said of it at run time.
    pub(crate) control: Control,
    /// Why else they would not choose it.
    pub(crate) reason: Option<Reason>,
}

impl Look {
    /// That of a server that is in no group.
    pub(super) const NONE: Self = Look {
        weight: 0,
        connections: 0,
        max_connections: 0,
        down: false,
        control: Control::None,
        reason: None,
    };
}

/// The address of a server as nginx prints it, copied: the server may go while it is in use.
pub(crate) struct Address {
    text: [u8; ADDRESS],
    length: usize,
}

/// The longest address is that of a unix socket (`NGX_SOCKADDR_STRLEN`).
pub(super) const ADDRESS: usize = 128;

impl Address {
    /// Returns the address of a server.
    ///
    /// # Safety
    ///
    /// The server is there: its group is locked, or the request holds it.
    pub(super) unsafe fn of(peer: Peer) -> Self {
        let mut text = [0; ADDRESS];
        // SAFETY: the server is there, as the caller vouches; its name is freed with it, and copied before this returns.
        let name = unsafe { bytes((*peer.as_ptr()).name) };
        text.iter_mut()
            .zip(name)
            .for_each(|(place, byte)| *place = *byte);
        Address {
            text,
            length: name.len(),
        }
    }

    /// Returns the address of a server in `text`, of which so much was written.
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

/// Returns the next server of a group that is locked, behind this one; the first, behind none.
///
/// # Safety
///
/// The group is locked, and `last` is none, or a server that is in the group now.
pub(super) unsafe fn after(peers: Peers<'_>, last: Option<Peer>) -> Option<Peer> {
    // SAFETY: the group is live and locked, and the last server is in its list, as the caller vouches: so is the next.
    let next = unsafe { last.map_or((*peers.as_ptr()).peer, |last| (*last.as_ptr()).next) };
    (!next.is_null()).then_some(Peer(next))
}

/// Returns the `server` line that a server comes of: its address as it was written, and whether it has `backup`.
///
/// A server that `resolve` has brought leads to the line's template: with `service=` its own text is another,
/// and it may stand among the backups because of its priority.
///
/// # Safety
///
/// The server is in a group of `primary` that is locked, and both outlive `'a`.
pub(super) unsafe fn line_of<'a>(primary: Peers<'_>, peer: Peer, backup: bool) -> (&'a [u8], bool) {
    let peer = peer.as_ptr();
    #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
    // SAFETY: the server is in a locked group, as the caller vouches; the template and its group live as long as the zone.
    unsafe {
        if let Some(host) = (*peer).host.as_ref() {
            return (
                bytes((*host.peer).server),
                host.peers == (*primary.as_ptr()).next,
            );
        }
    }
    let _ = primary;
    // SAFETY: the server is in a locked group, as the caller vouches, and its text lives as long as it is there.
    (unsafe { bytes((*peer).server) }, backup)
}

/// What names a server in itself.
pub(super) struct Names<'a> {
    /// Its address as nginx prints it.
    pub(super) name: &'a [u8],
    /// Its address as the system has it, a `struct sockaddr`.
    pub(super) address: &'a [u8],
    /// nginx's own `route=`.
    pub(super) route: Option<&'a [u8]>,
    /// Whether nginx itself read `drain` of it.
    pub(super) draining: bool,
    /// Whether `resolve` has brought it.
    pub(super) resolved: bool,
}

/// Returns what names a server.
///
/// # Safety
///
/// The server is in a group that is locked as long as `'a`.
pub(super) unsafe fn names_of<'a>(peer: Peer) -> Names<'a> {
    // SAFETY: the server is in a group that is locked for `'a`, as the caller vouches: it stays there, and its texts change
    // only under the lock.
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
