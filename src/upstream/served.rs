//! The server that serves a request, and what is noted of it.

use session_cookie::action::Settled;
use session_cookie::memory::OutOfMemory;

use super::known::{edition, id_of, KnownId};
use super::servers::{Edition, IdScheme};
use super::visit::{Served, Visit};
use crate::nginx::peer_connection::PeerConnection;

/// Notes the server that was chosen by the cookie.
#[inline(always)]
pub(super) fn note_bound(visit: &mut Visit<'_>, pc: PeerConnection<'_>) {
    visit.served = Served::Cookie;
    if let Some(named) = &visit.named {
        if named.scheme != IdScheme::Own || named.member.draining {
            note_unusual(visit, pc);
        }
    }
}

/// [`note_bound`] where the id is another one in the scheme of the policy, or where the server is draining.
#[cold]
#[inline(never)]
fn note_unusual(visit: &mut Visit<'_>, pc: PeerConnection<'_>) {
    let Some(named) = visit.named else {
        return;
    };
    if named.scheme != IdScheme::Own {
        // Those that share such an id may differ in that of the policy.
        // Where memory is short, the response fails.
        let _ = note_served(visit);
    }
    if named.member.draining {
        // The request is looked at when it is counted.
        visit.settled = Settled::No;
        grant_try(visit, pc);
    }
}

/// nginx counts the tries of a request by the servers that are not `down`, which a draining one is to the
/// balancers: without this, one that fails would leave no try for the others.
#[cold]
#[inline(never)]
fn grant_try(visit: &Visit<'_>, pc: PeerConnection<'_>) {
    let limit = visit.exchange.next_upstream_tries();
    if limit == 0 || pc.tries() < limit {
        pc.set_tries(pc.tries().saturating_add(1));
    }
}

/// Notes the id of the server in use. The roster may be counted anew while the request lives, so the id is copied.
#[inline]
pub(super) fn note_served(visit: &mut Visit<'_>) -> Result<(), OutOfMemory> {
    let data = visit.inner.round_robin();
    let edition = edition(visit.conf);
    let is_same = visit.edition == Edition::NONE || visit.edition == edition;
    let current = data.current().filter(|_| is_same);
    let known =
        current.map(|current| id_of(visit.conf, visit.upstream, data.generation(), current));
    match known {
        Some(KnownId::Md5(id, entry)) => {
            visit.edition = edition;
            visit.served = Served::Md5(id);
            visit.served_by = Some(entry);
            Ok(())
        }
        _ => {
            note_other(visit);
            visit.check_memory()
        }
    }
}

/// [`note_served`] where the servers have to be looked at.
#[cold]
#[inline(never)]
fn note_other(visit: &mut Visit<'_>) {
    visit.served = Served::Unknown;
    let Some(servers) = visit.servers() else {
        return;
    };
    visit.edition = servers.edition();
    let current = visit.inner.round_robin().current();
    let Some((id, entry)) = current.and_then(|current| servers.own.id_and_entry(current)) else {
        return;
    };
    visit.served_by = Some(entry);
    visit.served = match id.try_into() {
        Ok(id) => Served::Md5(id),
        Err(_) => match visit.request.pool().copy(id) {
            Some(id) => Served::Other(id),
            None => {
                visit.lacks_memory.set(true);
                Served::Unknown
            }
        },
    };
}
