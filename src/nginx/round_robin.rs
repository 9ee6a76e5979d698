//! The round-robin data of a request: the servers available to it, those it has tried, and the server in use.

use core::fmt::{self, Display, Formatter};
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_http_upstream_rr_peer_data_t, ngx_time, ngx_uint_t, time_t};
use session_cookie::policy::Full;
use session_cookie::roster::Member;

use super::peer_connection::PeerConnection;
use super::peers::{Address, Failures, Peer, Peers, Reason};
use super::upstream::Upstream;
use super::OrNone;
use crate::log::debug;

/// A handle of a request's round-robin data, valid for `'r`. The data of every nginx load-balancing method begins with it.
#[derive(Clone, Copy)]
pub(crate) struct RoundRobin<'r>(
    NonNull<ngx_http_upstream_rr_peer_data_t>,
    PhantomData<&'r ()>,
);

/// The current state of a server, as seen by a request.
pub(crate) struct Condition {
    pub(crate) address: Address,
    /// Why nginx's load-balancing methods would not select it.
    pub(crate) reason: Option<Reason>,
    /// Whether the request has tried it. nginx records this for a backup server only while it selects among the backup servers.
    pub(crate) tried: bool,
}

impl Display for Condition {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.reason {
            Some(reason) => write!(f, "{}, {reason}", self.address),
            None if self.tried => write!(f, "{}, tried", self.address),
            None => write!(f, "{}, available", self.address),
        }
    }
}

/// The `max_fails` and `fail_timeout` of a server.
pub(crate) struct FailureLimits {
    pub(crate) max_fails: ngx_uint_t,
    pub(crate) fail_timeout: time_t,
}

impl<'r> RoundRobin<'r> {
    /// Returns the data with which a load-balancing method has initialized a request, unless its servers are not those of the
    /// upstream.
    #[inline(always)]
    pub(crate) fn of(pc: PeerConnection<'r>, upstream: Upstream<'_>) -> Option<Self> {
        // SAFETY: the connection and the upstream are live. The data of any load-balancing method is at least as large as that of
        // round robin; what is read from it is only compared until it is known to be round robin's.
        unsafe {
            let data = NonNull::new((*pc.as_ptr()).data.cast())?;
            let this: Self = RoundRobin(data, PhantomData);
            let is_ours = (*this.as_ptr()).peers.cast() == (*upstream.as_ptr()).peer.data;
            is_ours.then_some(this)
        }
    }

    #[inline(always)]
    pub(super) fn as_ptr(self) -> *mut ngx_http_upstream_rr_peer_data_t {
        self.0.as_ptr()
    }

    /// Returns the generation of the servers when the request was initialized.
    #[inline(always)]
    pub(crate) fn generation(self) -> ngx_uint_t {
        // nginx sets it only if it is built with zones.
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        // SAFETY: the data lives as long as the request.
        return unsafe { (*self.as_ptr()).config };
        #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
        0
    }

    /// Returns the server in use; `None` if the method that selected it is not based on round robin.
    #[inline(always)]
    pub(crate) fn current(self) -> Option<Peer> {
        // SAFETY: the data lives as long as the request.
        let peer = unsafe { (*self.as_ptr()).current };
        (!peer.is_null()).then_some(Peer::new(peer))
    }

    /// Returns the address of the server in use.
    pub(crate) fn address(self) -> Option<Address> {
        // SAFETY: the request holds a reference to the server in use.
        self.current().map(|peer| unsafe { Address::of(peer) })
    }

    /// Returns the limits of the server in use.
    pub(crate) fn failure_limits(self) -> Option<FailureLimits> {
        let peer = self.current()?.as_ptr();
        // SAFETY: the request holds a reference to the server in use.
        unsafe {
            Some(FailureLimits {
                max_fails: (*peer).max_fails,
                fail_timeout: (*peer).fail_timeout,
            })
        }
    }

    /// Returns whether the upstream has a single server, which nginx tries regardless of failures.
    pub(crate) fn is_single(self) -> bool {
        // SAFETY: the data lives as long as the request, and its servers as long as the cycle.
        unsafe { (*(*self.as_ptr()).peers).single() != 0 }
    }

    /// Returns whether the connection has the name of the group, which methods based on round robin set if no server is
    /// available.
    pub(crate) fn names_group(self, pc: PeerConnection<'r>) -> bool {
        // SAFETY: data and connection live as long as the request, and the servers as long as the cycle.
        unsafe { (*pc.as_ptr()).name == (*(*self.as_ptr()).peers).name }
    }

    /// Returns whether the load-balancing method has moved to the backup servers.
    pub(crate) fn is_among_backups(self, primary: Peers<'_>) -> bool {
        // SAFETY: the data lives as long as the request; the groups are only compared.
        let group = unsafe { Peers::at((*self.as_ptr()).peers) };
        group.is_some() && group == primary.next()
    }

    /// Clears the tried mark of a backup server that was released unused, so that the load-balancing method, which has moved to
    /// the backup servers, can select it again.
    pub(crate) fn forget_backup(self, member: &Member<Peer>) {
        let (word, bit) = self.tried_bit(member);
        // SAFETY: the word is part of the request's bitmap, which has a bit for each server of the larger group.
        unsafe { *word &= !bit };
    }

    /// Makes the load-balancing method begin with the primary servers.
    pub(crate) fn begin_with(self, primary: Peers<'_>) {
        // SAFETY: the data lives as long as the request.
        unsafe { (*self.as_ptr()).peers = primary.as_ptr() }
    }

    /// Returns the word of the bitmap of tried servers that contains a server's bit, and the bit.
    #[inline(always)]
    fn tried_bit(self, member: &Member<Peer>) -> (*mut usize, usize) {
        let bits = usize::BITS;
        // SAFETY: the bitmap has a bit for each server of the larger group of the request's generation, to which the member
        // belongs.
        let word = unsafe { (*self.as_ptr()).tried.add((member.index / bits) as usize) };
        (word, 1usize.wrapping_shl(member.index % bits))
    }

    fn has_tried(self, member: &Member<Peer>) -> bool {
        let (word, bit) = self.tried_bit(member);
        // SAFETY: the word is part of the request's bitmap, which has a bit for each primary server.
        !member.backup && unsafe { *word & bit != 0 }
    }

    /// Returns the current state of a server; `None` if it may have been removed.
    pub(crate) fn condition(
        self,
        primary: Peers<'_>,
        member: &Member<Peer>,
        failures: Failures,
    ) -> Option<Condition> {
        let peers = primary.group_of(member)?;
        let _locked = peers.lock();
        if self.generation() != primary.generation() {
            return None;
        }
        // SAFETY: the generation was compared under the lock, so the server exists.
        let (address, reason) =
            unsafe { (Address::of(member.peer), peers.reason(member, failures)) };
        Some(Condition {
            address,
            reason,
            tried: self.has_tried(member),
        })
    }

    /// Clears the tried mark of a server that the request did not get. Before the load-balancing method is called, only primary
    /// servers have such marks.
    pub(crate) fn forget_try(self, member: &Member<Peer>) {
        if !member.backup {
            let (word, bit) = self.tried_bit(member);
            // SAFETY: the word is part of the request's bitmap, which has a bit for this primary server.
            unsafe { *word &= !bit };
        }
    }

    /// Clears the mark of the server in use as being tested after failures, because the test had no result. Otherwise, nginx
    /// would reset its failures on release (`ngx_http_upstream_free_round_robin_peer`).
    pub(crate) fn forget_check(self) {
        // SAFETY: the data lives as long as the request, and its servers as long as the cycle. The request holds a reference to
        // the server in use; no other reference to it is used while its group is locked.
        unsafe {
            let Some(peers) = Peers::at((*self.as_ptr()).peers) else {
                return;
            };
            let _locked = peers.lock();
            if let Some(peer) = (*self.as_ptr()).current.as_mut() {
                peer.checked = peer.checked.min(peer.accessed);
            }
        }
    }

    /// Takes a server for a request as nginx's load-balancing methods do: counts the connection, holds a reference, and marks the
    /// server as tried. The marks are those of the primary servers until the load-balancing method moves to the backup servers,
    /// so taking a backup server here sets none. Returns `false`, without any effect, if the server is not available.
    ///
    /// To be called before the request's load-balancing method.
    #[inline(always)]
    pub(crate) fn take(
        self,
        primary: Peers<'_>,
        member: &Member<Peer>,
        failures: Failures,
        pc: PeerConnection<'r>,
    ) -> bool {
        if member.backup {
            self.take_backup(primary, member, failures, Full::Move, pc)
        } else {
            self.take_from::<false>(primary, primary, member, failures, Full::Move, pc)
        }
    }

    /// [`take`](Self::take) as a function that is not inlined, for callers that rarely need it.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_out_of_line(
        self,
        primary: Peers<'_>,
        member: &Member<Peer>,
        failures: Failures,
        pc: PeerConnection<'r>,
    ) -> bool {
        self.take(primary, member, failures, pc)
    }

    /// [`take`](Self::take), even if the server has reached its limit on connections.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_over_limit(
        self,
        primary: Peers<'_>,
        member: &Member<Peer>,
        failures: Failures,
        pc: PeerConnection<'r>,
    ) -> bool {
        if member.backup {
            self.take_backup(primary, member, failures, Full::Over, pc)
        } else {
            self.take_from::<false>(primary, primary, member, failures, Full::Over, pc)
        }
    }

    /// Takes a server from the backup group.
    #[cold]
    #[inline(never)]
    fn take_backup(
        self,
        primary: Peers<'_>,
        member: &Member<Peer>,
        failures: Failures,
        full: Full,
        pc: PeerConnection<'r>,
    ) -> bool {
        (primary.next()).is_some_and(|backups| {
            self.take_from::<true>(primary, backups, member, failures, full, pc)
        })
    }

    /// Takes a server from this group. `BACKUP` is a constant because nearly all servers are primary.
    #[inline(always)]
    fn take_from<const BACKUP: bool>(
        self,
        primary: Peers<'_>,
        peers: Peers<'_>,
        member: &Member<Peer>,
        failures: Failures,
        full: Full,
        pc: PeerConnection<'r>,
    ) -> bool {
        debug!(
            pc,
            "session_sticky: candidate {}",
            OrNone(self.condition(primary, member, failures))
        );
        let _locked = peers.lock();
        if self.generation() != primary.generation()
            // SAFETY: the group is locked, and its generation is still the request's, to which the server belongs, so it exists.
            || unsafe { peers.reason(member, failures) }
                .is_some_and(|reason| reason.keeps_away(full))
        {
            return false;
        }
        if !BACKUP {
            let (word, bit) = self.tried_bit(member);
            // SAFETY: the word is part of the request's bitmap, which has a bit for this primary server; no other reference to it
            // exists.
            let word = unsafe { &mut *word };
            if *word & bit != 0 {
                return false;
            }
            *word |= bit;
        }
        // SAFETY: the generation was compared under the lock of the group, which is still held, so the server is in it.
        unsafe { self.hold(peers, member.peer, pc) };
        debug!(pc, "session_sticky: candidate is selected");
        true
    }

    /// Assigns a server to the request and holds a reference to it, which keeps the server until it is released.
    ///
    /// # Safety
    ///
    /// The server is in the group `peers`, which stays locked until this returns.
    #[inline(always)]
    unsafe fn hold(self, peers: Peers<'_>, peer: Peer, pc: PeerConnection<'r>) {
        // SAFETY: data and connection live as long as the request; the caller guarantees that the server is in a locked group.
        unsafe {
            let (data, peer, pc) = (self.as_ptr(), peer.as_ptr(), pc.as_ptr());
            (*data).peers = peers.as_ptr();
            (*data).current = peer;
            #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
            {
                (*peer).refs = (*peer).refs.wrapping_add(1);
            }
            (*peer).conns = (*peer).conns.wrapping_add(1);

            // Once `fail_timeout` has passed, a single request tests the server again: this one.
            let now = ngx_time();
            if now.wrapping_sub((*peer).checked) > (*peer).fail_timeout && !peers.is_single() {
                (*peer).checked = now;
            }

            (*pc).set_cached(0);
            (*pc).connection = ptr::null_mut();
            (*pc).sockaddr = (*peer).sockaddr;
            (*pc).socklen = (*peer).socklen;
            (*pc).name = &raw mut (*peer).name;
            #[cfg(nginx_peer_sid)]
            {
                (*pc).sid = &raw mut (*peer).sid;
            }
        }
    }
}
