//! The session of a request before its server is chosen, as used by `proxy_set_header` and `if`. Nothing is reserved, marked
//! or logged.

use core::cell::Cell;

use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Fallback;
use session_cookie::status::Status;
use session_cookie::verdict::{judged_values, Reading, Verdict};

use super::explain::Explanation;
use super::known::servers;
use super::linger;
use super::visit::Visit;
use crate::conf::{Sticky, StickyUpstream, UpstreamConf};
use crate::control::apply::refresh;
use crate::nginx::cookies::View;
use crate::nginx::exchange::Exchange;
use crate::nginx::peers::Address;
use crate::nginx::request::Request;
use crate::nginx::upstream::Upstream;
use crate::nginx::variable::first_value_aside;

/// The session of a request before its server is chosen.
pub(crate) struct Early<'r> {
    /// `None` while the variables on which it depends are evaluated.
    pub(crate) verdict: Option<Verdict>,
    /// The address of the session's server.
    pub(crate) previous: Option<&'r [u8]>,
}

impl Early<'_> {
    const NOTHING: Self = Early {
        verdict: None,
        previous: None,
    };
}

/// Reads the session of a request for which a known sticky upstream is still to choose the server.
#[cold]
#[inline(never)]
pub(crate) fn read(request: Request<'_>) -> Result<Option<Early<'_>>, OutOfMemory> {
    if request.context::<Sticky>().is_some() {
        return Ok(None);
    }
    let Some((upstream, conf, sticky)) = destination(request) else {
        return Ok(None);
    };
    if !conf.has_peers(upstream) {
        return Ok(None);
    }
    // The variables that are read may depend on this one, which is then empty, as it is while the request is prepared.
    let is_prepared = Exchange::of(request).is_some_and(Exchange::is_being_prepared);
    if is_prepared || conf.is_being_read.replace(true) {
        return Ok(Some(Early::NOTHING));
    }
    let early = read_for(request, upstream, conf, sticky);
    conf.is_being_read.set(false);
    early
}

/// Returns the sticky upstream to which the request is about to be passed: that of the exchange, if its location has begun
/// one, otherwise that of the location.
fn destination<'r>(
    request: Request<'r>,
) -> Option<(Upstream<'r>, &'r UpstreamConf, &'r StickyUpstream)> {
    let location = request.location();
    // An internal redirect leaves the exchange of the earlier location in place.
    let exchange = Exchange::of(request).filter(|exchange| exchange.is_of(location));
    let upstream = match exchange {
        Some(exchange) => exchange.destination(request),
        None => location.conf::<Sticky>().passes_to,
    }?;
    let conf = upstream.conf::<Sticky>()?;
    Some((upstream, conf, conf.sticky.as_ref()?))
}

fn read_for<'r>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    conf: &'r UpstreamConf,
    sticky: &'r StickyUpstream,
) -> Result<Option<Early<'r>>, OutOfMemory> {
    if let Some(condition) = sticky.condition {
        if !condition.is_true_aside(request)? {
            return Ok(Some(Early {
                verdict: Some(Verdict::Unused),
                ..Early::NOTHING
            }));
        }
    }
    if conf.control.is_wanted() {
        refresh(upstream, conf);
    }
    let lacks_memory = Cell::new(false);
    let is_strict =
        sticky.policy.fallback != Fallback::On || request.location().conf::<Sticky>().no_fallback;
    let explanation = Explanation::new(request, upstream, conf, sticky, is_strict, &lacks_memory);
    let Some(explanation) = explanation else {
        return Ok(None);
    };
    let (verdict, address) = judge(&explanation, request, sticky)?;
    if lacks_memory.get() {
        return Err(OutOfMemory);
    }
    Ok(Some(Early {
        verdict: Some(verdict),
        previous: copied(request, address)?,
    }))
}

/// Returns the verdict, and the address of the server that would be chosen or, if none is available, of the first one named.
fn judge<'r>(
    explanation: &Explanation<'_, 'r>,
    request: Request<'r>,
    sticky: &'r StickyUpstream,
) -> Result<(Verdict, Option<Address>), OutOfMemory> {
    let (mut first, mut away) = (None, None);
    let chosen = find_value(request, sticky, |value| {
        let mut reading = Reading::NONE;
        let named = explanation.read(sticky, value, &mut reading)?;
        first.get_or_insert(reading.verdict);
        let Some(named) = named else {
            return Ok(None);
        };
        let chosen = explanation.would_bind(named);
        if chosen.is_none() {
            away.get_or_insert((reading.verdict.down(), named.member));
        }
        Ok(chosen.map(|member| (reading.verdict, member)))
    })?;
    if let Some((verdict, member)) = chosen.or(away) {
        return Ok((verdict, explanation.address_of(&member)));
    }
    let lingers = |value| explanation.lingering(sticky, value);
    if let Some((reading, _, lingering)) = find_value(request, sticky, lingers)? {
        return Ok((reading.verdict, Some(lingering.address())));
    }
    Ok((first.unwrap_or(Verdict::None), None))
}

/// Calls `look` with each value that may name servers until it returns a result.
fn find_value<'r, T>(
    request: Request<'r>,
    sticky: &'r StickyUpstream,
    mut look: impl FnMut(&'r [u8]) -> Result<Option<T>, OutOfMemory>,
) -> Result<Option<T>, OutOfMemory> {
    let policy = &sticky.policy;
    if let Some(source) = sticky.source {
        return match first_value_aside(&source.lookup, request)? {
            Some(value) => look(value),
            None => Ok(None),
        };
    }
    let fields = View::of(request).original;
    let follow = policy.follow.as_ref();
    if follow.is_some_and(|follow| !follow.is_in(fields.values())) {
        return Ok(None);
    }
    judged_values(fields.values(), policy)
        .find_map(|value| look(value).transpose())
        .transpose()
}

/// Returns the address of the server that had the session when the request arrived: the server in use, if the session names
/// it, otherwise the first server that the session names.
#[cold]
#[inline(never)]
pub(crate) fn previous_of<'r>(visit: &Visit<'r>) -> Result<Option<&'r [u8]>, OutOfMemory> {
    if visit.status() == Status::Bound {
        return Ok(visit.last_address());
    }
    if let Some(address) = linger::address_of(visit) {
        return Ok(Some(address));
    }
    let lacks_memory = Cell::new(false);
    let address = address_of_first(visit, &lacks_memory);
    if lacks_memory.get() {
        return Err(OutOfMemory);
    }
    copied(visit.request, address)
}

fn address_of_first(visit: &Visit<'_>, lacks_memory: &Cell<bool>) -> Option<Address> {
    let named = visit.named?;
    let primary = visit.upstream.primary()?;
    let generation = primary.generation_now();
    let servers = servers(visit.conf, visit.upstream, generation, lacks_memory)?;
    let first = if visit.edition == servers.edition() {
        servers.by(named.scheme)?.member(named.first)
    } else {
        servers
            .own
            .member(servers.own.find(visit.reading.session.id)?)
    };
    primary.address_of(first?, generation)
}

fn copied<'r>(
    request: Request<'r>,
    address: Option<Address>,
) -> Result<Option<&'r [u8]>, OutOfMemory> {
    let copy = |address: Address| request.pool().copy(address.as_bytes());
    address
        .map(|address| copy(address).ok_or(OutOfMemory))
        .transpose()
}
