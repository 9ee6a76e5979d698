//! Requests of sessions whose server is lingering.

use session_cookie::memory::OutOfMemory;
use session_cookie::verdict::{judged_values, Choice, Reading};

use core::cell::Cell;

use super::departed::{Departed, Lingering};
use super::known::{Followed, Lingerer};
use crate::log::{debug, info};
use crate::nginx::cookies::View;
use crate::nginx::gone_server::GoneServer;
use crate::nginx::inner::Inner;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::{string, Printable};
use crate::upstream::directory::Directory;
use crate::upstream::failure::Failure;
use crate::upstream::servers::Edition;
use crate::upstream::visit::{Served, Visit};

/// Binds a request whose session names no current server to a lingering one. Returns whether there is one.
#[cold]
#[inline(never)]
pub(in crate::upstream) fn follow(visit: &mut Visit<'_>) -> Result<bool, OutOfMemory> {
    let Some((reading, found)) = find(visit)? else {
        return Ok(false);
    };
    let pool = visit.request.pool();
    let gone = GoneServer::at(found.server.address.as_bytes(), pool).ok_or(OutOfMemory)?;
    let lingerer = || Lingerer {
        server: found.server,
        gone,
        tried: Cell::new(false),
        failure: Cell::new(None),
    };
    let lingerer = pool.place(lingerer).ok_or(OutOfMemory)?;
    let exchange = visit.exchange.as_ptr().addr();
    pool.keep(Followed { exchange, lingerer })
        .ok_or(OutOfMemory)?;
    visit.reading = reading;
    visit.served = Served::Lingering(lingerer);
    visit.choice = Choice::Bind;
    Ok(true)
}

/// Returns the address of the lingering server that had the session when the request arrived.
pub(in crate::upstream) fn address_of<'r>(visit: &Visit<'r>) -> Option<&'r [u8]> {
    visit.conf.linger.zone.get()?;
    let exchange = visit.exchange.as_ptr().addr();
    let followed = visit.request.pool().newest::<Followed>(exchange)?;
    Some(followed.lingerer.gone.name())
}

/// Finds the lingering server of the first value that names one.
fn find<'r>(visit: &Visit<'r>) -> Result<Option<(Reading<'r>, Lingering)>, OutOfMemory> {
    let pool = visit.request.pool();
    let departed = Departed::of(visit.upstream, visit.conf, pool, &visit.lacks_memory)?;
    let Some(departed) = departed else {
        return Ok(None);
    };
    let mut found = None;
    if visit.policy().has_cookie() {
        let fields = View::of(visit.request).original;
        found = judged_values(fields.values(), visit.policy()).find_map(|value| {
            let mut reading = Reading::NONE;
            let (_, lingering) = departed.read_one(value, &mut reading)?;
            Some((reading, lingering))
        });
    } else if !visit.reading.session.id.is_empty() {
        let mut reading = Reading::NONE;
        let lingering = departed.read_id(visit.reading.session.id, &mut reading);
        found = lingering.map(|(_, lingering)| (reading, lingering));
    }
    visit.check_memory()?;
    Ok(found)
}

/// Chooses the lingering server, unless it was chosen before.
#[cold]
#[inline(never)]
pub(in crate::upstream) fn bind<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    let Some(lingerer) = visit
        .lingerer()
        .filter(|server| !server.tried.replace(true))
    else {
        return false;
    };
    lingerer.gone.take(pc);
    // So that the server is examined when it is freed.
    visit.attempts = visit.attempts.saturating_add(1);
    if visit.is_strict() {
        pc.set_tries(1);
    } else {
        visit.grant_try(pc);
    }
    debug!(
        pc,
        "session_sticky: {} lingers and is selected",
        Printable(lingerer.gone.name())
    );
    true
}

/// Prepares the balancer again if the servers have changed since the request arrived: the balancer was not asked yet, and
/// nginx lets it choose no server from a list that has changed.
pub(in crate::upstream) fn give_up<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) {
    let prepare = || {
        let init = visit.conf.chain.init_peer.get();
        init.call(visit.request, visit.upstream)
    };
    if let Some(inner) = Inner::renewed(pc, visit.upstream, prepare) {
        visit.inner = inner;
        visit.edition = Edition::NONE;
    }
}

/// Frees the lingering server in use, which no balancer knows. `failure` includes whether the request has reached it.
pub(in crate::upstream) fn free(
    visit: &Visit<'_>,
    lingerer: &Lingerer,
    pc: PeerConnection<'_>,
    failure: Option<(Failure, bool)>,
) {
    pc.set_tries(pc.tries().saturating_sub(1));
    let Some((failure, reached)) = failure else {
        return;
    };
    lingerer.failure.set(Some(failure));
    // A kept-alive connection says nothing about new ones.
    let zone = visit.conf.linger.zone.get();
    let Some(zone) = zone.filter(|_| !reached && !pc.is_cached()) else {
        return;
    };
    if zone.with(|table| table.end(&lingerer.server)) == Some(true) {
        info!(
            pc,
            "session_sticky: server {} of upstream \"{}\" has left DNS and accepts no connection ({failure}), it no \
             longer keeps its sessions",
            Printable(lingerer.gone.name()),
            string(visit.upstream.host())
        );
    }
}
