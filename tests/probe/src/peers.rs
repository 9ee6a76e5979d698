//! The servers of an upstream, with their counters.

use std::fmt::Write;

use ngx::ffi::{
    ngx_http_upstream_rr_peer_t, ngx_http_upstream_rr_peers_t, ngx_http_upstream_srv_conf_t,
    ngx_rwlock_rlock, ngx_rwlock_unlock,
};

use crate::bytes;

pub(crate) type Peer = *mut ngx_http_upstream_rr_peer_t;
pub(crate) type Peers = *mut ngx_http_upstream_rr_peers_t;

/// The groups of an upstream: the primary servers, then the backups if there are any.
///
/// # Safety
///
/// The upstream is live and its load-balancing method one of nginx's.
pub(crate) unsafe fn groups(us: *mut ngx_http_upstream_srv_conf_t) -> impl Iterator<Item = Peers> {
    // SAFETY: the caller promises that the upstream is live; with nginx's methods, its data are peers.
    let primary: Peers = unsafe { (*us).peer.data }.cast();
    // SAFETY: the primary group of a live upstream is live.
    let backups = (!primary.is_null()).then(|| unsafe { (*primary).next });
    [Some(primary), backups]
        .into_iter()
        .flatten()
        .filter(|peers| !peers.is_null())
}

/// The servers of a list.
///
/// # Safety
///
/// The list is live and locked, or null.
pub(crate) unsafe fn list(first: Peer) -> impl Iterator<Item = Peer> {
    let live = |peer: Peer| (!peer.is_null()).then_some(peer);
    // SAFETY: the caller promises that the list is live and locked.
    core::iter::successors(live(first), move |peer| live(unsafe { (**peer).next }))
}

/// Holds the lock of a group; only groups in a zone have one.
pub(crate) struct Locked(Peers);

impl Locked {
    /// # Safety
    ///
    /// The group outlives this value, and this worker does not hold its lock.
    pub(crate) unsafe fn read(peers: Peers) -> Self {
        // SAFETY: the caller promises that the group is live, and not locked by this worker.
        unsafe {
            if !(*peers).shpool.is_null() {
                ngx_rwlock_rlock(&raw mut (*peers).rwlock);
            }
        }
        Locked(peers)
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: `read` has locked the group, which is still live.
        unsafe {
            if !(*self.0).shpool.is_null() {
                ngx_rwlock_unlock(&raw mut (*self.0).rwlock);
            }
        }
    }
}

/// Writes a line for each group, and one for each of its servers.
///
/// # Safety
///
/// As for [`groups`].
pub(crate) unsafe fn describe(us: *mut ngx_http_upstream_srv_conf_t, text: &mut String) {
    // SAFETY: the caller promises a live upstream with a method of nginx's, as `groups` requires.
    unsafe {
        let upstream = bytes((*us).host).escape_ascii();
        for (peers, group) in groups(us).zip(["primary", "backup"]) {
            let _locked = Locked::read(peers);
            // Writing to a String does not fail.
            _ = write!(
                text,
                "group upstream={upstream} group={group} number={} single={} weighted={} total_weight={}",
                (*peers).number,
                (*peers).single(),
                (*peers).weighted(),
                (*peers).total_weight
            );
            #[cfg(nginx_group_tries)]
            {
                _ = write!(text, " tries={}", (*peers).tries);
            }
            #[cfg(nginx_peer_refs)]
            if let Some(config) = (*peers).config.as_ref() {
                _ = write!(text, " config={config}");
            }
            text.push('\n');

            for peer in list((*peers).peer) {
                _ = write!(text, "peer upstream={upstream} group={group} ");
                describe_peer(peer, text);
            }
        }
    }
}

unsafe fn describe_peer(peer: Peer, text: &mut String) {
    // SAFETY: the peer's group is locked.
    unsafe {
        _ = write!(
            text,
            "name={} server={} conns={} max_conns={} fails={} max_fails={} fail_timeout={} \
             accessed={} checked={} weight={} effective_weight={} current_weight={} down={}",
            bytes((*peer).name).escape_ascii(),
            bytes((*peer).server).escape_ascii(),
            (*peer).conns,
            (*peer).max_conns,
            (*peer).fails,
            (*peer).max_fails,
            (*peer).fail_timeout,
            (*peer).accessed,
            (*peer).checked,
            (*peer).weight,
            (*peer).effective_weight,
            (*peer).current_weight,
            (*peer).down
        );
        #[cfg(nginx_peer_refs)]
        {
            _ = write!(text, " refs={} zombie={}", (*peer).refs, (*peer).zombie());
        }
    }
    text.push('\n');
}
