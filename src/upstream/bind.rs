//! The server that the cookie names is chosen.

use ngx::ffi::ngx_peer_connection_t;

use super::served::note_bound;
use super::strict;
use super::visit::{is_strict, servers_of, Visit};
use crate::nginx::peers::{take, take_out_of_line, Failures, Peers};

/// Chooses the first available server that the cookie names, and was not chosen before.
#[inline(always)]
pub(super) unsafe fn bind(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: the data below us is this request's, and the balancer was not asked yet.
    unsafe {
        if visit.conf.may_be_strict && is_strict(visit) {
            return strict::bind(visit, pc);
        }
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        // Where a server has not passed, it was named just now: nothing has changed since.
        match &mut visit.named {
            Some(named) if !named.passed => {
                named.passed = true;
                if !take(primary, &named.member, data, Failures::Counted, pc) {
                    return bind_next(visit, pc);
                }
            }
            _ => return bind_next(visit, pc),
        }
        note_bound(visit, pc);
        true
    }
}

/// [`bind`] where the first server that the cookie names could not be had.
#[cold]
#[inline(never)]
unsafe fn bind_next(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as in `bind`.
    unsafe {
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        loop {
            let servers = servers_of(visit);
            let Some((servers, named)) = servers.zip(visit.named.as_mut()) else {
                return false;
            };
            if named.advance(servers).is_none() {
                return false;
            }
            named.passed = true;
            if take_out_of_line(primary, &named.member, data, Failures::Counted, pc) {
                note_bound(visit, pc);
                return true;
            }
        }
    }
}
