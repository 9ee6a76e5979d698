//! What was said of servers is applied in each worker: when a request begins, before its balancer is prepared.

use ngx::ffi::ngx_time;
use session_cookie::control::{Override, State, Table};
use session_cookie::memory::{self, OutOfMemory};

use super::state_file;
use crate::conf::UpstreamConf;
use crate::log::{error, notice};
use crate::nginx::control_bits::Control;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::log::Log;
use crate::nginx::peers::Peers;
use crate::nginx::server_control::{control, Changed};
use crate::nginx::server_names::Shape;
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

/// Returns the second since the epoch.
#[inline(always)]
pub(super) fn now() -> u64 {
    u64::try_from(ngx_time()).unwrap_or_default()
}

#[cold]
#[inline(never)]
fn apply(upstream: Upstream<'_>, conf: &UpstreamConf) {
    let (Some(zone), Some(primary)) = (conf.control.zone.get(), upstream.primary()) else {
        return;
    };
    // What another balancer keeps is none of nginx's lists.
    if !conf.is_proven.get() && !upstream.has_round_robin_peers() {
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
                    "session_sticky: out of memory, what was said of the servers of upstream \"{}\" is not applied",
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
    let said = Said::of(upstream, zone)?;
    let generation = primary.generation_now();
    let mut known = conf.servers.write().ok_or(Failed::Changed)?;
    let mut has_changed = false;
    let mut write = |peers| {
        control(
            upstream,
            peers,
            generation,
            |address| said.control_of(address),
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
    conf.control.generation.set(said.generation);
    conf.control.servers.set(generation);
    conf.control.shape.set(shape);
    Ok(())
}

/// What was said of the servers of an upstream, in the order of their addresses.
struct Said {
    generation: u64,
    /// Where each address ends in `text`, and what was said.
    servers: Vec<(AddressText, Control)>,
}

/// An address, as a text with zeros behind it: what is longer has no room in a table beside the name of an upstream.
type AddressText = [u8; 128];

fn text_of(address: &[u8]) -> AddressText {
    let mut text = [0; 128];
    text.iter_mut()
        .zip(address)
        .for_each(|(place, byte)| *place = *byte);
    text
}

impl Said {
    /// Returns what was said of the servers of an upstream. Memory is at hand before the table is locked.
    fn of(upstream: Upstream<'_>, zone: ControlZone) -> Result<Self, Failed> {
        let number = zone.with(|table| table.len()).unwrap_or_default();
        let mut servers = memory::with_capacity(number)?;
        let generation = zone.with(|table| {
            table.each(|entry| {
                if entry.upstream == upstream.host() && servers.len() < servers.capacity() {
                    let control = match entry.over.state {
                        State::Drain => Control::Drain,
                        State::Down => Control::Down,
                    };
                    // Within the capacity: nothing is allocated.
                    let _ = memory::push(&mut servers, (text_of(entry.address), control));
                }
            });
            (table.len() <= number).then(|| table.generation())
        });
        servers.sort_unstable_by_key(|(address, _)| *address);
        Ok(Said {
            generation: generation.flatten().ok_or(Failed::Changed)?,
            servers,
        })
    }

    fn control_of(&self, address: &[u8]) -> Control {
        if self.servers.is_empty() {
            return Control::None;
        }
        let text = text_of(address);
        let found = self.servers.binary_search_by(|(other, _)| other.cmp(&text));
        let said = found.ok().and_then(|at| self.servers.get(at));
        said.map_or(Control::None, |(_, control)| *control)
    }
}

/// Ends what is due now. The worker in which a request comes by first does it for all.
fn end_what_is_due(zone: ControlZone) {
    let now = now();
    if zone.table().is_none_or(|table| now < table.next_end()) {
        return;
    }
    let mut has_ended = false;
    while let Some(said) = zone.with(|table| table.end_one(now)).flatten() {
        let entry = said.entry();
        has_ended = true;
        notice!(
            Log::of_cycle(),
            "session_sticky: the time is over in which server {} of upstream \"{}\" was {}, it is {} now",
            Printable(entry.address),
            string(entry.upstream),
            entry.over.state.as_str(),
            entry.over.after().map_or("up", |after| after.state.as_str())
        );
    }
    if has_ended {
        // What cannot be saved is told in the log.
        let _ = state_file::save(zone);
    }
}

/// Returns what was said of a server.
pub(crate) fn said_of(
    conf: &UpstreamConf,
    upstream: Upstream<'_>,
    address: &[u8],
) -> Option<Override> {
    let zone = conf.control.zone.get()?;
    zone.with(|table| table.find(upstream.host(), address))
        .flatten()
}
