//! The request counters for `session_sticky_status`: their memory, and their sums.

use session_cookie::counters::{Leaving, ServerCounts, SlotId, UpstreamCounts};
use session_cookie::memory::{self, OutOfMemory};

use crate::conf::{MainConf, Sticky, UpstreamConf};
use crate::nginx::conf::Conf;
use crate::nginx::counter_zone::CounterZone;
use crate::nginx::upstream::Upstream;
use crate::nginx::worker_timer::is_ending;

/// The number of slots for an upstream itself.
const GROUP: usize = 3;

/// The number of slots for a name that is resolved at run time.
const RESOLVED: usize = 128;

/// The number of slots is a multiple of this: a few servers more or fewer do not change the size of the zone, so that nginx
/// keeps it on reload.
const GRANULE: usize = 1024;

/// Adds the counters of all sticky upstreams, if requests are counted. Called after all directives were read.
pub(crate) fn prepare(cf: Conf<'static>) -> Result<(), OutOfMemory> {
    let main = cf.main_conf::<Sticky>().filter(|main| main.counts);
    let Some(main) = main else {
        return Ok(());
    };
    let is_sticky = |upstream: &Upstream<'_>| {
        let conf = upstream.conf::<Sticky>();
        conf.is_some_and(|conf| conf.sticky.is_some())
    };
    let upstreams = cf.keep(memory::collect(cf.upstreams().filter(is_sticky))?)?;
    let servers = upstreams.iter().map(|upstream| {
        let lines = upstream.lines().map(|line| match line.addresses().len() {
            0 => RESOLVED,
            addresses => addresses,
        });
        lines.fold(GROUP, usize::saturating_add)
    });
    let wanted = servers.fold(0, usize::saturating_add);
    let slots = (wanted.saturating_add(wanted / 4))
        .checked_next_multiple_of(GRANULE)
        .ok_or(OutOfMemory)?
        .max(GRANULE);
    let zone = CounterZone::add(cf, slots, upstreams).ok_or(OutOfMemory)?;
    main.counters.set(Some(zone));
    for conf in upstreams
        .iter()
        .filter_map(|upstream| upstream.conf::<Sticky>())
    {
        conf.counters.set(Some(zone));
    }
    Ok(())
}

/// The counters of the current cycle.
#[derive(Clone, Copy)]
pub(crate) struct Counters(CounterZone);

impl Counters {
    /// Returns the counters of a configuration, if requests are counted.
    pub(crate) fn of_all(main: &MainConf) -> Option<Self> {
        let zone = main.counters.get()?;
        zone.table().is_some().then_some(Counters(zone))
    }

    /// Returns the counters for the requests of an upstream, if those are counted.
    pub(crate) fn of(conf: &UpstreamConf) -> Option<Self> {
        let zone = conf.counters.get()?;
        zone.table().is_some().then_some(Counters(zone))
    }

    fn slot(&self, upstream: Upstream<'_>, address: &[u8]) -> SlotId {
        let key = self.0.server_key(upstream, address);
        self.0.find(key).unwrap_or(SlotId::NONE)
    }

    /// Returns the counts of a server.
    pub(crate) fn server(&self, upstream: Upstream<'_>, address: &[u8]) -> ServerCounts {
        let slot = self.slot(upstream, address);
        (self.0.table()).map_or_else(ServerCounts::default, |table| table.server(slot))
    }

    /// Returns the requests of the sessions that a draining server still has.
    pub(crate) fn leaving(&self, upstream: Upstream<'_>, address: &[u8], now: u64) -> Leaving {
        let slot = self.slot(upstream, address);
        (self.0.table()).map_or(Leaving::NONE, |table| table.leaving(slot, now))
    }

    /// Records that the configuration drains a server, which may `already` drain at run time: after a reload, no worker may have
    /// read the servers yet.
    pub(crate) fn note_configured(&self, upstream: Upstream<'_>, address: &[u8], already: bool) {
        self.note_configuration(self.slot(upstream, address), true, already);
    }

    /// Records whether the configuration drains a server, so that the requests of its remaining sessions are counted from the
    /// beginning of the drain. A worker that is about to end has the configuration of a previous cycle.
    pub(crate) fn note_configuration(&self, slot: SlotId, drains: bool, already: bool) {
        if let Some(table) = self.0.table().filter(|_| !is_ending()) {
            table.note_configuration(slot, drains, already);
        }
    }

    /// Records that a server begins to drain.
    pub(crate) fn begin_leaving(&self, upstream: Upstream<'_>, address: &[u8]) {
        if let Some(table) = self.0.table() {
            table.begin_leaving(self.slot(upstream, address));
        }
    }

    /// Returns the counts of an upstream.
    pub(crate) fn upstream(&self, upstream: Upstream<'_>) -> UpstreamCounts {
        let group = self.0.find_group(self.0.group_key(upstream));
        let counts = group.and_then(|group| Some(self.0.table()?.upstream(group)));
        counts.unwrap_or_default()
    }

    /// Returns the second at which counting began.
    pub(crate) fn since(&self) -> u64 {
        self.0.table().map_or(0, |table| table.since())
    }

    /// Returns the size of the counters in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// Returns whether there was room for every server so far.
    pub(crate) fn is_complete(&self) -> bool {
        self.0.table().is_some_and(|table| table.is_complete())
    }
}
