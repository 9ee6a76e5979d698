//! Adjusts the balancer's choice for sessions that name servers, some of which are backups: the balancer does not know which
//! backups a session names or has tried.

use ngx::ffi::ngx_int_t;
use session_cookie::roster::Member;

use super::served::note_bound;
use super::visit::Visit;
use super::{DONE, OK};
use crate::log::debug;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peer};

/// Returns the final result of choosing a server.
#[cold]
#[inline(never)]
pub(super) fn reconsider<'r>(
    visit: &mut Visit<'r>,
    pc: PeerConnection<'r>,
    mut rc: ngx_int_t,
) -> ngx_int_t {
    // A balancer that turns to the backups does not know which of them the cookie has tried. A tried one is returned unused,
    // without using up a try. It is marked now, so the loop ends.
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

/// Returns whether the balancer chose a backup that the cookie has already chosen.
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

/// Replaces the backup that the balancer has chosen with the one that the session names: nginx's own `sticky` sends a session
/// to a backup only when the balancer has found no primary server and turned to the backups. Returns the new result; `None`
/// if the balancer's choice is kept.
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
        // The balancer has marked this backup: if it fails, another server is chosen.
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
