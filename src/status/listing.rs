//! Lists sticky upstreams and their servers in slices.

use ngx::ffi::ngx_uint_t;
use session_cookie::bytes::Sink;
use session_cookie::control::Override;
use session_cookie::id::Id;
use session_cookie::memory::OutOfMemory;
use session_cookie::roster::Member;

use crate::conf::{Sticky, StickyUpstream, UpstreamConf};
use crate::control::apply::refresh;
use crate::control::said::Said;
use crate::counters::Counters;
use crate::nginx::all_upstreams::Upstreams;
use crate::nginx::control_bits::Control;
use crate::nginx::peers::{Look, Peer, Peers, Reason};
use crate::nginx::request::Request;
use crate::nginx::server_names::{Known, Shape, Uncounted, Walk};
use crate::nginx::time::now;
use crate::nginx::upstream::Upstream;
use crate::upstream::count::ServerIds;
use crate::upstream::linger::{lingering, Lingering};
use session_cookie::counters::{Leaving, ServerCounts, UpstreamCounts};

/// The number of servers per slice: about 50 kB of JSON, in less than a millisecond.
const SLICE: usize = 128;

/// The work for an upstream without its servers, in servers.
const UPSTREAM: usize = 4;

/// The state of all counters; zeros if requests are not counted.
#[derive(Clone, Copy, Default)]
pub(super) struct Totals {
    /// The time at which counting began, in seconds since the epoch.
    pub(super) since: u64,
    /// The size of their memory.
    pub(super) bytes: usize,
    /// Whether there is room for every server.
    pub(super) complete: bool,
}

/// The selection of what is listed.
#[derive(Clone, Copy)]
pub(super) enum Selection<'r> {
    /// Everything.
    All,
    /// One upstream.
    Upstream(Upstream<'r>),
    /// The servers of an upstream that have this ID or address.
    Server(Upstream<'r>, &'r [u8]),
}

/// The level down to which a listing goes.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Reach {
    Nothing,
    /// Upstreams without their servers.
    Upstreams,
    Servers,
}

/// A sticky upstream.
#[derive(Clone, Copy)]
pub(super) struct ShownUpstream<'r> {
    pub(super) upstream: Upstream<'r>,
    pub(super) conf: &'r UpstreamConf,
    pub(super) sticky: &'r StickyUpstream,
    pub(super) counters: Option<Counters>,
}

impl<'r> ShownUpstream<'r> {
    /// Returns an upstream if it is sticky.
    pub(super) fn of(upstream: Upstream<'r>) -> Option<Self> {
        let conf = upstream.conf::<Sticky>()?;
        Some(ShownUpstream {
            upstream,
            conf,
            sticky: conf.sticky.as_ref()?,
            counters: Counters::of(conf),
        })
    }

    /// Returns its counters.
    pub(super) fn counts(&self) -> UpstreamCounts {
        (self.counters).map_or_else(UpstreamCounts::default, |counters| {
            counters.upstream(self.upstream)
        })
    }

    /// Returns the states of its servers that were set or requested at run time.
    fn said(&self) -> Result<Said, OutOfMemory> {
        let zone = self.conf.control.zone.get();
        Said::of_shown(self.upstream, zone, self.conf.can_ask())
    }

    /// Returns its lingering servers.
    pub(super) fn lingering(&self) -> Result<Vec<Lingering>, OutOfMemory> {
        lingering(self.upstream, self.conf)
    }

    /// Returns whether its load-balancing method is based on round robin, as far as is known.
    pub(super) fn has_peers(&self) -> bool {
        self.conf.has_peers(self.upstream)
    }

    /// Returns its primary servers or its backups, if its load-balancing method is based on round robin.
    fn peers(&self, backup: bool) -> Option<Peers<'r>> {
        let primary = self.upstream.primary().filter(|_| self.has_peers())?;
        if backup {
            primary.next()
        } else {
            Some(primary)
        }
    }
}

/// A server of an upstream.
pub(super) struct ShownServer<'a> {
    of: &'a Place<'a>,
    known: &'a Known<'a>,
    /// Its position in its group.
    index: usize,
    draining: bool,
    /// Whether the configuration drains it.
    drains: bool,
}

/// The state of a server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum State {
    Up,
    Draining,
    Down,
    Unavailable,
    Full,
}

impl State {
    pub(super) const ALL: [Self; 5] = [
        State::Up,
        State::Draining,
        State::Down,
        State::Unavailable,
        State::Full,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            State::Up => "up",
            State::Draining => "draining",
            State::Down => "down",
            State::Unavailable => "unavailable",
            State::Full => "full",
        }
    }
}

impl<'a> ShownServer<'a> {
    fn new(of: &'a Place<'a>, known: &'a Known<'a>, index: usize) -> Self {
        let drains = of.ids.drains(known);
        ShownServer {
            of,
            known,
            index,
            draining: drains || known.look.control.drains(),
            drains,
        }
    }

    /// Returns the ID by which cookies name it.
    pub(super) fn id(&self) -> Id<'a> {
        let place = self.of.before.saturating_add(self.index);
        self.of.ids.id(self.known, place)
    }

    /// Returns its address as nginx prints it.
    #[allow(clippy::misnamed_getters)] // nginx's name of a server, which is its address
    pub(super) fn address(&self) -> &'a [u8] {
        self.known.name
    }

    /// Returns the address as it is written in its `server` line.
    pub(super) fn line(&self) -> &'a [u8] {
        self.known.line.0
    }

    /// Returns whether it is a backup.
    pub(super) fn is_backup(&self) -> bool {
        self.of.backup
    }

    /// Returns its current state in nginx.
    pub(super) fn look(&self) -> &Look {
        &self.known.look
    }

    /// Returns its state in the configuration.
    pub(super) fn configured(&self) -> &'static str {
        match (self.drains, self.look().down) {
            (true, _) => "drain",
            (false, true) => "down",
            (false, false) => "up",
        }
    }

    /// Returns its state, and the time until which it is unavailable.
    pub(super) fn state(&self) -> (State, Option<i64>) {
        match self.look().reason {
            _ if self.look().control == Control::Down => (State::Down, None),
            _ if self.draining => (State::Draining, None),
            _ if self.look().down => (State::Down, None),
            None | Some(Reason::Down | Reason::TakenDown) => (State::Up, None),
            #[cfg(nginx_upstream_check)]
            Some(Reason::CheckFailed) => (State::Unavailable, None),
            Some(Reason::MaxFails(until)) => (State::Unavailable, Some(until)),
            Some(Reason::MaxConns) => (State::Full, None),
        }
    }

    /// Returns its counters.
    pub(super) fn counts(&self) -> ServerCounts {
        let of = &self.of.shown;
        (of.counters).map_or_else(ServerCounts::default, |counters| {
            counters.server(of.upstream, self.address())
        })
    }

    /// Returns the recent requests of its sessions, if it is being drained.
    pub(super) fn leaving(&self) -> Option<Leaving> {
        let of = &self.of.shown;
        let counters = of.counters.filter(|_| self.draining)?;
        if self.drains {
            let already = self.of.said.drains(self.address());
            counters.note_configured(of.upstream, self.address(), already);
        }
        Some(counters.leaving(of.upstream, self.address(), now()))
    }

    /// Returns the state that was set at run time.
    pub(super) fn said(&self) -> Option<Override> {
        self.of.said.over_of(self.address())
    }

    /// Returns the time until which it requests to be drained.
    pub(super) fn asked(&self) -> Option<u64> {
        self.of.said.asked_of(self.address())
    }

    /// Returns the name of its upstream.
    pub(super) fn upstream(&self) -> &'a [u8] {
        self.of.shown.upstream.host()
    }

    fn is_called(&self, name: &[u8]) -> bool {
        self.address() == name || *self.id() == *name
    }
}

/// Writes the upstreams and servers of a listing.
pub(super) trait Show {
    /// Begins an upstream.
    fn begin_upstream(&mut self, upstream: &ShownUpstream<'_>, out: &mut impl Sink);

    /// Writes a server of the upstream.
    fn server(&mut self, server: &ShownServer<'_>, out: &mut impl Sink) -> Result<(), OutOfMemory>;

    /// Whether lingering servers are listed.
    const SHOWS_LINGERING: bool = false;

    /// Ends the servers of the upstream, and begins the lingering ones.
    fn begin_lingering(&mut self, _: &mut impl Sink) {}

    /// Writes a lingering server of the upstream.
    fn lingering(&mut self, _: Lingering, _: &mut impl Sink) {}

    /// Ends the upstream.
    fn end_upstream(&mut self, out: &mut impl Sink);
}

/// An iteration over upstreams and servers.
pub(super) struct Listing<'r> {
    upstreams: Upstreams<'r>,
    counters: Option<Counters>,
    selection: Selection<'r>,
    reach: Reach,
    /// The number of the next upstream.
    next: usize,
    walk: Walk,
    /// The current position; `None` between two upstreams.
    place: Option<Place<'r>>,
    /// Whether a selected server was found.
    met: bool,
}

/// A group of servers that is being listed.
struct Place<'r> {
    shown: ShownUpstream<'r>,
    /// The states set or requested at run time, when the upstream was begun.
    said: Said,
    ids: ServerIds<'r>,
    backup: bool,
    /// The number of servers in the previous group.
    before: usize,
    /// The lingering servers that are still to be shown; `None` before all other servers were shown.
    lingering: Option<Vec<Lingering>>,
}

impl Place<'_> {
    /// Continues with the lingering servers, if they are listed and no single server is selected.
    fn end_servers<S: Show>(
        &mut self,
        selection: Selection<'_>,
        show: &mut S,
        out: &mut impl Sink,
    ) -> Result<(), OutOfMemory> {
        show.begin_lingering(out);
        self.lingering = Some(match selection {
            Selection::All | Selection::Upstream(_) if S::SHOWS_LINGERING => {
                self.shown.lingering()?
            }
            _ => Vec::new(),
        });
        Ok(())
    }
}

impl<'r> Listing<'r> {
    /// Returns a listing of the selection.
    pub(super) fn new(request: Request<'r>, selection: Selection<'r>) -> Result<Self, OutOfMemory> {
        Ok(Listing {
            upstreams: request.upstreams(),
            counters: request.main_conf::<Sticky>().and_then(Counters::of_all),
            selection,
            reach: Reach::Servers,
            next: 0,
            walk: Walk::new(SLICE)?,
            place: None,
            met: false,
        })
    }

    /// Returns a snapshot of all counters.
    pub(super) fn totals(&self) -> Totals {
        self.counters
            .map_or_else(Totals::default, |counters| Totals {
                since: counters.since(),
                bytes: counters.bytes(),
                complete: counters.is_complete(),
            })
    }

    /// Starts from the beginning.
    pub(super) fn restart(&mut self, reach: Reach) {
        self.reach = reach;
        self.next = 0;
        self.place = None;
    }

    /// Returns whether a selected server was found, or no server is selected.
    pub(super) fn is_met(&self) -> bool {
        self.met || !matches!(self.selection, Selection::Server(..))
    }

    /// Lists the next slice. Returns `false` at the end.
    pub(super) fn step(
        &mut self,
        show: &mut impl Show,
        out: &mut impl Sink,
    ) -> Result<bool, OutOfMemory> {
        let mut work = 0usize;
        while work < SLICE {
            work = work.saturating_add(1);
            let Some(place) = &mut self.place else {
                let Some(shown) = self.next_upstream() else {
                    return Ok(false);
                };
                show.begin_upstream(&shown, out);
                if self.reach == Reach::Servers {
                    self.place = Some(self.begin(shown)?);
                } else {
                    show.end_upstream(out);
                }
                work = work.saturating_add(UPSTREAM);
                continue;
            };
            if let Some(lingering) = &mut place.lingering {
                match lingering.pop() {
                    Some(server) => show.lingering(server, out),
                    None => {
                        show.end_upstream(out);
                        self.place = None;
                    }
                }
                continue;
            }
            let Some(peers) = place.shown.peers(place.backup) else {
                place.end_servers(self.selection, show, out)?;
                continue;
            };
            let upstream = place.shown.upstream;
            let before = self.walk.passed();
            match self.walk.advance(upstream, peers) {
                Ok(true) => {
                    work = work.saturating_add(self.walk.passed().saturating_sub(before));
                    self.show(before, show, out)?;
                }
                Ok(false) if place.backup => place.end_servers(self.selection, show, out)?,
                Ok(false) => {
                    place.backup = true;
                    place.before = before;
                    self.walk.begin(0);
                    if let Some(backups) = place.shown.peers(true) {
                        self.walk.catch_up(upstream, backups);
                    }
                }
                Err(Uncounted::Changed) => self.walk.catch_up(upstream, peers),
                Err(Uncounted::OutOfMemory) => return Err(OutOfMemory),
            }
        }
        Ok(true)
    }

    /// Shows the servers that the walk has just copied; `before` is the number of servers before them.
    fn show(
        &mut self,
        before: usize,
        show: &mut impl Show,
        out: &mut impl Sink,
    ) -> Result<(), OutOfMemory> {
        let Some(of) = &self.place else {
            return Ok(());
        };
        for (index, known) in (before..).zip(self.walk.servers()) {
            let server = ShownServer::new(of, &known, index);
            if let Selection::Server(_, name) = self.selection {
                if !server.is_called(name) {
                    continue;
                }
                self.met = true;
            }
            show.server(&server, out)?;
        }
        Ok(())
    }

    /// Returns the next upstream that is selected.
    fn next_upstream(&mut self) -> Option<ShownUpstream<'r>> {
        if self.reach == Reach::Nothing {
            return None;
        }
        loop {
            let upstream = self.upstreams.get(self.next)?;
            self.next = self.next.saturating_add(1);
            let is_selected = match self.selection {
                Selection::All => true,
                Selection::Upstream(selected) | Selection::Server(selected, _) => {
                    upstream == Some(selected)
                }
            };
            if let Some(shown) = upstream.filter(|_| is_selected).and_then(ShownUpstream::of) {
                return Some(shown);
            }
        }
    }

    /// Begins an upstream, with its primary servers.
    fn begin(&mut self, shown: ShownUpstream<'r>) -> Result<Place<'r>, OutOfMemory> {
        if shown.conf.control.is_wanted() {
            // Otherwise, this worker would apply changes only with its next request to the upstream.
            refresh(shown.upstream, shown.conf);
        }
        self.walk.begin(0);
        if let Some(peers) = shown.peers(false) {
            self.walk.catch_up(shown.upstream, peers);
        }
        Ok(Place {
            shown,
            said: shown.said()?,
            ids: ServerIds::of(shown.upstream, shown.conf, &shown.sticky.policy)?,
            backup: false,
            before: 0,
            lingering: None,
        })
    }
}

/// Shows one server of an upstream, if it is still there.
pub(super) fn show_member<T>(
    shown: ShownUpstream<'_>,
    member: &Member<Peer>,
    generation: ngx_uint_t,
    show: impl FnOnce(Option<&ShownServer<'_>>) -> T,
) -> Result<T, OutOfMemory> {
    let mut walk = Walk::new(1)?;
    let primaries = shown
        .peers(false)
        .map_or(0, |primary| Shape::of(primary).number);
    let of = Place {
        shown,
        said: shown.said()?,
        ids: ServerIds::of(shown.upstream, shown.conf, &shown.sticky.policy)?,
        backup: member.backup,
        before: if member.backup { primaries } else { 0 },
        lingering: None,
    };
    if !walk.look_at(shown.upstream, member, generation)? {
        return Ok(show(None));
    }
    let known = walk.servers().next();
    let index = usize::try_from(member.index).unwrap_or_default();
    let server = (known.as_ref()).map(|known| ShownServer::new(&of, known, index));
    Ok(show(server.as_ref()))
}
