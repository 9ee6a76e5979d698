//! What a request says of its session before its server is chosen, as `proxy_set_header` and `if` ask for it: nothing is taken,
//! marked or logged.

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

/// What a request says of its session now.
pub(crate) struct Early<'r> {
    /// `None`: what is read asks for it.
    pub(crate) verdict: Option<Verdict>,
    /// The address of the server that has the session.
    pub(crate) previous: Option<&'r [u8]>,
}

impl Early<'_> {
    const NOTHING: Self = Early {
        verdict: None,
        previous: None,
    };
}

/// Reads what a request says of its session, if its server is still to be chosen, by a sticky upstream that is known.
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
    // What is read may be made of a variable that asks for this: then that is empty, here as when the request is prepared.
    let is_prepared = Exchange::of(request).is_some_and(Exchange::is_being_prepared);
    if is_prepared || conf.is_being_read.replace(true) {
        return Ok(Some(Early::NOTHING));
    }
    let early = read_for(request, upstream, conf, sticky);
    conf.is_being_read.set(false);
    early
}

/// Returns the sticky upstream that the request is about to be passed to: by the exchange, once its location has begun one,
/// else by the location.
fn destination<'r>(
    request: Request<'r>,
) -> Option<(Upstream<'r>, &'r UpstreamConf, &'r StickyUpstream)> {
    let location = request.location();
    // A redirect inside nginx leaves the exchange of the location before.
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

/// Judges what names servers, and tells the address of the one that would be chosen or, if none can be had, of the first.
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

/// Shows each value that may name servers, up to one of which something is returned.
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

/// Returns the address of the server that had the session when the request came: that which serves it, if that is one of the
/// session's, else the first of these.
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
