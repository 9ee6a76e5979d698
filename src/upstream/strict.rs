//! Strict sessions, of `fallback=off` and the like: no server of another id serves them.
//!
//! A request of such a session has as many tries as servers with its id are left. With one try left nginx passes
//! on whatever the server responds (`ngx_http_upstream_test_next`), and a timeout is 504, as for a server that has
//! no equal. Failures that nginx counts do not turn a session away, since there is nowhere else to go: only a server
//! that does not accept connections does ([`session_cookie::unreachable`]).

use ngx::ffi::ngx_uint_t;
use session_cookie::roster::{EntryId, Member, Roster};

use super::served::note_bound;
use super::visit::{Candidate, Visit};
use crate::nginx::exchange::Trial;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peer};
use crate::nginx::time::now;

/// Chooses a server that the cookie names and that was not chosen before: the first that nginx's balancers would
/// choose, else the first that accepts connections. The balancer was not asked yet.
#[cold]
#[inline(never)]
pub(super) fn bind<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    let (Some(named), Some(primary)) = (visit.named, visit.upstream.primary()) else {
        return false;
    };
    let servers = visit.servers();
    let Some(roster) = servers
        .as_ref()
        .and_then(|servers| servers.by(named.scheme))
    else {
        return false;
    };
    let data = visit.inner.round_robin();
    for failures in [Failures::Counted, Failures::Ignored] {
        for (bit, this, member) in chain(roster, named.first) {
            if visit.tried_backups & bit != 0
                || refused_until(visit, member).is_some()
                || !data.take_out_of_line(primary, member, failures, pc)
            {
                continue;
            }
            visit.tried_backups |= bit;
            visit.attempts = visit.attempts.saturating_add(1);
            visit.named = Some(Candidate {
                this,
                member: *member,
                tried: true,
                ..named
            });
            // Another entry of the same address is left as long as this one is not being tried.
            let tries = tries(visit, roster, named.first);
            begin_trial(visit);
            note_bound(visit, pc);
            pc.set_tries(tries);
            return true;
        }
    }
    false
}

/// Lets the server in use be chosen once more.
#[cold]
#[inline(never)]
pub(super) fn forget_try(visit: &mut Visit<'_>) {
    let Some(named) = visit.named else {
        return;
    };
    let servers = visit.servers();
    let Some(roster) = servers
        .as_ref()
        .and_then(|servers| servers.by(named.scheme))
    else {
        return;
    };
    visit.attempts = visit.attempts.saturating_sub(1);
    let tried = chain(roster, named.first).find(|(_, this, _)| *this == named.this);
    if let Some((bit, ..)) = tried {
        visit.tried_backups &= !bit;
    }
}

/// Returns the servers of an id, each backup with its bit in [`Visit::tried_backups`]; nginx marks the primary ones.
/// Backups beyond the 31st share a bit, and one try.
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

/// Returns how often nginx may try: this server, and one more if another of its id is left, of which the same is then
/// asked.
fn tries(visit: &Visit<'_>, roster: &Roster<Peer>, first: EntryId) -> ngx_uint_t {
    let data = visit.inner.round_robin();
    let is_left = visit.upstream.primary().is_some_and(|primary| {
        chain(roster, first).any(|(bit, _, member)| {
            visit.tried_backups & bit == 0
                && refused_until(visit, member).is_none()
                && (data.condition(primary, member, Failures::Ignored))
                    .is_some_and(|server| server.reason.is_none() && !server.tried)
        })
    });
    let limit = visit.exchange.next_upstream_tries();
    if is_left && (limit == 0 || ngx_uint_t::from(visit.attempts) < limit) {
        2
    } else {
        1
    }
}

/// Returns the second up to which a server is not to be tried, because it does not accept connections.
#[inline]
pub(super) fn refused_until(visit: &Visit<'_>, member: &Member<Peer>) -> Option<u64> {
    if visit.conf.unreachable(|servers| servers.is_empty()) != Some(false) {
        return None;
    }
    look_up(visit, member)
}

#[cold]
#[inline(never)]
fn look_up(visit: &Visit<'_>, member: &Member<Peer>) -> Option<u64> {
    let data = visit.inner.round_robin();
    let primary = visit.upstream.primary()?;
    let server = data.condition(primary, member, Failures::Ignored)?;
    let address = server.address.as_bytes();
    (visit.conf)
        .unreachable(|servers| servers.refused_until(address, now(), Trial::is_connected))?
}

/// Notes that the server that was chosen is being tried.
fn begin_trial(visit: &Visit<'_>) {
    let Some(address) = visit.inner.round_robin().address() else {
        return;
    };
    let trial = visit.exchange.trial();
    visit.conf.unreachable(|servers| {
        if !servers.is_empty() {
            servers.begin_trial(address.as_bytes(), trial, now());
        }
    });
}
