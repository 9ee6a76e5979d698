//! Counts requests for `session_sticky_status`, each once: when its response header is sent, or when it ends without one.
//!
//! The counts agree with the variables in the log, except for the server. A request counts for the server to which it was
//! last sent, even if that server has not responded and `$session_sticky_server` is empty; a refused request for the server
//! of its session; and a request for which no server was left, or only the one that its session was to leave, for none. A
//! request that is redirected internally (X-Accel-Redirect, an intercepted error) counts at each sticky upstream on its way;
//! the log shows the last one.

use core::iter::once;

use session_cookie::counters::{Count, Group, SlotId};
use session_cookie::status::Status;
use session_cookie::verdict::{Choice, Verdict};

use super::known::tally;
use super::visit::{Served, Visit};
use crate::conf::UpstreamConf;
use crate::nginx::counter_zone::{worker, CounterZone};
use crate::nginx::pool::Placed;
use crate::nginx::request::Request;
use crate::nginx::time::now;
use crate::nginx::upstream::Upstream;

/// Returns whether requests of this upstream are counted.
#[inline(always)]
pub(crate) fn counts(visit: &Visit<'_>) -> bool {
    visit.conf.counters.get().is_some()
}

/// Counts a request whose session needs no action, and whose own server has served it. Returns `false` if the request has to
/// be examined.
#[inline(always)]
pub(crate) fn count_settled(visit: &Visit<'_>) -> bool {
    let (Served::Cookie, Some(named)) = (&visit.served, &visit.named) else {
        return false;
    };
    let Some(line) = tally(visit.conf, visit.edition, named.this).line else {
        return false;
    };
    if !visit.counted.replace(true) {
        line.count(Count::Settled);
    }
    true
}

/// Counts a request whose response header is being sent, at each upstream on its way. The newest one must [count](counts)
/// requests.
#[inline(always)]
pub(crate) fn count_all<'r>(request: Request<'r>, newest: &'r Visit<'r>) {
    if request.upstream_states().len() > 1 {
        count_each(request, newest);
    } else {
        count_once(newest);
    }
}

#[cold]
#[inline(never)]
fn count_each<'r>(request: Request<'r>, newest: &'r Visit<'r>) {
    once(newest).chain(Visit::earlier(request)).for_each(count);
}

/// Counts a request if its upstream counts requests and it was not counted yet.
pub(super) fn count(visit: &Visit<'_>) {
    if counts(visit) {
        count_once(visit);
    }
}

/// Counts a request if it was not counted yet.
#[inline(always)]
fn count_once(visit: &Visit<'_>) {
    if visit.counted.replace(true) {
        return;
    }
    if visit.reading.verdict == Verdict::None
        && visit.choice == Choice::Balance
        && visit.has_set() == Some(true)
        && !visit.conf.is_foreign.get()
    {
        let server = visit.served_by;
        let line = server.and_then(|server| tally(visit.conf, visit.edition, server).line);
        if let Some(line) = line {
            return line.count(Count::Opened);
        }
    }
    count_unusual(visit);
}

/// [`count`] outside of the two usual cases.
#[cold]
#[inline(never)]
fn count_unusual(visit: &Visit<'_>) {
    let Some(table) = visit.conf.counters.get().and_then(|zone| zone.table()) else {
        return;
    };
    if visit.conf.is_foreign.get() {
        return count_off(visit.conf, visit.upstream);
    }
    let (status, verdict) = (visit.status(), visit.reading.verdict);
    let named = visit.named.as_ref();
    let slot = |server| {
        let slot = tally(visit.conf, visit.edition, server).slot;
        (slot != SlotId::NONE).then_some(slot)
    };
    let own = named.and_then(|named| slot(named.first));
    let served = match visit.served {
        // It was given up, and no other server was found.
        Served::Cookie if verdict.is_down() => None,
        Served::Cookie => named.and_then(|named| slot(named.this)),
        _ => visit.served_by.and_then(slot),
    };
    let served = served.or_else(|| slot_by_address(visit));
    let (server, count) = match status {
        Status::New => (served, Count::New),
        Status::Bound => (served, Count::Bound),
        Status::Moved => (served, Count::Moved),
        Status::Lent => (served, Count::Lent),
        Status::Refused => (own, Count::Refused),
        Status::Off => return count_off(visit.conf, visit.upstream),
    };
    if let Some(group) = group(visit.conf, visit.upstream) {
        if server.is_none() {
            table.add_without_server(group, worker(), status);
        }
        table.add_verdict(group, worker(), verdict, visit.action());
    }
    let server = server.unwrap_or(SlotId::NONE);
    table.add(server, worker(), count);
    match status {
        Status::Moved | Status::Lent => {
            table.add(own.unwrap_or(SlotId::NONE), worker(), Count::Away);
        }
        Status::Bound if named.is_some_and(|named| named.member.draining) => {
            table.note_leaving(server, now());
        }
        _ => (),
    }
}

/// Counts a visit when its request ends, if it was not counted yet: it may end without a response header.
struct AtEnd<'r>(Placed<'r, Visit<'r>>);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        count(self.0.get());
    }
}

/// Makes sure that a visit is counted by the end of its request, unless memory is short.
#[inline(always)]
pub(super) fn count_at_end<'r>(request: Request<'r>, visit: Placed<'r, Visit<'r>>) {
    if counts(visit.get()) {
        let _ = request.pool().place_dropped(|| AtEnd(visit));
    }
}

/// Counts a request without persistence.
#[cold]
#[inline(never)]
pub(super) fn count_off(conf: &UpstreamConf, upstream: Upstream<'_>) {
    let table = conf.counters.get().and_then(|zone| zone.table());
    if let (Some(table), Some(group)) = (table, group(conf, upstream)) {
        table.add_off(group, worker());
    }
}

/// Counts a session that has exceeded the connection limit of its server.
#[cold]
pub(super) fn count_over_limit(visit: &Visit<'_>) {
    let table = visit.conf.counters.get().and_then(|zone| zone.table());
    if let (Some(table), Some(group)) = (table, group(visit.conf, visit.upstream)) {
        table.add_over_limit(group, worker());
    }
}

/// Returns the counters of the upstream. They are registered along with its servers, or here.
fn group(conf: &UpstreamConf, upstream: Upstream<'_>) -> Option<Group> {
    if conf.group.get().is_none() {
        let register = |zone: CounterZone| zone.register_group(zone.group_key(upstream));
        conf.group.set(conf.counters.get().and_then(register));
    }
    conf.group.get()
}

/// Finds the slot of the server in use by its address: the servers have changed since it was chosen.
#[cold]
fn slot_by_address(visit: &Visit<'_>) -> Option<SlotId> {
    if matches!(visit.served, Served::Unknown) {
        return None;
    }
    let zone = visit.conf.counters.get()?;
    zone.find(zone.server_key(visit.upstream, visit.last_address()?))
}
