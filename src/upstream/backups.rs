//! What becomes of the server that the balancer has chosen for a session that names servers, where there are backups: the
//! balancer does not know of those.

use ngx::ffi::ngx_int_t;
use session_cookie::roster::Member;

use super::served::note_bound;
use super::visit::Visit;
use super::{DONE, OK};
use crate::log::debug;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peer};

/// Returns what the balancer says in the end.
#[cold]
#[inline(never)]
pub(super) fn reconsider<'r>(
    visit: &mut Visit<'r>,
    pc: PeerConnection<'r>,
    mut rc: ngx_int_t,
) -> ngx_int_t {
    // A balancer that turns to the backups does not know which of them the cookie has tried. Such a one is given back
    // unused, at the price of no try; it is marked now, so this comes to an end.
    while (rc == OK || rc == DONE) && was_tried(visit) {
        debug!(pc, "session_sticky: a backup that was tried is released");
        visit.inner.give_back(pc);
        rc = visit.inner.get(pc);
    }
    if (rc == OK || rc == DONE) && visit.policy().as_nginx {
        rc = take_named(visit, pc).unwrap_or(rc);
    }
    rc
}

/// Returns whether the server that the balancer chose is a backup that the cookie has chosen before.
fn was_tried(visit: &Visit<'_>) -> bool {
    let Some(named) = &visit.named else {
        return false;
    };
    let current = visit.inner.round_robin().current();
    visit.servers().is_some_and(|servers| {
        servers.by(named.scheme).is_some_and(|roster| {
            let mut before = named.before(roster);
            before.any(|member| member.backup && Some(member.peer) == current)
        })
    })
}

/// Chooses the backup that the session names in place of the one that the balancer has chosen: nginx's own `sticky` leads a
/// session to a backup only when the balancer has found no primary server, and has turned to the backups. Returns what the
/// balancer says if it is asked once more; `None`: what it has chosen stays.
fn take_named<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> Option<ngx_int_t> {
    let primary = visit.upstream.primary()?;
    let data = visit.inner.round_robin();
    let named = visit.named.as_ref()?;
    let member = named.member;
    if !member.backup || named.tried || !data.is_among_backups(primary) {
        return None;
    }
    let chosen = chosen(visit)?;
    let is_available = |member| {
        let server = data.condition(primary, member, Failures::Counted);
        server.is_some_and(|server| server.reason.is_none())
    };
    if chosen.peer == member.peer {
        // The balancer has marked it: should it fail, another's turn has come.
        mark_tried(visit);
        return None;
    }
    if !is_available(&member) {
        return None;
    }
    debug!(
        pc,
        "session_sticky: the backup of the session replaces that of the balancer"
    );
    data.forget_check();
    visit.inner.give_back(pc);
    data.forget_backup(&chosen);
    if !data.take_out_of_line(primary, &member, Failures::Counted, pc) {
        return Some(visit.inner.get(pc));
    }
    mark_tried(visit);
    note_bound(visit, pc);
    Some(OK)
}

fn mark_tried(visit: &mut Visit<'_>) {
    if let Some(named) = &mut visit.named {
        named.tried = true;
    }
}

/// Returns the server that the balancer has chosen.
fn chosen(visit: &Visit<'_>) -> Option<Member<Peer>> {
    let current = visit.inner.round_robin().current()?;
    let servers = visit.servers()?;
    let roster = &servers.own;
    let first = roster.find(roster.id(current)?);
    let mut servers = core::iter::successors(first, |entry| roster.next(*entry));
    servers.find_map(|entry| {
        roster
            .member(entry)
            .copied()
            .filter(|member| member.peer == current)
    })
}
