//! Servers with the same ID, each of which may be considered several times, under different conditions: for strict sessions,
//! and for sessions that may exceed a server's connection limit.

use session_cookie::policy::Full;
use session_cookie::roster::{EntryId, Member, Roster};

use super::counting::count_over_limit;
use super::visit::{Candidate, Visit};
use crate::log::info;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peer};
use crate::nginx::{string, OrNone, Printable};

/// Returns how full servers are treated, in turn: a server with room is preferred to a full one.
pub(super) fn limits(full: Full) -> &'static [Full] {
    match full {
        Full::Move => &[Full::Move],
        Full::Over => &[Full::Move, Full::Over],
    }
}

/// Chooses the first server that the cookie names, that was not chosen before, and that is not skipped, under the first of
/// these `failures` that yields one. The balancer was not asked yet.
#[inline(always)]
pub(super) fn take_first<'r>(
    visit: &mut Visit<'r>,
    pc: PeerConnection<'r>,
    failures: &[Failures],
    is_skipped: impl Fn(&Visit<'r>, &Member<Peer>) -> bool,
) -> bool {
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
    for failures in failures {
        for full in limits(visit.policy().full) {
            for (bit, this, member) in chain(roster, named.first) {
                if visit.tried_backups & bit != 0 || is_skipped(visit, member) {
                    continue;
                }
                let is_taken = match full {
                    Full::Move => data.take_out_of_line(primary, member, *failures, pc),
                    Full::Over => data.take_over_limit(primary, member, *failures, pc),
                };
                if is_taken {
                    visit.tried_backups |= bit;
                    visit.named = Some(Candidate {
                        this,
                        member: *member,
                        tried: true,
                        ..named
                    });
                    if *full == Full::Over {
                        tell_over_limit(visit, pc);
                    }
                    return true;
                }
            }
        }
    }
    false
}

/// Marks the current server as tried, if it is a backup: nginx marks the primary ones.
pub(super) fn mark(visit: &mut Visit<'_>) {
    if let Some(bit) = bit_of_this(visit) {
        visit.tried_backups |= bit;
    }
}

/// Allows the current server to be chosen again.
pub(super) fn unmark(visit: &mut Visit<'_>) {
    if let Some(bit) = bit_of_this(visit) {
        visit.tried_backups &= !bit;
    }
}

fn bit_of_this(visit: &Visit<'_>) -> Option<u32> {
    let named = visit.named?;
    let servers = visit.servers()?;
    let mut all = chain(servers.by(named.scheme)?, named.first);
    let (bit, ..) = all.find(|(_, this, _)| *this == named.this)?;
    Some(bit)
}

/// Returns the servers with an ID, each backup with its bit in [`Visit::tried_backups`]; nginx marks the primary ones.
/// Backups beyond the 31st share a bit, and one try.
pub(super) fn chain(
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

/// Logs and counts a session that exceeds the connection limit of its server.
#[cold]
#[inline(never)]
fn tell_over_limit(visit: &Visit<'_>, pc: PeerConnection<'_>) {
    info!(
        pc,
        "session_sticky: server \"{}\" of upstream \"{}\" has reached max_conns, its session exceeds the limit: {}",
        Printable(visit.reading.session.id),
        string(visit.upstream.host()),
        OrNone(visit.inner.round_robin().address())
    );
    count_over_limit(visit);
}
