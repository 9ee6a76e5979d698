//! The server that serves a request, and what is noted of it.

use ngx::ffi::ngx_peer_connection_t;
use session_cookie::id::MD5_HEX;

use super::servers::Form;
use super::visit::{servers_of, Visit};
use crate::nginx::peers::PeerData;
use crate::nginx::pool;

/// Notes the server that was chosen by the cookie.
#[inline(always)]
pub(super) unsafe fn note_bound(visit: &mut Visit, pc: *mut ngx_peer_connection_t) {
    visit.served = visit.reading.session.id;
    if let Some(named) = &visit.named {
        if named.form != Form::Own || named.member.draining {
            // SAFETY: as in `bind`.
            unsafe { note_unusual(visit, pc) };
        }
    }
}

/// The same where its id is another one in our own form, or where it is draining.
#[cold]
#[inline(never)]
unsafe fn note_unusual(visit: &mut Visit, pc: *mut ngx_peer_connection_t) {
    let Some(named) = visit.named else {
        return;
    };
    // SAFETY: as in `bind`.
    unsafe {
        if named.form != Form::Own {
            // Those that share such an id may differ in our own form.
            visit.served = served(visit, visit.below.round_robin());
        }
        if named.member.draining {
            grant_try(visit, pc);
        }
    }
}

/// nginx counts the tries of a request by the servers that are not `down`, which a draining one is to the
/// balancers: without this, one that fails would leave no try for the others.
#[cold]
#[inline(never)]
unsafe fn grant_try(visit: &Visit, pc: *mut ngx_peer_connection_t) {
    // SAFETY: as in `bind`; a connection to an upstream has its configuration.
    unsafe {
        let limit = (*(*visit.connection).conf).next_upstream_tries;
        if limit == 0 || (*pc).tries < limit {
            (*pc).tries = (*pc).tries.saturating_add(1);
        }
    }
}

/// The id of the server that the balancer chose, for as long as the request lives.
#[inline]
pub(super) unsafe fn served(visit: &mut Visit, data: PeerData) -> &'static [u8] {
    // SAFETY: as in `bind`. The roster may be counted anew while the request lives, so the id is copied.
    unsafe {
        let Some(servers) = servers_of(visit) else {
            return &[];
        };
        visit.edition = servers.edition();
        match servers.own.id((*data).current) {
            // The visit stays where it is, in the request's pool.
            Some(id) => match id.try_into() {
                Ok(id) => {
                    visit.md5.write(id);
                    core::slice::from_raw_parts(visit.md5.as_ptr().cast(), MD5_HEX)
                }
                Err(_) => pool::copy((*visit.request).pool, id).unwrap_or_default(),
            },
            None => &[],
        }
    }
}
