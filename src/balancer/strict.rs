//! Strict sessions, of `fallback=off` and the like: no server of another id serves them.
//!
//! A request of such a session has as many tries as servers with its id are left. With one try left nginx passes
//! on whatever the server answers (`ngx_http_upstream_test_next`), and a timeout is 504, as for a server that has
//! no equal. Failures that nginx counts do not turn a session away, since there is nowhere else to go: only a server
//! that does not accept connections does ([`Unreachable`]).

use ngx::ffi::{ngx_peer_connection_t, ngx_uint_t};
use session_cookie::roster::{Member, Named, Roster};
use session_cookie::unreachable::Unreachable;

use super::{now, served, servers_of, Candidate, Visit};
use crate::nginx::peers::{condition, take_out_of_line, Address, Failures, Peer, Peers};
use crate::servers::Form;

/// Chooses a server that the cookie names and that was not chosen before: the first that nginx's balancers would
/// choose, else the first that accepts connections.
#[cold]
#[inline(never)]
pub(super) unsafe fn bind(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as in the module's `bind`.
    unsafe {
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        let Some((named, roster)) = servers_of_id(visit) else {
            return false;
        };
        for failures in [Failures::Counted, Failures::Ignored] {
            for (bit, this, member) in chain(roster, named.first) {
                if visit.tried & bit != 0
                    || refused_until(visit, member).is_some()
                    || !take_out_of_line(primary, member, data, failures, pc)
                {
                    continue;
                }
                visit.tried |= bit;
                visit.named = Some(Candidate {
                    this,
                    member: *member,
                    passed: true,
                    ..named
                });
                visit.served = match named.form {
                    Form::Own => visit.reading.session.id,
                    Form::Accepted(_) => served(visit, data),
                };
                note_check(visit);
                (*pc).tries = tries(visit, roster, named.first);
                return true;
            }
        }
        false
    }
}

/// Lets the server in use be chosen once more.
#[cold]
#[inline(never)]
pub(super) unsafe fn forget_try(visit: &mut Visit) {
    // SAFETY: the request is live.
    let Some((named, roster)) = (unsafe { servers_of_id(visit) }) else {
        return;
    };
    let tried = chain(roster, named.first).find(|(_, this, _)| *this == named.this);
    if let Some((bit, ..)) = tried {
        visit.tried &= !bit;
    }
}

/// What the cookie names, and the servers among which it does.
unsafe fn servers_of_id<'a>(visit: &Visit) -> Option<(Candidate, &'a Roster<Peer>)> {
    let named = visit.named?;
    // SAFETY: the request is live.
    let servers = unsafe { servers_of(visit)? };
    Some((named, servers.by(named.form)?))
}

/// The servers of an id, each with its bit in [`Visit::tried`]. Those beyond the 31st share one, and one try.
fn chain(roster: &Roster<Peer>, first: Named) -> impl Iterator<Item = (u32, Named, &Member<Peer>)> {
    let bits = core::iter::successors(Some(1u32), |bit| {
        Some(bit.checked_shl(1).filter(|bit| *bit != 0).unwrap_or(*bit))
    });
    let servers = core::iter::successors(Some(first), |named| roster.next(*named));
    bits.zip(servers)
        .filter_map(|(bit, named)| Some((bit, named, roster.member(named)?)))
}

/// How often nginx may try: this server, and those of its id that are left.
unsafe fn tries(visit: &Visit, roster: &Roster<Peer>, first: Named) -> ngx_uint_t {
    // SAFETY: as in `bind`; a connection to an upstream has its configuration.
    unsafe {
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        let left = chain(roster, first).filter(|(bit, _, member)| {
            visit.tried & bit == 0
                && refused_until(visit, member).is_none()
                && condition(primary, member, data, Failures::Ignored)
                    .is_some_and(|server| server.reason.is_none())
        });
        let tries = left.count().saturating_add(1);
        match (*(*visit.connection).conf).next_upstream_tries {
            0 => tries,
            limit => {
                let before = (visit.tried.count_ones() as ngx_uint_t).saturating_sub(1);
                tries.min(limit.saturating_sub(before).max(1))
            }
        }
    }
}

/// The second up to which a server is not to be tried, because it does not accept connections.
#[inline]
pub(super) unsafe fn refused_until(visit: &Visit, member: &Member<Peer>) -> Option<u64> {
    // SAFETY: a worker has one thread, and changes them only in between.
    let unreachable = unsafe { &*visit.conf.unreachable.get() };
    if unreachable.is_empty() {
        return None;
    }
    // SAFETY: as in `bind`.
    unsafe { look_up(visit, member, unreachable) }
}

#[cold]
#[inline(never)]
unsafe fn look_up(visit: &Visit, member: &Member<Peer>, unreachable: &Unreachable) -> Option<u64> {
    // SAFETY: as in `bind`.
    unsafe {
        let primary: Peers = (*visit.upstream).peer.data.cast();
        let data = visit.below.round_robin();
        let server = condition(primary, member, data, Failures::Ignored)?;
        unreachable.refused_until(server.address.as_bytes(), now())
    }
}

/// The server that was chosen is being tried.
unsafe fn note_check(visit: &Visit) {
    // SAFETY: as in `refused_until`; the request holds the server.
    unsafe {
        let unreachable = &mut *visit.conf.unreachable.get();
        if !unreachable.is_empty() {
            let address = Address::of((*visit.below.round_robin()).current);
            unreachable.check(address.as_bytes(), now());
        }
    }
}
