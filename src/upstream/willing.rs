//! Servers that drain because they asked to: if no other server is available, they are used before a request fails.

use core::iter::successors;

use ngx::ffi::ngx_int_t;
use session_cookie::roster::Member;
use session_cookie::verdict::Choice;

use super::served::note_served;
use super::visit::Visit;
use super::{BUSY, OK};
use crate::log::info;
use crate::nginx::control_bits::Control;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peer};
use crate::nginx::time::milliseconds;
use crate::nginx::{string, OrNone};

/// The maximum number of servers that are examined.
const MOST: usize = 64;

/// Returns the final result after the balancer has chosen a server, or has none.
pub(super) fn reconsider<'r>(
    visit: &mut Visit<'r>,
    pc: PeerConnection<'r>,
    rc: ngx_int_t,
) -> ngx_int_t {
    visit.has_response = false;
    match rc {
        OK => {
            grant_try(visit, pc);
            OK
        }
        BUSY if visit.choice == Choice::Balance && take(visit, pc) => OK,
        _ => rc,
    }
}

/// Takes a server that asked to drain, because the balancer has none left. The balancer is not asked again: if there are
/// several groups of servers, its marks refer to the last one.
#[cold]
#[inline(never)]
fn take<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    let found = find(visit).zip(visit.upstream.primary());
    let data = visit.inner.round_robin();
    let is_taken = found.is_some_and(|(member, primary)| {
        data.forget_try(&member);
        data.take_out_of_line(primary, &member, Failures::Counted, pc)
    });
    if !is_taken {
        pc.refuse(visit.upstream);
        return false;
    }
    visit.past_balancer = true;
    info!(
        pc,
        "session_sticky: no other server of upstream \"{}\" is available, {} gets a request although it asked to drain",
        string(visit.upstream.host()),
        OrNone(data.address())
    );
    if !visit.is_off() {
        // If memory is short, the response fails.
        let _ = note_served(visit);
    }
    grant_try(visit, pc);
    true
}

/// Grants another try if this is the last one: nginx does not count draining servers. A session that no other server may
/// serve has tries of its own.
#[inline(always)]
fn grant_try<'r>(visit: &Visit<'r>, pc: PeerConnection<'r>) {
    if pc.tries() <= 1 && visit.conf.control.has_willing() {
        grant_last_try(visit, pc);
    }
}

#[cold]
#[inline(never)]
fn grant_last_try<'r>(visit: &Visit<'r>, pc: PeerConnection<'r>) {
    let is_strict = visit.choice == Choice::Bind && visit.is_strict();
    let limit = visit.exchange.next_upstream_tries();
    let made = tried(visit).count().saturating_add(1);
    if !is_strict && (limit == 0 || made < limit) && find(visit).is_some() {
        pc.set_tries(2);
    }
}

/// Returns an available server that asked to drain and was not tried for this request, preferably a primary one.
fn find(visit: &Visit<'_>) -> Option<Member<Peer>> {
    let servers = visit.servers()?;
    let (time, request) = (
        milliseconds().to_le_bytes(),
        visit.request.address().to_le_bytes(),
    );
    [false, true].into_iter().find_map(|backup| {
        (servers.own.in_order_of([&time, &request]))
            .filter(|member| member.draining && member.backup == backup)
            .take(MOST)
            .find(|member| is_willing(visit, member))
            .copied()
    })
}

fn is_willing(visit: &Visit<'_>, member: &Member<Peer>) -> bool {
    let data = visit.inner.round_robin();
    let Some(primary) = visit.upstream.primary() else {
        return false;
    };
    let control = primary.control_of(member, data.generation());
    if control != Some(Control::Asked) || data.current() == Some(member.peer) {
        return false;
    }
    let condition = data.condition(primary, member, Failures::Counted);
    condition.is_some_and(|server| {
        let address = server.address.as_bytes();
        server.reason.is_none() && !tried(visit).any(|tried| tried == address)
    })
}

/// Returns the addresses of the servers that the request has tried in this upstream, newest first. nginx begins a try before
/// it chooses a server, and separates the tries of two upstreams by one without a server.
fn tried<'r>(visit: &Visit<'r>) -> impl Iterator<Item = &'r [u8]> {
    let request = visit.request;
    let this = request.upstream_states().len().checked_sub(1);
    successors(this, |at| at.checked_sub(1))
        .skip(1)
        .map_while(move |at| request.tried_address(at))
}
