//! Strict sessions, with `fallback=off` and similar parameters: no server with another ID serves them.
//!
//! A request of such a session has as many tries as there are servers left with its ID. On the last try, nginx passes on any
//! response of the server (`ngx_http_upstream_test_next`), and a timeout results in 504, as for an upstream with a single
//! server. Failures that nginx counts do not rule out a server, since the session has nowhere else to go: only a server that
//! accepts no connections is ruled out ([`session_cookie::unreachable`]).

use ngx::ffi::ngx_uint_t;
use session_cookie::roster::{EntryId, Member};

use super::linger;
use super::same_id::{chain, take_first, unmark};
use super::served::note_bound;
use super::visit::Visit;
use crate::nginx::exchange::Trial;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peer, Reason};
use crate::nginx::time::now;

/// Chooses a server that the cookie names and that was not chosen before: the first that nginx's balancers would choose,
/// otherwise the first that accepts connections. The balancer was not asked yet.
#[cold]
#[inline(never)]
pub(super) fn bind<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    if visit.named.is_none() {
        return linger::bind(visit, pc);
    }
    let failures = [Failures::Counted, Failures::Ignored];
    let is_refused = |visit: &Visit<'r>, member: &_| refused_until(visit, member).is_some();
    if !take_first(visit, pc, &failures, is_refused) {
        return false;
    }
    visit.attempts = visit.attempts.saturating_add(1);
    // Determined before the trial begins, which rules out other entries with the same address.
    let tries = tries(visit);
    begin_trial(visit);
    note_bound(visit, pc);
    pc.set_tries(tries);
    true
}

/// Allows the server in use to be chosen again.
#[cold]
#[inline(never)]
pub(super) fn forget_try(visit: &mut Visit<'_>) {
    visit.attempts = visit.attempts.saturating_sub(1);
    unmark(visit);
}

/// Returns how many tries nginx may make: one for this server, and one if another server with its ID is left, for which the
/// number is then determined again.
fn tries(visit: &Visit<'_>) -> ngx_uint_t {
    let is_left = is_any_left(visit).unwrap_or_default();
    let limit = visit.exchange.next_upstream_tries();
    if is_left && (limit == 0 || ngx_uint_t::from(visit.attempts) < limit) {
        2
    } else {
        1
    }
}

/// Returns whether another server with the ID is available.
fn is_any_left(visit: &Visit<'_>) -> Option<bool> {
    let named = visit.named?;
    let primary = visit.upstream.primary()?;
    let servers = visit.servers()?;
    let data = visit.inner.round_robin();
    let keeps_away = |reason: Reason| reason.keeps_away(visit.policy().full);
    let is_left = |(bit, _, member): (u32, EntryId, &Member<Peer>)| {
        visit.tried_backups & bit == 0
            && refused_until(visit, member).is_none()
            && (data.condition(primary, member, Failures::Ignored))
                .is_some_and(|server| !server.reason.is_some_and(keeps_away) && !server.tried)
    };
    let mut all = chain(servers.by(named.scheme)?, named.first);
    Some(all.any(is_left))
}

/// Returns the second until which a server is not tried because it accepts no connections.
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

/// Records that the chosen server is being tried.
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
