//! Detects servers that have left DNS, and those that have returned: each worker compares nginx's servers with earlier ones.
//!
//! This is done ten times a second, not only with requests: an address that left an hour ago must not be taken for one that
//! has just left, and after a reload no worker would know about it. It is also done before a session with an unknown server
//! moves. The first servers that a worker sees are not compared: other workers have recorded the servers that left before.

use core::cell::Cell;

use session_cookie::linger::{left, Added, Address, Line, Server};
use session_cookie::memory;

use super::known::Seen;
use crate::conf::{Sticky, UpstreamConf};
use crate::control::said::Said;
use crate::log::{error, notice, warn};
use crate::nginx::gone_server::printed;
use crate::nginx::log::Log;
use crate::nginx::peers::Peers;
use crate::nginx::server_names::{each, Uncounted};
use crate::nginx::string;
use crate::nginx::time::milliseconds;
use crate::nginx::upstream::Upstream;
use crate::upstream::count::ServerIds;

/// The number of servers that are recorded under one lock.
const SLICE: usize = 128;

/// Checks all upstreams whose servers may linger.
// The timer passes a reference to its list.
#[allow(clippy::ptr_arg)]
pub(crate) fn watch(upstreams: &Vec<Upstream<'static>>) {
    for upstream in upstreams {
        look(*upstream, upstream.conf_in_use::<Sticky>());
    }
}

/// Returns the seconds of a monotonic clock that all nginx processes share.
pub(super) fn second() -> u64 {
    milliseconds() / 1000
}

/// Checks for servers that have left or returned, if nginx has changed the servers since this worker's last check.
pub(super) fn look(upstream: Upstream<'_>, conf: &UpstreamConf) {
    let Some(primary) = upstream.primary().filter(|_| conf.has_peers(upstream)) else {
        return;
    };
    if let Some(seen) = conf.linger.seen.read() {
        if seen.generation == Some(primary.generation_now()) {
            seen.at.set(second());
            return;
        }
    }
    match compare(upstream, conf, primary) {
        // If nginx is changing the servers, the next check suffices.
        Ok(()) | Err(Uncounted::Changed) => {}
        Err(Uncounted::OutOfMemory) => error!(
            Log::of_cycle(),
            "session_sticky: out of memory, servers of upstream \"{}\" that leave DNS may not keep their sessions",
            string(upstream.host())
        ),
    }
}

#[cold]
#[inline(never)]
fn compare(
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
    primary: Peers<'_>,
) -> Result<(), Uncounted> {
    let (Some(zone), Some(policy)) = (conf.linger.zone.get(), conf.policy()) else {
        return Ok(());
    };
    let (generation, now) = (primary.generation_now(), second());
    let servers = servers_of(upstream, conf, primary)?;
    let Some(mut seen) = conf.linger.seen.write() else {
        return Ok(());
    };
    // Memory is reserved before anything is recorded.
    let mut gone = memory::with_capacity(seen.servers.len())?;
    let said = Said::of_shown(upstream, conf.control.zone.get(), conf.can_ask())?;
    let is_down = |server: &Server| said.is_down(printed(server.address.as_bytes()).as_bytes());
    for server in left(&seen.servers, &servers).filter(|server| !is_down(server)) {
        memory::push(&mut gone, *server)?;
    }
    let back = memory::collect(left(&servers, &seen.servers).copied())?;
    if zone.table().is_some_and(|table| !table.is_untouched()) {
        for some in back.chunks(SLICE) {
            zone.with(|table| table.remove(some.iter()));
        }
    }
    let mut added = Added::default();
    for some in gone.chunks(SLICE) {
        let seen = seen.at.get();
        let more = zone.with(|table| table.add(some.iter(), seen, now, policy.linger));
        let more = more.unwrap_or_default();
        added.new = added.new.saturating_add(more.new);
        added.dropped = added.dropped.saturating_add(more.dropped);
    }
    *seen = Seen {
        generation: Some(generation),
        at: Cell::new(now),
        servers,
    };
    drop(seen);
    tell(upstream, conf, &gone, added);
    Ok(())
}

/// Returns the servers that DNS has returned, sorted, without those that are down: they serve no sessions.
fn servers_of(
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
    primary: Peers<'_>,
) -> Result<Vec<Server>, Uncounted> {
    let policy = conf.policy().ok_or(Uncounted::Changed)?;
    let ids = ServerIds::of(upstream, conf, policy)?;
    let generation = primary.generation_now();
    let mut servers = Vec::new();
    for peers in [Some(primary), primary.next()].into_iter().flatten() {
        each(upstream, peers, generation, |known| {
            let has_sessions = known.resolved && (!known.look.down || ids.drains(&known));
            let (line, is_backup) = known.line;
            match Address::new(known.address).filter(|_| has_sessions) {
                Some(address) => {
                    let line = Line::new(upstream.host(), line, is_backup);
                    memory::push(&mut servers, Server { line, address })
                }
                None => Ok(()),
            }
        })?;
    }
    servers.sort_unstable();
    servers.dedup();
    Ok(servers)
}

/// Logs the servers that begin to linger, in the worker that has recorded them.
fn tell(upstream: Upstream<'_>, conf: &UpstreamConf, gone: &[Server], added: Added) {
    let time = conf.policy().map_or(0, |policy| policy.linger);
    if let (1.., Some(first)) = (added.new, gone.first()) {
        notice!(
            Log::of_cycle(),
            "session_sticky: {} of upstream \"{}\" left DNS, {}{}, and may keep sessions for {time} seconds",
            Number(added.new),
            string(upstream.host()),
            printed(first.address.as_bytes()),
            if added.new > 1 { " among them" } else { "" },
        );
    }
    if added.dropped != 0 && !conf.linger.told.replace(true) {
        warn!(
            Log::of_cycle(),
            "session_sticky: too many servers have left DNS, {} of them lose their sessions before the time of \
             \"linger\" is over, to make room for upstream \"{}\"",
            added.dropped,
            string(upstream.host())
        );
    }
}

/// A number of servers, as text.
struct Number(usize);

impl core::fmt::Display for Number {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            1 => f.write_str("a server"),
            number => write!(f, "{number} servers"),
        }
    }
}
