//! The round robin data of a request: which servers it may have, which it has tried, and which it has.

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

/// The data that every balancer of nginx begins with, for a request that lives for `'r`.
#[derive(Clone, Copy)]
pub(crate) struct RoundRobin<'r>(
    NonNull<ngx_http_upstream_rr_peer_data_t>,
    PhantomData<&'r ()>,
);

/// A server of a request as it is now.
pub(crate) struct Condition {
    pub(crate) address: Address,
    /// Why nginx's own balancers would not choose it.
    pub(crate) reason: Option<Reason>,
    /// Whether the request has tried it. Of backups nginx notes that only while it chooses among them.
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

/// The limits of `max_fails` and `fail_timeout` of a server.
pub(crate) struct FailureLimits {
    pub(crate) max_fails: ngx_uint_t,
    pub(crate) fail_timeout: time_t,
}

impl<'r> RoundRobin<'r> {
    /// Returns the data with which a balancer has prepared a request, unless it keeps other servers than the
    /// upstream's.
    #[inline(always)]
    pub(crate) fn of(pc: PeerConnection<'r>, upstream: Upstream<'_>) -> Option<Self> {
        // SAFETY: the connection and the upstream are live. The data of a balancer is as long as that of round robin: what
        // is read of another's is compared before it is believed.
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

    /// Returns the generation of the servers that the request began with.
    #[inline(always)]
    pub(crate) fn generation(self) -> ngx_uint_t {
        // Without zones nginx does not write it.
        #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
        // SAFETY: the data lives as long as the request.
        return unsafe { (*self.as_ptr()).config };
        #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
        0
    }

    /// Returns the server in use; `None`, if the balancer that has chosen it is not based on round robin.
    #[inline(always)]
    pub(crate) fn current(self) -> Option<Peer> {
        // SAFETY: the data lives as long as the request.
        let peer = unsafe { (*self.as_ptr()).current };
        (!peer.is_null()).then_some(Peer::new(peer))
    }

    /// Returns the address of the server in use.
    pub(crate) fn address(self) -> Option<Address> {
        // SAFETY: the request holds the server in use.
        self.current().map(|peer| unsafe { Address::of(peer) })
    }

    /// Returns the limits of the server in use.
    pub(crate) fn failure_limits(self) -> Option<FailureLimits> {
        let peer = self.current()?.as_ptr();
        // SAFETY: the request holds the server in use.
        unsafe {
            Some(FailureLimits {
                max_fails: (*peer).max_fails,
                fail_timeout: (*peer).fail_timeout,
            })
        }
    }

    /// Returns whether the upstream has one server only, which nginx tries whatever happened.
    pub(crate) fn is_single(self) -> bool {
        // SAFETY: the data lives as long as the request, and its servers as long as the cycle.
        unsafe { (*(*self.as_ptr()).peers).single() != 0 }
    }

    /// Returns whether the connection is named as round robin, and what is based on it, names one for which no server is
    /// available.
    pub(crate) fn names_group(self, pc: PeerConnection<'r>) -> bool {
        // SAFETY: data and connection live as long as the request, and the servers as long as the cycle.
        unsafe { (*pc.as_ptr()).name == (*(*self.as_ptr()).peers).name }
    }

    /// Returns whether the balancer has turned to the backups.
    pub(crate) fn is_among_backups(self, primary: Peers<'_>) -> bool {
        // SAFETY: the data lives as long as the request; the groups are only compared.
        let group = unsafe { Peers::at((*self.as_ptr()).peers) };
        group.is_some() && group == primary.next()
    }

    /// Lets the balancer, which has turned to the backups, choose one of them that it was given back unused.
    pub(crate) fn forget_backup(self, member: &Member<Peer>) {
        let (word, bit) = self.tried_bit(member);
        // SAFETY: the word is one of the request's bitmap, which has as many bits as the larger group has servers.
        unsafe { *word &= !bit };
    }

    /// Lets the balancer begin with the primary servers.
    pub(crate) fn begin_with(self, primary: Peers<'_>) {
        // SAFETY: the data lives as long as the request.
        unsafe { (*self.as_ptr()).peers = primary.as_ptr() }
    }

    /// Returns the word of the bitmap of those already tried, and the bit of a primary server in it.
    #[inline(always)]
    fn tried_bit(self, member: &Member<Peer>) -> (*mut usize, usize) {
        let bits = usize::BITS;
        // SAFETY: the bitmap has a bit for every primary server of the request's generation, of which the member is.
        let word = unsafe { (*self.as_ptr()).tried.add((member.index / bits) as usize) };
        (word, 1usize.wrapping_shl(member.index % bits))
    }

    fn has_tried(self, member: &Member<Peer>) -> bool {
        let (word, bit) = self.tried_bit(member);
        // SAFETY: the word is one of the request's bitmap, which has a bit for every primary server.
        !member.backup && unsafe { *word & bit != 0 }
    }

    /// Looks what became of a server; `None`: it may be gone.
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
        // SAFETY: the generation was compared under the lock, so the server is there.
        let (address, reason) =
            unsafe { (Address::of(member.peer), peers.reason(member, failures)) };
        Some(Condition {
            address,
            reason,
            tried: self.has_tried(member),
        })
    }

    /// Lets a server be taken once more for a request that it did not get. The bitmap is about the primary servers as long
    /// as the balancer was not asked.
    pub(crate) fn forget_try(self, member: &Member<Peer>) {
        if !member.backup {
            let (word, bit) = self.tried_bit(member);
            // SAFETY: the word is one of the request's bitmap, which has a bit for this primary server.
            unsafe { *word &= !bit };
        }
    }

    /// Takes back that the server in use is being tried again after failures: nobody learnt anything about it. Else
    /// nginx would forget its failures when it is freed without another (`ngx_http_upstream_free_round_robin_peer`).
    pub(crate) fn forget_check(self) {
        // SAFETY: the data lives as long as the request, and its servers as long as the cycle; the request holds the
        // server in use, of which nobody else is told while its group is locked.
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

    /// Takes a server for a request as nginx's own balancers do: counts the connection, holds a reference,
    /// marks it as tried. The marks are about the primary servers as long as no balancer has turned to the
    /// backups, and stay so when a backup is taken here. `false`: it is not available, and nothing happened.
    ///
    /// The balancer of the request was not asked yet.
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

    /// [`take`](Self::take), apart for those who seldom need it.
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

    /// [`take`](Self::take), also where the server has as many connections as it may have.
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

    /// Takes a server of the other group.
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

    /// Takes a server of this group, which knows whether it is that of the backups: nearly none is.
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
            // SAFETY: the group is locked, and its generation is that in which the server was counted: the server is there.
            || unsafe { peers.reason(member, failures) }
                .is_some_and(|reason| reason.keeps_away(full))
        {
            return false;
        }
        if !BACKUP {
            let (word, bit) = self.tried_bit(member);
            // SAFETY: the word is one of the request's bitmap, which has a bit for this primary server; nobody else holds a
            // reference to it.
            let word = unsafe { &mut *word };
            if *word & bit != 0 {
                return false;
            }
            *word |= bit;
        }
        // SAFETY: the generation was compared under the lock of the group, which is still held: the server is in it.
        unsafe { self.hold(peers, member.peer, pc) };
        debug!(pc, "session_sticky: candidate is selected");
        true
    }

    /// Gives the request a server that is there, and that it holds from now on: the reference keeps the server until it
    /// is freed.
    ///
    /// # Safety
    ///
    /// The server is in the group `peers`, which stays locked until this returns.
    #[inline(always)]
    unsafe fn hold(self, peers: Peers<'_>, peer: Peer, pc: PeerConnection<'r>) {
        // SAFETY: data and connection live as long as the request, and the server is in a locked group, as the caller vouches.
        unsafe {
            let (data, peer, pc) = (self.as_ptr(), peer.as_ptr(), pc.as_ptr());
            (*data).peers = peers.as_ptr();
            (*data).current = peer;
            #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
            {
                (*peer).refs = (*peer).refs.wrapping_add(1);
            }
            (*peer).conns = (*peer).conns.wrapping_add(1);

            // The next request after `fail_timeout` is the one that tries a server again.
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
