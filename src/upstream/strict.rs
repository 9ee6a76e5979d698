//! Strict sessions, of `fallback=off` and the like: no server of another id serves them.
//!
//! A request of such a session has as many tries as servers with its id are left. With one try left nginx passes
//! on whatever the server answers (`ngx_http_upstream_test_next`), and a timeout is 504, as for a server that has
//! no equal. Failures that nginx counts do not turn a session away, since there is nowhere else to go: only a server
//! that does not accept connections does ([`Unreachable`]).

use ngx::ffi::{ngx_http_upstream_t, ngx_peer_connection_t, ngx_uint_t};
use session_cookie::roster::{EntryId, Member, Roster};
use session_cookie::unreachable::Unreachable;

use super::served::note_bound;
use super::visit::{now, servers_of, Candidate, Visit};
use crate::nginx::peers::{condition, take_out_of_line, Address, Failures, Peer, Peers};

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
                if visit.tried_backups & bit != 0
                    || refused_until(visit, member).is_some()
                    || !take_out_of_line(primary, member, data, failures, pc)
                {
                    continue;
                }
                visit.tried_backups |= bit;
                visit.attempts = visit.attempts.saturating_add(1);
                visit.named = Some(Candidate {
                    this,
                    member: *member,
                    passed: true,
                    ..named
                });
                // The roster may be counted anew behind this.
                let tries = tries(visit, roster, named.first);
                begin_trial(visit);
                note_bound(visit, pc);
                (*pc).tries = tries;
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
    visit.attempts = visit.attempts.saturating_sub(1);
    let tried = chain(roster, named.first).find(|(_, this, _)| *this == named.this);
    if let Some((bit, ..)) = tried {
        visit.tried_backups &= !bit;
    }
}

/// What the cookie names, and the servers among which it does.
unsafe fn servers_of_id<'a>(visit: &Visit) -> Option<(Candidate, &'a Roster<Peer>)> {
    let named = visit.named?;
    // SAFETY: the request is live.
    let servers = unsafe { servers_of(visit)? };
    Some((named, servers.by(named.form)?))
}

/// The servers of an id, each backup with its bit in [`Visit::tried_backups`]; nginx marks the primary ones. Backups
/// beyond the 31st share a bit, and one try.
fn chain(
    roster: &Roster<Peer>,
    first: EntryId,
) -> impl Iterator<Item = (u32, EntryId, &Member<Peer>)> {
    let servers = core::iter::successors(Some(first), |named| roster.next(*named));
    let mut next_bit = 1u32;
    servers.filter_map(move |named| {
        let member = roster.member(named)?;
        let bit = if member.backup { next_bit } else { 0 };
        if member.backup && next_bit.leading_zeros() != 0 {
            next_bit <<= 1;
        }
        Some((bit, named, member))
    })
}

/// How often nginx may try: this server, and one more if another of its id is left, of which the same is then asked.
unsafe fn tries(visit: &Visit, roster: &Roster<Peer>, first: EntryId) -> ngx_uint_t {
    // SAFETY: as in `bind`; a connection to an upstream has its configuration.
    unsafe {
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        let is_left = chain(roster, first).any(|(bit, _, member)| {
            visit.tried_backups & bit == 0
                && refused_until(visit, member).is_none()
                && condition(primary, member, data, Failures::Ignored)
                    .is_some_and(|server| server.reason.is_none() && !server.tried)
        });
        let limit = (*(*visit.connection).conf).next_upstream_tries;
        if is_left && (limit == 0 || ngx_uint_t::from(visit.attempts) < limit) {
            2
        } else {
            1
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
unsafe fn look_up(
    visit: &Visit,
    member: &Member<Peer>,
    unreachable: &Unreachable<*mut ngx_http_upstream_t>,
) -> Option<u64> {
    // SAFETY: as in `bind`. A trial ends when its server is freed, before its upstream is.
    unsafe {
        let primary: Peers = (*visit.upstream).peer.data.cast();
        let data = visit.below.round_robin();
        let server = condition(primary, member, data, Failures::Ignored)?;
        let is_connected = |trial: *mut ngx_http_upstream_t| {
            !(*trial).peer.connection.is_null() && (*trial).request_sent() != 0
        };
        unreachable.refused_until(server.address.as_bytes(), now(), is_connected)
    }
}

/// The server that was chosen is being tried.
unsafe fn begin_trial(visit: &Visit) {
    // SAFETY: as in `refused_until`; the request holds the server.
    unsafe {
        let unreachable = &mut *visit.conf.unreachable.get();
        if !unreachable.is_empty() {
            let address = Address::of((*visit.below.round_robin()).current);
            unreachable.begin_trial(address.as_bytes(), visit.connection, now());
        }
    }
}
