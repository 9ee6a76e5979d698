//! Servers that ask to drain: each response is compared with what the worker knows, and only changes are written to shared
//! memory.

use ngx::ffi::time_t;
use session_cookie::control::{end_of, is_renewed, Full, State, Table};

use crate::conf::UpstreamConf;
use crate::counters::Counters;
use crate::log::{notice, warn};
use crate::nginx::request::Request;
use crate::nginx::time::{now, Clock};
use crate::nginx::upstream::Upstream;
use crate::nginx::{string, Printable};

/// Records whether a server asks to drain, and for how many seconds.
pub(crate) fn note(
    request: Request<'_>,
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
    address: &[u8],
    asks: Option<u64>,
) {
    let Some(zone) = conf.control.zone.get() else {
        return;
    };
    let Some(table) = zone.table() else {
        return;
    };
    if is_known(conf, table, address, asks) {
        return;
    }
    let (now, pace) = (now(), &conf.control.pace);
    let name = upstream.host();
    let asked = zone.with(|table| {
        let until = match asks {
            Some(time) => Some(end_of(now, time)),
            // It may ask again with its next response. If it still drains then, no other worker has to be notified.
            None if pace.get().is_hasty(now) => table
                .find_asked(name, address)
                .map(|until| until.min(end_of(now, 1))),
            None => None,
        };
        let asked = table.ask(name, address, until);
        (asked, until, table.find(name, address), table.generation())
    });
    match asked {
        Some((Ok(true), until, over, _)) => {
            let mut paced = pace.get();
            paced.count(now);
            pace.set(paced);
            tell(request, upstream, address, until);
            let was_said = over.is_some_and(|over| over.state == State::Drain);
            if let Some(counters) = Counters::of(conf).filter(|_| asks.is_some() && !was_said) {
                counters.begin_leaving(upstream, address);
            }
        }
        Some((Err(Full), .., generation)) => {
            conf.control.full.set(generation);
            if !conf.told.unasked.replace(true) {
                warn!(
                    request,
                    "session_sticky: server {} of upstream \"{}\" asks to drain, but there is no room for its state",
                    Printable(address),
                    string(name)
                );
            }
        }
        Some((Ok(false), ..)) | None => {}
    }
}

/// Returns whether there is nothing to record, as far as is known without a lock. The worker knows what it has applied,
/// except for the time at which draining ends, which changes without a notification.
fn is_known(conf: &UpstreamConf, table: Table<'_>, address: &[u8], asks: Option<u64>) -> bool {
    let control = &conf.control;
    let generation = table.generation();
    if generation != control.generation.get() {
        return false;
    }
    let place = (control.said.read()).and_then(|said| said.place_of_asked(address));
    match (asks, place) {
        (None, place) => place.is_none(),
        (Some(_), None) => generation == control.full.get(),
        (Some(time), Some(place)) => {
            let until = table.asked_at(place);
            until.is_some_and(|until| is_renewed(until, now(), time))
        }
    }
}

/// Logs that a server starts or stops asking to drain.
fn tell(request: Request<'_>, upstream: Upstream<'_>, address: &[u8], until: Option<u64>) {
    let (address, upstream) = (Printable(address), string(upstream.host()));
    match until {
        Some(until) => notice!(
            request,
            "session_sticky: server {address} of upstream \"{upstream}\" asks to drain, until {}",
            Clock(time_t::try_from(until).unwrap_or(time_t::MAX))
        ),
        None => notice!(
            request,
            "session_sticky: server {address} of upstream \"{upstream}\" no longer asks to drain"
        ),
    }
}
