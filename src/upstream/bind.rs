//! Chooses the server that the cookie names.

use session_cookie::policy::Full;

use super::linger;
use super::served::note_bound;
use super::visit::Visit;
use super::{same_id, strict};
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::Failures;

/// Chooses the first available server that the cookie names and that was not tried. The balancer was not asked yet.
#[inline(always)]
pub(super) fn bind<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    if visit.sticky.may_be_strict.get() && visit.is_strict() {
        return strict::bind(visit, pc);
    }
    let data = visit.inner.round_robin();
    let Some(primary) = visit.upstream.primary() else {
        return false;
    };
    // An untried server has just been looked up: the servers have not changed since.
    match &mut visit.named {
        Some(named) if !named.tried => {
            named.tried = true;
            if !data.take(primary, &named.member, Failures::Counted, pc) {
                return bind_next(visit, pc, false);
            }
        }
        _ => return bind_next(visit, pc, true),
    }
    note_bound(visit, pc);
    true
}

/// [`bind`] where the first server that the cookie names is unavailable or was already chosen.
#[cold]
#[inline(never)]
fn bind_next<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>, was_chosen: bool) -> bool {
    if visit.named.is_none() {
        return linger::bind(visit, pc);
    }
    if visit.policy().full == Full::Over {
        return bind_over_limit(visit, pc, was_chosen);
    }
    let data = visit.inner.round_robin();
    let Some(primary) = visit.upstream.primary() else {
        return false;
    };
    let as_nginx = visit.policy().as_nginx;
    loop {
        let servers = visit.servers();
        let Some((servers, named)) = servers.zip(visit.named.as_mut()) else {
            return false;
        };
        if named.advance(&servers).is_none() || (as_nginx && named.member.backup) {
            return false;
        }
        named.tried = true;
        if data.take_out_of_line(primary, &named.member, Failures::Counted, pc) {
            note_bound(visit, pc);
            return true;
        }
    }
}

/// [`bind_next`] for a session that may exceed the connection limit of its server.
fn bind_over_limit<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>, was_chosen: bool) -> bool {
    if was_chosen {
        same_id::mark(visit);
    }
    if same_id::take_first(visit, pc, &[Failures::Counted], |_, _| false) {
        note_bound(visit, pc);
        return true;
    }
    // All servers with the ID were tried. If the session is lent now, the field shows whether it was lent to a backup.
    visit.tried_backups = 0;
    let servers = visit.servers();
    if let Some((servers, named)) = servers.zip(visit.named.as_mut()) {
        while named.advance(&servers).is_some() {}
        named.tried = true;
    }
    false
}
