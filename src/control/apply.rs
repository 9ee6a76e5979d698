//! Applies the server states in each worker, when a request begins and before its balancer is prepared.

use session_cookie::control::{State, Table};
use session_cookie::memory::OutOfMemory;

use super::said::Said;
use super::state_file;
use crate::conf::UpstreamConf;
use crate::log::{error, notice};
use crate::nginx::control_zone::ControlZone;
use crate::nginx::log::Log;
use crate::nginx::peers::Peers;
use crate::nginx::server_control::{control, has_choice, Changed};
use crate::nginx::server_names::Shape;
use crate::nginx::time::now;
use crate::nginx::upstream::Upstream;
use crate::nginx::{string, Printable};

/// The number of attempts while nginx changes the servers; the next request tries again.
const ATTEMPTS: usize = 4;

/// Applies the states of an upstream's servers, unless this worker has already done so.
#[inline(always)]
pub(crate) fn refresh(upstream: Upstream<'_>, conf: &UpstreamConf) {
    if !is_applied(upstream, conf) {
        apply(upstream, conf);
    }
}

/// Returns whether the current states were applied to the current servers, and no state ends now.
#[inline(always)]
fn is_applied(upstream: Upstream<'_>, conf: &UpstreamConf) -> bool {
    let applied = &conf.control;
    let (Some(table), Some(primary)) = (applied.table.get(), upstream.primary()) else {
        return false;
    };
    table.generation() == applied.generation.get()
        && now() < table.next_end()
        && primary.generation_now() == applied.servers.get()
        && Shape::of(primary) == applied.shape.get()
}

/// Returns whether the servers have changed since the states were applied.
#[inline(always)]
pub(crate) fn has_new_servers(upstream: Upstream<'_>, conf: &UpstreamConf) -> bool {
    let applied = &conf.control;
    let primary = upstream.primary().filter(|_| applied.table.get().is_some());
    primary.is_some_and(|primary| primary.generation_now() != applied.servers.get())
}

#[cold]
#[inline(never)]
fn apply(upstream: Upstream<'_>, conf: &UpstreamConf) {
    let (Some(zone), Some(primary)) = (conf.control.zone.get(), upstream.primary()) else {
        return;
    };
    if !conf.has_peers(upstream) {
        return;
    }
    end_what_is_due(zone);
    if zone.state_file().is_some() {
        // Failures are logged.
        let _ = state_file::save_unsaved(zone);
    }
    conf.control.table.set(zone.table());
    for _ in 0..ATTEMPTS {
        match apply_to(upstream, primary, conf, zone) {
            Ok(()) => return,
            Err(Failed::Changed) => {}
            Err(Failed::OutOfMemory) => {
                error!(
                    Log::of_cycle(),
                    "session_sticky: out of memory, the states set for servers of upstream \"{}\" are not applied",
                    string(upstream.host())
                );
                return;
            }
        }
    }
}

enum Failed {
    Changed,
    OutOfMemory,
}

impl From<Changed> for Failed {
    fn from(_: Changed) -> Self {
        Failed::Changed
    }
}

impl From<OutOfMemory> for Failed {
    fn from(_: OutOfMemory) -> Self {
        Failed::OutOfMemory
    }
}

/// Writes the states to nginx's lists, and notes in this worker's copy of the servers which of them drain.
fn apply_to(
    upstream: Upstream<'_>,
    primary: Peers<'_>,
    conf: &UpstreamConf,
    zone: ControlZone,
) -> Result<(), Failed> {
    let said = Said::of(upstream, zone, conf.can_ask())?.ok_or(Failed::Changed)?;
    let generation = primary.generation_now();
    // If every server that could be chosen asks to drain, none is drained.
    let is_left = |peers| {
        let control_of = |address: &[u8]| said.control_of(address, true);
        has_choice(upstream, peers, generation, control_of)
    };
    let obeys =
        said.has_asked() && (is_left(primary)? || primary.next().map_or(Ok(false), is_left)?);
    let mut known = conf.servers.write().ok_or(Failed::Changed)?;
    let mut has_changed = false;
    let mut write = |peers| {
        control(
            upstream,
            peers,
            generation,
            |address| said.control_of(address, obeys),
            |peer, draining| {
                has_changed |= draining.is_some_and(|draining| known.set_draining(peer, draining))
            },
        )
    };
    let shape = write(primary)?;
    if let Some(backups) = primary.next() {
        write(backups)?;
    }
    if has_changed {
        known.put_draining_last();
    }
    // Another worker may have written newer states in the meantime, and this worker may have overwritten them.
    if zone.table().map(Table::generation) != Some(said.generation) {
        return Err(Failed::Changed);
    }
    conf.control.obeys.set(obeys);
    conf.control.generation.set(said.generation);
    conf.control.servers.set(generation);
    conf.control.shape.set(shape);
    *conf.control.said.write().ok_or(Failed::Changed)? = said;
    Ok(())
}

/// Ends the states whose time is over. The first worker that gets a request does so for all.
fn end_what_is_due(zone: ControlZone) {
    let now = now();
    if zone.table().is_none_or(|table| now < table.next_end()) {
        return;
    }
    let mut has_ended = false;
    while let Some(ended) = zone.with(|table| table.end_one(now)).flatten() {
        let (upstream, address) = ended.names();
        let Some(over) = ended.over else {
            notice!(
                Log::of_cycle(),
                "session_sticky: server {} of upstream \"{}\" no longer drains: its request to drain has expired",
                Printable(address),
                string(upstream)
            );
            continue;
        };
        has_ended = true;
        let was = match over.state {
            State::Drain => "draining",
            State::Down => "down",
        };
        notice!(
            Log::of_cycle(),
            "session_sticky: server {} of upstream \"{}\" is no longer {}, its time has ended: it is {} now",
            Printable(address),
            string(upstream),
            was,
            over.after().map_or("up", |after| after.state.as_str())
        );
    }
    if has_ended {
        // Failures are logged.
        let _ = state_file::save(zone);
    }
}
