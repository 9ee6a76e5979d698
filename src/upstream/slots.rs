//! Assigns each server a slot in shared memory, in which its requests are counted. This is done when the servers are read.

use ngx::ffi::ngx_time;
use session_cookie::counters::{Group, Key, SlotId};
use session_cookie::memory::{self, OutOfMemory};
use session_cookie::roster::Roster;

use super::servers::Tally;
use crate::conf::{Sticky, UpstreamConf};
use crate::control::said::Said;
use crate::counters::Counters;
use crate::log::error;
use crate::nginx::counter_zone::{worker, CounterZone};
use crate::nginx::log::Log;
use crate::nginx::peers::Peer;
use crate::nginx::server_names::{each_of_all, Uncounted};
use crate::nginx::string;
use crate::nginx::upstream::Upstream;

/// For how many seconds an unused slot is kept: workers that are shutting down may still count there.
const KEPT: u32 = 60;

/// The servers of an upstream that are to be assigned slots.
pub(super) struct Unplaced {
    zone: CounterZone,
    said: Said,
    keys: Vec<Key>,
    /// In the order of the keys.
    servers: Vec<Server>,
}

struct Server {
    peer: Peer,
    slot: SlotId,
    /// Whether the configuration drains it.
    configured: bool,
    /// Whether it drains at run time.
    controlled: bool,
}

impl Unplaced {
    /// Returns an empty list; `None` if requests are not counted.
    pub(super) fn new(
        upstream: Upstream<'_>,
        conf: &UpstreamConf,
    ) -> Result<Option<Self>, OutOfMemory> {
        let Some(zone) = conf.counters.get().filter(|zone| zone.table().is_some()) else {
            return Ok(None);
        };
        Ok(Some(Unplaced {
            zone,
            said: Said::of_shown(upstream, conf.control.zone.get(), conf.can_ask())?,
            keys: Vec::new(),
            servers: Vec::new(),
        }))
    }

    /// Adds a server; `drains`: according to the configuration.
    pub(super) fn add(
        &mut self,
        upstream: Upstream<'_>,
        peer: Peer,
        address: &[u8],
        drains: bool,
    ) -> Result<(), OutOfMemory> {
        let server = Server {
            peer,
            slot: SlotId::NONE,
            configured: drains,
            controlled: self.said.drains(address),
        };
        memory::push(&mut self.servers, server)?;
        memory::push(&mut self.keys, self.zone.server_key(upstream, address))
    }

    /// Assigns the slots, and returns them in the order of the roster.
    pub(super) fn place(
        mut self,
        conf: &UpstreamConf,
        upstream: Upstream<'_>,
        roster: &Roster<Peer>,
    ) -> Result<Vec<Tally>, OutOfMemory> {
        let zone = self.zone;
        let mut tallies = memory::collect(roster.members().map(|_| Tally::NONE))?;
        let keys = &self.keys;
        let (mut servers, mut placed) = (self.servers.iter_mut(), 0usize);
        let mut place = || {
            let Some(group) = zone.register_group(zone.group_key(upstream)) else {
                return false;
            };
            conf.group.set(Some(group));
            let left = keys.get(placed..).unwrap_or_default();
            let number = zone.register(group, left, |slot| {
                let Some(server) = servers.next() else { return };
                server.slot = slot;
                let entry = roster.entry(server.peer);
                if let Some(place) = entry.and_then(|entry| tallies.get_mut(entry.index())) {
                    *place = Tally {
                        slot,
                        line: zone.table().and_then(|table| table.line(slot, worker())),
                    };
                }
            });
            placed = placed.saturating_add(number);
            placed == keys.len()
        };
        let mut is_done = place();
        if !is_done && zone.is_time_to_sweep(ngx_time()) {
            sweep(zone)?;
            is_done = place();
        }
        if !is_done {
            tell(zone, conf, upstream);
        }
        if let Some(counters) = Counters::of(conf) {
            note_configuration(counters, self.servers);
        }
        Ok(tallies)
    }
}

/// Records which servers the configuration drains.
fn note_configuration(counters: Counters, mut servers: Vec<Server>) {
    // Servers with the same address share a slot.
    servers.sort_unstable_by_key(|server| (server.slot, !server.configured));
    servers.dedup_by_key(|server| server.slot);
    for server in servers {
        counters.note_configuration(server.slot, server.configured, server.controlled);
    }
}

/// Frees the slots of servers that are gone.
#[cold]
fn sweep(zone: CounterZone) -> Result<(), OutOfMemory> {
    let mut wanted = Vec::new();
    for upstream in zone.upstreams().iter().copied() {
        memory::append(&mut wanted, &Group::keys(zone.group_key(upstream)))?;
        if !upstream.conf_in_use::<Sticky>().has_peers(upstream) {
            continue;
        }
        let all = each_of_all(upstream, |known| {
            memory::push(&mut wanted, zone.server_key(upstream, known.name))
        });
        match all {
            Ok(()) => (),
            // Not all servers are known now. The next server for which there is no room tries again.
            Err(Uncounted::Changed) => return Ok(()),
            Err(Uncounted::OutOfMemory) => return Err(OutOfMemory),
        }
    }
    wanted.sort_unstable();
    zone.sweep(&wanted, KEPT);
    Ok(())
}

/// Reports that some servers are not counted.
#[cold]
fn tell(zone: CounterZone, conf: &UpstreamConf, upstream: Upstream<'_>) {
    if let Some(table) = zone.table() {
        table.note_incomplete();
    }
    if !conf.told.uncounted.replace(true) {
        error!(
            Log::of_cycle(),
            "session_sticky: no room to count the requests of all servers of upstream \"{}\"",
            string(upstream.host())
        );
    }
}
