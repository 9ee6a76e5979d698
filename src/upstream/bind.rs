//! The server that the cookie names is chosen.

use super::served::note_bound;
use super::strict;
use super::visit::Visit;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::Failures;

/// Chooses the first available server that the cookie names, and was not chosen before. The balancer was not asked yet.
#[inline(always)]
pub(super) fn bind<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    if visit.sticky.may_be_strict.get() && visit.is_strict() {
        return strict::bind(visit, pc);
    }
    let data = visit.inner.round_robin();
    let Some(primary) = visit.upstream.primary() else {
        return false;
    };
    // Where a server has not passed, it was named just now: nothing has changed since.
    match &mut visit.named {
        Some(named) if !named.tried => {
            named.tried = true;
            if !data.take(primary, &named.member, Failures::Counted, pc) {
                return bind_next(visit, pc);
            }
        }
        _ => return bind_next(visit, pc),
    }
    note_bound(visit, pc);
    true
}

/// [`bind`] where the first server that the cookie names could not be had.
#[cold]
#[inline(never)]
fn bind_next<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
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
