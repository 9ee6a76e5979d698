//! The state of all upstreams as JSON, as described by docs/status.schema.json.

use ngx::ffi::NGINX_VERSION;
use serde::Serialize;
use session_cookie::bytes::Sink;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Mode;

use super::json;
use super::listing::{Listing, Show, ShownServer, ShownUpstream, Totals};
use super::text::Text;
use crate::nginx::peers::Address;
use crate::nginx::time::now;
use crate::upstream::linger;
use session_cookie::counters::{ActionCounts, RequestCounts, ServerCounts, VerdictCounts};

/// The version of the format.
pub(super) const VERSION: u32 = 1;

/// The version of the module.
pub(super) const MODULE: &str = env!("CARGO_PKG_VERSION");

/// The version of nginx. It only loads modules that were built for this version.
pub(super) fn nginx() -> Text<'static> {
    Text(NGINX_VERSION.to_bytes())
}

/// The document that is being written.
pub(super) struct Document<'r> {
    listing: Listing<'r>,
    shows_control: bool,
    began: bool,
    commas: Commas,
}

/// Whether the next element needs a comma before it.
#[derive(Default)]
struct Commas {
    upstream: bool,
    server: bool,
}

impl<'r> Document<'r> {
    /// Returns the document of a listing.
    pub(super) fn new(listing: Listing<'r>, shows_control: bool) -> Self {
        Document {
            listing,
            shows_control,
            began: false,
            commas: Commas::default(),
        }
    }

    /// Returns whether the requested server was found, or none was requested.
    pub(super) fn is_met(&self) -> bool {
        self.listing.is_met()
    }

    /// Writes the next part. Returns `false` if it was the last one.
    pub(super) fn step(&mut self, out: &mut impl Sink) -> Result<bool, OutOfMemory> {
        if !self.began {
            self.began = true;
            let Totals {
                since,
                bytes,
                complete,
            } = self.listing.totals();
            let head = Head {
                version: VERSION,
                module: MODULE,
                nginx: nginx(),
                since,
                now: now(),
                control: self.shows_control,
                counters: HeadCounters { bytes, complete },
            };
            json::write_open(&head, out);
            out.put(b",\"upstreams\":[");
        }
        let goes_on = self.listing.step(&mut self.commas, out)?;
        if !goes_on {
            out.put(b"]}\n");
        }
        Ok(goes_on)
    }
}

impl Show for Commas {
    fn begin_upstream(&mut self, shown: &ShownUpstream<'_>, out: &mut impl Sink) {
        comma(&mut self.upstream, out);
        json::write_open(&Upstream::of(shown), out);
        out.put(b",\"servers\":[");
        self.server = false;
    }

    fn server(&mut self, server: &ShownServer<'_>, out: &mut impl Sink) -> Result<(), OutOfMemory> {
        comma(&mut self.server, out);
        tell(server, |server| json::write(server, out));
        Ok(())
    }

    const SHOWS_LINGERING: bool = true;

    fn begin_lingering(&mut self, out: &mut impl Sink) {
        out.put(b"],\"lingering\":[");
        self.server = false;
    }

    fn lingering(&mut self, server: linger::Lingering, out: &mut impl Sink) {
        comma(&mut self.server, out);
        json::write(&Lingering::of(server, &server.address()), out);
    }

    fn end_upstream(&mut self, out: &mut impl Sink) {
        out.put(b"]}");
    }
}

fn comma(is_behind: &mut bool, out: &mut impl Sink) {
    if core::mem::replace(is_behind, true) {
        out.put(b",");
    }
}

#[derive(Serialize)]
struct Head {
    version: u32,
    module: &'static str,
    nginx: Text<'static>,
    since: u64,
    now: u64,
    control: bool,
    counters: HeadCounters,
}

#[derive(Serialize)]
struct HeadCounters {
    bytes: usize,
    complete: bool,
}

#[derive(Serialize)]
struct Upstream<'a> {
    name: Text<'a>,
    directive: &'static str,
    mode: &'static str,
    cookie: Option<Text<'a>>,
    #[serde(with = "RequestsOfUpstream")]
    requests: RequestCounts,
    #[serde(with = "Verdicts")]
    verdicts: VerdictCounts,
    #[serde(with = "Actions")]
    actions: ActionCounts,
    over_limit: u64,
}

impl<'a> Upstream<'a> {
    fn of(shown: &ShownUpstream<'a>) -> Self {
        let policy = &shown.sticky.policy;
        let counts = shown.counts();
        Upstream {
            name: Text(shown.upstream.host()),
            directive: shown.sticky.directive,
            mode: match policy.mode {
                Mode::Insert | Mode::Repeat => "insert",
                Mode::Rewrite => "rewrite",
                Mode::Prefix => "prefix",
                Mode::Route => "route",
                Mode::Learn => "learn",
            },
            cookie: policy.has_cookie().then(|| Text(&policy.cookie)),
            requests: counts.requests,
            verdicts: counts.verdicts,
            actions: counts.actions,
            over_limit: counts.over_limit,
        }
    }
}

/// A server, as the document shows it.
#[derive(Serialize)]
pub(super) struct Server<'a> {
    id: Text<'a>,
    address: Text<'a>,
    line: Text<'a>,
    backup: bool,
    weight: i64,
    state: &'static str,
    until: Option<i64>,
    configured: &'static str,
    control: Option<Control>,
    asked_until: Option<u64>,
    connections: u64,
    max_connections: Option<u64>,
    requests: RequestsOfServer,
    moved_away: u64,
    leaving: Option<Leaving>,
}

/// The state of a server that was set through `session_sticky_control`.
#[derive(Serialize)]
struct Control {
    state: &'static str,
    until: Option<u64>,
}

#[derive(Serialize)]
struct RequestsOfServer {
    new: u64,
    bound: u64,
    moved: u64,
    lent: u64,
    refused: u64,
}

#[derive(Serialize)]
struct Leaving {
    last_minute: u64,
    last: Option<u64>,
}

/// A lingering server, as the document shows it.
#[derive(Serialize)]
pub(super) struct Lingering<'a> {
    address: Text<'a>,
    seconds: u64,
}

impl<'a> Lingering<'a> {
    pub(super) fn of(server: linger::Lingering, address: &'a Address) -> Self {
        Lingering {
            address: Text(address.as_bytes()),
            seconds: server.left,
        }
    }
}

/// Calls `work` with a server as the document shows it.
pub(super) fn tell<T>(server: &ShownServer<'_>, work: impl FnOnce(&Server<'_>) -> T) -> T {
    let look = server.look();
    let (state, until) = server.state();
    let ServerCounts {
        new,
        bound,
        moved,
        lent,
        refused,
        moved_away,
    } = server.counts();
    let limit = look.max_connections as u64;
    work(&Server {
        id: Text(&server.id()),
        address: Text(server.address()),
        line: Text(server.line()),
        backup: server.is_backup(),
        weight: look.weight as i64,
        state: state.as_str(),
        until,
        configured: server.configured(),
        control: control_of(server),
        asked_until: server.asked(),
        connections: look.connections as u64,
        max_connections: (limit != 0).then_some(limit),
        requests: RequestsOfServer {
            new,
            bound,
            moved,
            lent,
            refused,
        },
        moved_away,
        leaving: server.leaving().map(|leaving| Leaving {
            last_minute: leaving.last_minute,
            last: leaving.last,
        }),
    })
}

fn control_of(server: &ShownServer<'_>) -> Option<Control> {
    let said = server.said()?;
    Some(Control {
        state: said.state.as_str(),
        until: said.until,
    })
}

#[derive(Serialize)]
#[serde(remote = "RequestCounts")]
struct RequestsOfUpstream {
    new: u64,
    bound: u64,
    moved: u64,
    lent: u64,
    refused: u64,
    off: u64,
}

#[derive(Serialize)]
#[serde(remote = "VerdictCounts")]
struct Verdicts {
    none: u64,
    valid: u64,
    expired: u64,
    old: u64,
    unknown: u64,
    down: u64,
    invalid: u64,
    forged: u64,
    unused: u64,
}

#[derive(Serialize)]
#[serde(remote = "ActionCounts")]
struct Actions {
    none: u64,
    inserted: u64,
    updated: u64,
    rewritten: u64,
    prefixed: u64,
    preserved: u64,
    deleted: u64,
}
