//! Looks up lingering servers by ID.

use core::cell::{Cell, Ref};

use session_cookie::control::State;
use session_cookie::linger::{seconds_left, Place, Server};
use session_cookie::memory::{self, OutOfMemory};
use session_cookie::policy::Policy;
use session_cookie::roster::{EntryId, Member};

use super::known::{Number, Roster};
use super::watch::{look, second};
use crate::conf::UpstreamConf;
use crate::control::said::Said;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::gone_server::printed;
use crate::nginx::linger_zone::LingerZone;
use crate::nginx::peers::Address;
use crate::nginx::pool::Pool;
use crate::nginx::server_names::Known;
use crate::nginx::upstream::Upstream;
use crate::nginx::worker_timer::is_ending;
use crate::upstream::count::{Count, ServerIds};
use crate::upstream::directory::Directory;
use crate::upstream::servers::IdScheme;

/// The number of slots that are examined under one lock.
const SLICE: usize = 2048;

/// A lingering server.
#[derive(Clone, Copy)]
pub(crate) struct Lingering {
    pub(super) server: Server,
    /// The remaining seconds.
    pub(crate) left: u64,
}

impl Lingering {
    /// Returns its address as nginx prints it.
    pub(crate) fn address(&self) -> Address {
        printed(self.server.address.as_bytes())
    }
}

/// The lingering servers of an upstream, for a request or an explanation.
pub(crate) struct Departed<'a, 'r> {
    zone: LingerZone,
    policy: &'r Policy,
    roster: Ref<'r, Roster>,
    upstream: Upstream<'r>,
    /// The zone with the server states set at run time.
    control: Option<ControlZone>,
    pool: Pool<'r>,
    lacks_memory: &'a Cell<bool>,
}

impl<'a, 'r> Departed<'a, 'r> {
    /// Checks for servers that have left, and returns the lingering ones; `None` if there are none.
    pub(crate) fn of(
        upstream: Upstream<'r>,
        conf: &'r UpstreamConf,
        pool: Pool<'r>,
        lacks_memory: &'a Cell<bool>,
    ) -> Result<Option<Self>, OutOfMemory> {
        let (Some(zone), Some(policy)) = (conf.linger.zone.get(), conf.policy()) else {
            return Ok(None);
        };
        notice_departures(upstream, conf);
        let Some(roster) = roster_of(upstream, conf, zone, policy)? else {
            return Ok(None);
        };
        Ok(Some(Departed {
            zone,
            policy,
            roster,
            upstream,
            control: conf.control.zone.get(),
            pool,
            lacks_memory,
        }))
    }

    /// Returns the first server with an ID that still lingers.
    fn first(&self, scheme: IdScheme, first: EntryId) -> Option<(Number, Lingering)> {
        let roster = self.roster.servers.by(scheme)?;
        let mut all = core::iter::successors(Some(first), |entry| roster.next(*entry));
        all.find_map(|entry| {
            let number = roster.member(entry)?.peer;
            let (place, server) = *self.roster.places.get(usize::try_from(number.0).ok()?)?;
            let (found, since) = self.zone.with(|table| table.find(place)).flatten()?;
            let left = seconds_left(since, second(), self.policy.linger)?;
            let is_there = found == server && !self.is_down(&server);
            is_there.then_some((number, Lingering { server, left }))
        })
    }

    /// Returns whether an operator has set the server to `down`. This is looked up only for a server that would serve a
    /// request: any client can send IDs that name none.
    fn is_down(&self, server: &Server) -> bool {
        let Some(zone) = self.control.filter(ControlZone::is_controlled) else {
            return false;
        };
        let address = printed(server.address.as_bytes());
        let over = zone.with(|table| table.find(self.upstream.host(), address.as_bytes()));
        over.flatten().is_some_and(|over| over.state == State::Down)
    }
}

impl<'r> Directory<'r> for Departed<'_, 'r> {
    type Found = (IdScheme, Lingering);

    fn policy(&self) -> &'r Policy {
        self.policy
    }

    fn own_server(&self, id: &[u8]) -> Option<Self::Found> {
        let first = self.roster.servers.own.find(id)?;
        let (_, lingering) = self.first(IdScheme::Own, first)?;
        Some((IdScheme::Own, lingering))
    }

    fn accepted_server(&self, id: &[u8]) -> Option<(Self::Found, &'r [u8])> {
        let (scheme, first, _) = self.roster.servers.find_accepted(id, self.policy)?;
        let (number, lingering) = self.first(scheme, first)?;
        let own = self.pool.copy(self.roster.servers.own.id(number)?);
        if own.is_none() {
            self.lacks_memory.set(true);
        }
        Some(((scheme, lingering), own?))
    }
}

/// Checks for servers that have left since the last tick of the timer. A worker that is shutting down does not check: its
/// servers are those of an old cycle.
fn notice_departures(upstream: Upstream<'_>, conf: &UpstreamConf) {
    if !is_ending() {
        look(upstream, conf);
    }
}

/// Returns the lingering servers by ID, read again if others have begun to linger; `None` if none ever have.
fn roster_of<'c>(
    upstream: Upstream<'c>,
    conf: &'c UpstreamConf,
    zone: LingerZone,
    policy: &Policy,
) -> Result<Option<Ref<'c, Roster>>, OutOfMemory> {
    let Some(table) = zone.table().filter(|table| !table.is_untouched()) else {
        return Ok(None);
    };
    let generation = table.generation();
    let known = conf.linger.roster.read();
    if known
        .as_ref()
        .is_some_and(|known| known.generation == generation)
    {
        return Ok(known);
    }
    drop(known);
    let counted = Roster {
        generation,
        ..count(upstream, conf, zone, policy)?
    };
    if let Some(mut known) = conf.linger.roster.write() {
        *known = counted;
    }
    Ok(conf.linger.roster.read())
}

#[cold]
#[inline(never)]
fn count(
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
    zone: LingerZone,
    policy: &Policy,
) -> Result<Roster, OutOfMemory> {
    let mut count = Count::new(ServerIds::of(upstream, conf, policy)?)?;
    let mut places = Vec::new();
    each(conf, zone, policy, |place, server, _| {
        let Some(line) = conf.linger.line(server.line) else {
            return Ok(());
        };
        let number = Number(u32::try_from(places.len()).unwrap_or(u32::MAX));
        let member = Member {
            peer: number,
            index: number.0,
            backup: line.is_backup,
            draining: false,
        };
        let address = server.address.as_bytes();
        let name = printed(address);
        // It is no longer in the upstream.
        count.add(
            &Known::gone(name.as_bytes(), address, line),
            member,
            usize::MAX,
        )?;
        memory::push(&mut places, (place, *server))
    })?;
    Ok(Roster {
        generation: 0,
        servers: count.finish()?,
        places,
    })
}

/// Calls `show` with each lingering server of an upstream, its place in the table, and its remaining seconds.
fn each(
    conf: &UpstreamConf,
    zone: LingerZone,
    policy: &Policy,
    mut show: impl FnMut(Place, &Server, u64) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let mut slice = memory::with_capacity(SLICE)?;
    let (mut from, mut goes_on) = (0usize, true);
    while goes_on {
        slice.clear();
        let more = zone.with(|table| {
            table.show(from, SLICE, |place, server, since| {
                // Within the capacity: nothing is allocated.
                let _ = memory::push(&mut slice, (place, server, since));
            })
        });
        goes_on = more == Some(true);
        from = from.saturating_add(SLICE);
        for (place, server, since) in &slice {
            let left = seconds_left(*since, second(), policy.linger);
            let is_own = conf.linger.line(server.line).is_some();
            if let Some(left) = left.filter(|_| is_own) {
                show(*place, server, left)?;
            }
        }
    }
    Ok(())
}

/// Returns the lingering servers of an upstream, for the status. A server is included as soon as it has left the upstream.
pub(crate) fn lingering(
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
) -> Result<Vec<Lingering>, OutOfMemory> {
    let mut all = Vec::new();
    let (Some(zone), Some(policy)) = (conf.linger.zone.get(), conf.policy()) else {
        return Ok(all);
    };
    notice_departures(upstream, conf);
    if zone.table().is_none_or(|table| table.is_untouched()) {
        return Ok(all);
    }
    let said = Said::of_shown(upstream, conf.control.zone.get(), conf.can_ask())?;
    each(conf, zone, policy, |_, server, left| {
        if said.is_down(printed(server.address.as_bytes()).as_bytes()) {
            return Ok(());
        }
        let server = *server;
        memory::push(&mut all, Lingering { server, left })
    })?;
    Ok(all)
}
