//! Requests that set server states: `PATCH` of a server, or of all servers that share an ID.

use ngx::core::Status;
use ngx::ffi::ngx_int_t;
use session_cookie::control::{Change, Nonsense, Override, State, Target, LATEST};
use session_cookie::memory::{self, OutOfMemory};

use super::apply::refresh;
use super::state_file;
use crate::conf::{Sticky, UpstreamConf};
use crate::counters::Counters;
use crate::log::notice;
use crate::nginx::body::{Body, WithBody};
use crate::nginx::conf::seconds;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::pool::{PoolSlot, SlotKind};
use crate::nginx::request::Request;
use crate::nginx::server_names::{each_of_all, Known, Uncounted};
use crate::nginx::time::now;
use crate::nginx::upstream::Upstream;
use crate::nginx::{string, Printable};
use crate::status::answer::{self, Fault};
use crate::upstream::count::ServerIds;

/// The number of attempts to find servers while nginx changes them.
const ATTEMPTS: usize = 4;

/// A request for a change whose body is being read.
#[derive(Clone, Copy)]
struct Asked<'r> {
    request: Request<'r>,
    upstream: Upstream<'r>,
    server: &'r [u8],
}

// SAFETY: no other type has `SlotKind::Change`.
#[allow(unsafe_code)]
unsafe impl<'r> PoolSlot<'r> for Asked<'r> {
    const KIND: SlotKind = SlotKind::Change;

    fn key(&self) -> usize {
        self.request.address()
    }
}

/// Changes the state of a server of a sticky upstream, or of all that share this ID, once the body was read. Returns the
/// result of the content handler.
pub(crate) fn patch<'r>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    server: &'r [u8],
) -> ngx_int_t {
    let asked = Asked {
        request,
        upstream,
        server,
    };
    match request.pool().keep(asked) {
        Some(_) => request.read_body::<Patch>(),
        None => Status::NGX_ERROR.into(),
    }
}

struct Patch;

impl WithBody for Patch {
    const MOST: usize = 1024;

    fn go_on(request: Request<'_>, body: Body<'_>) -> ngx_int_t {
        let asked = request.pool().newest::<Asked>(request.address());
        let (Some(asked), Ok(())) = (asked, request.discard_body()) else {
            return Status::NGX_ERROR.into();
        };
        match asked.change(body) {
            Ok(Changed::Servers) => answer::server(request, asked.upstream, asked.server),
            Ok(Changed::Gone) => answer::upstream(request, asked.upstream),
            Err(Unchanged::Refused(fault)) => answer::refuse(request, fault),
            Err(Unchanged::OutOfMemory) => Status::NGX_ERROR.into(),
        }
    }
}

/// What was changed.
enum Changed {
    Servers,
    /// A server that is gone: its state was removed.
    Gone,
}

/// Why nothing has changed.
enum Unchanged {
    Refused(Fault),
    OutOfMemory,
}

impl From<Fault> for Unchanged {
    fn from(fault: Fault) -> Self {
        Unchanged::Refused(fault)
    }
}

impl From<OutOfMemory> for Unchanged {
    fn from(_: OutOfMemory) -> Self {
        Unchanged::OutOfMemory
    }
}

impl From<Nonsense> for Unchanged {
    fn from(_: Nonsense) -> Self {
        Unchanged::Refused(Fault::Nonsense)
    }
}

impl Asked<'_> {
    fn change(&self, body: Body<'_>) -> Result<Changed, Unchanged> {
        let body = match body {
            Body::Whole(body) => body,
            Body::TooLong => return Err(Fault::TooLong.into()),
            Body::Unreadable => return Err(Unchanged::OutOfMemory),
        };
        let change = Change::read(body)?;
        let over = over_of(&change)?;
        let conf = self.upstream.conf_in_use::<Sticky>();
        if !conf.has_peers(self.upstream) {
            return Err(Fault::Balancer.into());
        }
        let servers = find(self.upstream, conf, self.server)?;
        let zone = conf.control.zone.get().ok_or(Fault::Full)?;
        if servers.is_empty() {
            return self.forget(zone, change);
        }
        let may_change = |server: &Server| {
            let takes_back = change.target == Target::Up && self.said(zone, server).is_some();
            takes_back || server.may_become(change.target)
        };
        if !servers.iter().all(may_change) {
            return Err(Fault::Configured.into());
        }
        let begins = change.target == Target::Drain && !self.is_draining(zone, &servers);
        let addresses = servers.iter().map(|server| &*server.address);
        let changed = zone.with(|table| table.change(self.upstream.host(), addresses, over));
        match changed {
            Some(Ok(true)) => {}
            // The state is unchanged, but may not have been saved.
            Some(Ok(false)) => {
                state_file::save_unsaved(zone).map_err(|_| Fault::Unsaved)?;
                return Ok(Changed::Servers);
            }
            Some(Err(_)) | None => return Err(Fault::Full.into()),
        }
        for server in &servers {
            self.tell(&server.address, server.word_for(change.target), change);
            if let Some(counters) = Counters::of(conf).filter(|_| begins) {
                counters.begin_leaving(self.upstream, &server.address);
            }
        }
        refresh(self.upstream, conf);
        state_file::save(zone).map_err(|_| Fault::Unsaved)?;
        Ok(Changed::Servers)
    }

    /// Returns whether one of the servers already drains, so that the requests of its sessions are already being recorded.
    fn is_draining(&self, zone: ControlZone, servers: &[Server]) -> bool {
        let is_said = |server: &Server| {
            (self.said(zone, server)).is_some_and(|said| said.state == State::Drain)
        };
        let asks = |server: &Server| {
            zone.with(|table| table.find_asked(self.upstream.host(), &server.address))
                .flatten()
                .is_some()
        };
        (servers.iter()).any(|server| server.drains || is_said(server) || asks(server))
    }

    /// Returns the state that was set for a server.
    fn said(&self, zone: ControlZone, server: &Server) -> Option<Override> {
        zone.with(|table| table.find(self.upstream.host(), &server.address))
            .flatten()
    }

    /// Removes the state of a server that is gone, by its address: the server might return.
    fn forget(&self, zone: ControlZone, change: Change<'_>) -> Result<Changed, Unchanged> {
        if change.target != Target::Up {
            return Err(Fault::NoServer.into());
        }
        let address = self.server;
        let changed =
            zone.with(|table| table.change(self.upstream.host(), [address].into_iter(), None));
        if changed != Some(Ok(true)) {
            return Err(Fault::NoServer.into());
        }
        self.tell(address, "up", change);
        state_file::save(zone).map_err(|_| Fault::Unsaved)?;
        Ok(Changed::Gone)
    }

    /// Logs the new state of a server, and the user that has set it.
    fn tell(&self, address: &[u8], word: &str, change: Change<'_>) {
        let duration = change.duration.unwrap_or_default();
        notice!(
            self.request,
            "session_sticky: server {} of upstream \"{}\" is {}{}{}, by user \"{}\"",
            Printable(address),
            string(self.upstream.host()),
            word,
            if duration.is_empty() { "" } else { " for " },
            Printable(duration),
            Printable(self.request.user())
        );
    }
}

/// Returns the state to be set.
fn over_of(change: &Change<'_>) -> Result<Option<Override>, Nonsense> {
    let state = match change.target {
        Target::Up => return Ok(None),
        Target::Drain => State::Drain,
        Target::Down => State::Down,
    };
    let until = change.duration.map(end_of).transpose()?;
    Ok(Some(Override { state, until }))
}

/// Returns the second at which a period that begins now ends.
fn end_of(duration: &[u8]) -> Result<u64, Nonsense> {
    let seconds = seconds(duration).filter(|seconds| *seconds != 0);
    let end = seconds.and_then(|seconds| now().checked_add(seconds));
    end.filter(|end| *end <= LATEST).ok_or(Nonsense)
}

/// A server to be changed.
struct Server {
    address: Box<[u8]>,
    /// Whether the configuration has `down` or `drain` for it.
    down: bool,
    drains: bool,
}

impl Server {
    /// Returns the description of its state after a change.
    fn word_for(&self, target: Target) -> &'static str {
        match target {
            Target::Down => "down",
            Target::Drain => "draining",
            Target::Up if self.drains => "draining, as configured",
            Target::Up if self.down => "down, as configured",
            Target::Up => "up",
        }
    }

    /// Returns whether it can be changed to this state: a state from the configuration cannot be removed.
    fn may_become(&self, target: Target) -> bool {
        match target {
            Target::Up => !self.down && !self.drains,
            Target::Drain => !self.down || self.drains,
            Target::Down => true,
        }
    }
}

/// Returns the servers of an upstream with this ID or this address.
fn find(
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
    name: &[u8],
) -> Result<Vec<Server>, Unchanged> {
    let policy = conf.policy().ok_or(Fault::NoUpstream)?;
    let ids = ServerIds::of(upstream, conf, policy)?;
    for _ in 0..ATTEMPTS {
        let mut servers = Vec::new();
        let mut place = 0usize;
        let mut add = |known: Known<'_>| {
            let is_called = known.name == name || *ids.id(&known, place) == *name;
            place = place.saturating_add(1);
            if !is_called {
                return Ok(());
            }
            let server = Server {
                address: memory::boxed(known.name)?,
                down: known.look.down,
                drains: ids.drains(&known),
            };
            memory::push(&mut servers, server)
        };
        match each_of_all(upstream, &mut add) {
            Ok(()) => return Ok(servers),
            Err(Uncounted::Changed) => {}
            Err(Uncounted::OutOfMemory) => return Err(Unchanged::OutOfMemory),
        }
    }
    Err(Fault::Changing.into())
}
