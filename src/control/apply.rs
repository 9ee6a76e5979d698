//! What was said of servers is applied in each worker: when a request begins, before its balancer is prepared.

use session_cookie::control::Table;
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

/// How often it is tried to apply something while nginx changes the servers; the next request tries again.
const ATTEMPTS: usize = 4;

/// Applies what was said of the servers of an upstream, unless this worker has.
#[inline(always)]
pub(crate) fn refresh(upstream: Upstream<'_>, conf: &UpstreamConf) {
    if !is_applied(upstream, conf) {
        apply(upstream, conf);
    }
}

/// Returns whether nothing was said since, and nothing ends now, and the servers are those of which it was applied.
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

/// Returns whether the servers are others than those of which it was applied.
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
        // What cannot be saved is told in the log.
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

/// Writes into nginx's lists what was said, and notes in what this worker knows of the servers which of them drain.
fn apply_to(
    upstream: Upstream<'_>,
    primary: Peers<'_>,
    conf: &UpstreamConf,
    zone: ControlZone,
) -> Result<(), Failed> {
    let said = Said::of(upstream, zone, conf.can_ask())?.ok_or(Failed::Changed)?;
    let generation = primary.generation_now();
    // Where every server that could be chosen asks to drain, none does.
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
    // Another worker may have written what was said since. What this one has written after that must not stay.
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

/// Ends what is due now. The worker in which a request comes by first does it for all.
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
        notice!(
            Log::of_cycle(),
            "session_sticky: server {} of upstream \"{}\" is no longer {}, its time has ended: it is {} now",
            Printable(address),
            string(upstream),
            over.state.as_str(),
            over.after().map_or("up", |after| after.state.as_str())
        );
    }
    if has_ended {
        // What cannot be saved is told in the log.
        let _ = state_file::save(zone);
    }
}
