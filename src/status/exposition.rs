//! The metrics for Prometheus, in version 0.0.4 of its text format.
//!
//! All lines of a metric must be consecutive, so upstreams and servers are listed once per metric. Several `server` lines with
//! the same address are a single server to Prometheus: their connections are added up, and the first line provides the other
//! values.

use session_cookie::bytes::Sink;
use session_cookie::memory::OutOfMemory;

use super::document::{nginx, MODULE};
use super::line::Line;
use super::listing::{Listing, Reach, Show, ShownServer, ShownUpstream, State};
use super::shared_addresses::{Addresses, Shared};
use session_cookie::counters::{ActionCounts, RequestCounts, ServerCounts, VerdictCounts};

/// A metric.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Metric {
    Info,
    Start,
    Bytes,
    Requests,
    MovedAway,
    Verdicts,
    Actions,
    OverLimit,
    State,
    Connections,
    Weight,
    LeavingRequests,
    LastBound,
    Lingering,
}

/// The metrics in their order, each with its name, type and description.
const METRICS: [(Metric, &str, &str, &str); 14] = [
    (
        Metric::Info,
        "session_sticky_info",
        "gauge",
        "The versions of the module and of nginx.",
    ),
    (
        Metric::Start,
        "session_sticky_counters_start_timestamp_seconds",
        "gauge",
        "The time at which counting began.",
    ),
    (
        Metric::Bytes,
        "session_sticky_counters_bytes",
        "gauge",
        "The size of the counters in shared memory.",
    ),
    (
        Metric::Requests,
        "session_sticky_requests_total",
        "counter",
        "Requests by the result for their session. The server is empty if no server was selected.",
    ),
    (
        Metric::MovedAway,
        "session_sticky_moved_away_total",
        "counter",
        "Requests of a server's sessions that another server handled.",
    ),
    (
        Metric::Verdicts,
        "session_sticky_verdicts_total",
        "counter",
        "Requests by the verdict on the cookie, route or ID that names their server.",
    ),
    (
        Metric::Actions,
        "session_sticky_actions_total",
        "counter",
        "Requests by what their response did to the cookie or the session.",
    ),
    (
        Metric::OverLimit,
        "session_sticky_over_limit_total",
        "counter",
        "Requests passed to the server of their session although it had reached max_conns.",
    ),
    (
        Metric::Lingering,
        "session_sticky_lingering_servers",
        "gauge",
        "Servers that have left DNS and keep their sessions.",
    ),
    (
        Metric::State,
        "session_sticky_server_state",
        "gauge",
        "Whether a server is in this state (1) or not (0).",
    ),
    (
        Metric::Connections,
        "session_sticky_server_connections",
        "gauge",
        "Active connections to a server.",
    ),
    (
        Metric::Weight,
        "session_sticky_server_weight",
        "gauge",
        "The weight of a server.",
    ),
    (
        Metric::LeavingRequests,
        "session_sticky_server_leaving_requests",
        "gauge",
        "Requests of the sessions of a draining server in the last minute.",
    ),
    (
        Metric::LastBound,
        "session_sticky_server_last_bound_timestamp_seconds",
        "gauge",
        "The time of the last request of the sessions of a draining server.",
    ),
];

/// The metrics that are being written.
pub(super) struct Exposition<'r> {
    listing: Listing<'r>,
    /// The number of the metric that is being written; `None` while the shared addresses are being collected.
    number: Option<usize>,
    addresses: Addresses,
    lines: Lines,
}

impl<'r> Exposition<'r> {
    /// Returns the metrics of a listing.
    pub(super) fn new(listing: Listing<'r>) -> Self {
        Exposition {
            listing,
            number: None,
            addresses: Addresses::default(),
            lines: Lines::default(),
        }
    }

    /// Writes the next part. Returns `false` if it was the last one.
    pub(super) fn step(&mut self, out: &mut impl Sink) -> Result<bool, OutOfMemory> {
        let Some(number) = self.number else {
            if !self.listing.step(&mut self.addresses, out)? {
                self.lines.shared = self.addresses.shared()?;
                self.begin(0, out);
            }
            return Ok(true);
        };
        if !self.listing.step(&mut self.lines, out)? {
            self.begin(number.saturating_add(1), out);
        }
        Ok(self.number.is_some_and(|number| number < METRICS.len()))
    }

    /// Begins a metric.
    fn begin(&mut self, number: usize, out: &mut impl Sink) {
        self.number = Some(number);
        let Some((metric, name, kind, help)) = METRICS.get(number) else {
            return;
        };
        let about = [
            "# HELP ",
            name,
            " ",
            help,
            "\n# TYPE ",
            name,
            " ",
            kind,
            "\n",
        ];
        for text in about {
            out.put(text.as_bytes());
        }
        self.lines.begin(*metric, name);
        self.listing.restart(match metric {
            Metric::Info | Metric::Start | Metric::Bytes => {
                self.once(*metric, name, out);
                Reach::Nothing
            }
            Metric::Verdicts | Metric::Actions | Metric::OverLimit | Metric::Lingering => {
                Reach::Upstreams
            }
            _ => Reach::Servers,
        });
    }

    /// Writes the only sample of a metric.
    fn once(&self, metric: Metric, name: &str, out: &mut impl Sink) {
        let totals = self.listing.totals();
        match metric {
            Metric::Info => Line::begin(out, name)
                .label("module", MODULE.as_bytes())
                .label("nginx", nginx().0)
                .end(1),
            Metric::Start => Line::begin(out, name).end(totals.since),
            _ => Line::begin(out, name).end(totals.bytes as u64),
        }
    }
}

/// The lines of a metric.
#[derive(Default)]
struct Lines {
    metric: Option<(Metric, &'static str)>,
    /// The servers that were written, and the sums for shared addresses.
    shared: Shared,
}

impl Lines {
    fn begin(&mut self, metric: Metric, name: &'static str) {
        self.metric = Some((metric, name));
    }
}

impl Show for Lines {
    fn begin_upstream(&mut self, shown: &ShownUpstream<'_>, out: &mut impl Sink) {
        self.shared.begin_upstream();
        let upstream = shown.upstream.host();
        let Some((metric, name)) = self.metric else {
            return;
        };
        let mut write = |label: &str, words: &[(&str, u64)]| {
            for (word, number) in words {
                Line::begin(out, name)
                    .label("upstream", upstream)
                    .label(label, word.as_bytes())
                    .end(*number);
            }
        };
        match metric {
            Metric::Verdicts => write("verdict", &of_verdicts(&shown.counts().verdicts)),
            Metric::Actions => write("action", &of_actions(&shown.counts().actions)),
            Metric::OverLimit => Line::begin(out, name)
                .label("upstream", upstream)
                .end(shown.counts().over_limit),
            Metric::Requests => {
                let counts = shown.counts().without_server;
                for (word, number) in of_requests(&counts) {
                    of_server(out, name, upstream, b"")
                        .label("status", word.as_bytes())
                        .end(number);
                }
            }
            Metric::Lingering => {
                // If memory is short, this response shows 0.
                let number = shown.lingering().map_or(0, |servers| servers.len() as u64);
                Line::begin(out, name)
                    .label("upstream", upstream)
                    .end(number);
            }
            _ => {}
        }
    }

    fn server(&mut self, server: &ShownServer<'_>, out: &mut impl Sink) -> Result<(), OutOfMemory> {
        let Some((metric, name)) = self.metric else {
            return Ok(());
        };
        let (upstream, address) = (server.upstream(), server.address());
        let Some(connections) = self.shared.meet(server)? else {
            return Ok(());
        };
        let mut write = |label: &'static str, word: &str, number| {
            let line = of_server(out, name, upstream, address);
            line.label(label, word.as_bytes()).end(number);
        };
        let number = match metric {
            Metric::Requests => {
                let counts = of_server_requests(&server.counts());
                (counts.iter()).for_each(|(word, number)| write("status", word, *number));
                None
            }
            Metric::State => {
                let (now, _) = server.state();
                for state in State::ALL {
                    write("state", state.as_str(), u64::from(state == now));
                }
                None
            }
            Metric::MovedAway => Some(server.counts().moved_away),
            Metric::Connections => Some(connections),
            Metric::Weight => u64::try_from(server.look().weight).ok(),
            Metric::LeavingRequests => server.leaving().map(|leaving| leaving.last_minute),
            Metric::LastBound => server.leaving().and_then(|leaving| leaving.last),
            Metric::Info
            | Metric::Start
            | Metric::Bytes
            | Metric::Verdicts
            | Metric::Actions
            | Metric::OverLimit
            | Metric::Lingering => None,
        };
        if let Some(number) = number {
            of_server(out, name, upstream, address).end(number);
        }
        Ok(())
    }

    fn end_upstream(&mut self, _: &mut impl Sink) {}
}

fn of_server<'a, S: Sink>(
    out: &'a mut S,
    name: &str,
    upstream: &[u8],
    address: &[u8],
) -> Line<'a, S> {
    Line::begin(out, name)
        .label("upstream", upstream)
        .label("server", address)
}

fn of_requests(counts: &RequestCounts) -> [(&'static str, u64); 6] {
    [
        ("new", counts.new),
        ("bound", counts.bound),
        ("moved", counts.moved),
        ("lent", counts.lent),
        ("refused", counts.refused),
        ("off", counts.off),
    ]
}

fn of_server_requests(counts: &ServerCounts) -> [(&'static str, u64); 5] {
    [
        ("new", counts.new),
        ("bound", counts.bound),
        ("moved", counts.moved),
        ("lent", counts.lent),
        ("refused", counts.refused),
    ]
}

fn of_verdicts(counts: &VerdictCounts) -> [(&'static str, u64); 9] {
    [
        ("none", counts.none),
        ("valid", counts.valid),
        ("expired", counts.expired),
        ("old", counts.old),
        ("unknown", counts.unknown),
        ("down", counts.down),
        ("invalid", counts.invalid),
        ("forged", counts.forged),
        ("unused", counts.unused),
    ]
}

fn of_actions(counts: &ActionCounts) -> [(&'static str, u64); 7] {
    [
        ("none", counts.none),
        ("inserted", counts.inserted),
        ("updated", counts.updated),
        ("rewritten", counts.rewritten),
        ("prefixed", counts.prefixed),
        ("preserved", counts.preserved),
        ("deleted", counts.deleted),
    ]
}
