//! Sessions without a cookie of the module: the request names its server (`route`), or the server is found in a table of
//! learned sessions (`learn`).

use core::ptr;

use session_cookie::action::{respond, Action};
use session_cookie::learned::{Learned, ServerId};
use session_cookie::memory::OutOfMemory;

use super::lookup::name_server;
use super::visit::{LookedUp, Visit};
use crate::conf::{Learn, Source};
use crate::log::{debug, warn};
use crate::nginx::time::milliseconds;
use crate::nginx::time::now;
use crate::nginx::variable::first_value;
use crate::nginx::{string, Printable};

/// Reads the variables that identify the session or its server, and finds the servers.
#[inline(never)]
pub(super) fn read<'r>(visit: &mut Visit<'r>, source: &'r Source) -> Result<(), OutOfMemory> {
    let Some(value) = first_value(&source.lookup, visit.request) else {
        return Ok(());
    };
    let Some(learn) = &source.learn else {
        return name_server(visit, value);
    };
    let key = learn.zone.key(value);
    let look_up = || LookedUp {
        id: value,
        key,
        server: learn.zone.find(key, milliseconds(), learn.timeout),
    };
    let session = (visit.request.pool().place(look_up)).ok_or(OutOfMemory)?;
    visit.session = Some(session);
    match &session.server {
        Some(server) => name_server(visit, server.as_bytes()),
        None => {
            debug!(
                visit.request,
                "session_sticky: session \"{}\" is not in zone \"{}\"",
                Printable(value),
                string(learn.zone.name())
            );
            Ok(())
        }
    }
}

/// Learns the session's server when the response header has arrived.
#[inline(never)]
pub(crate) fn learn_from_header(visit: &Visit<'_>) {
    // If the response was handed on, the session is already learned, and the variables now describe a later response.
    if let Some(learn) = learn_of(visit).filter(|learn| learn.after_header && !visit.has_response) {
        note(visit, learn);
    }
}

/// Learns the session's server when the response is complete. If the header would suffice: only when it was not sent because
/// the response is redirected internally.
#[inline(never)]
pub(super) fn learn_at_end(visit: &Visit<'_>) {
    if let Some(learn) =
        learn_of(visit).filter(|learn| !learn.after_header || !visit.is_header_sent())
    {
        note(visit, learn);
    }
}

fn learn_of<'r>(visit: &Visit<'r>) -> Option<&'r Learn> {
    visit.sticky.source.as_ref()?.learn.as_ref()
}

/// Records the session's server in the table: for the session that the response creates or, if it creates none, for the
/// session of the request, which must be known.
fn note(visit: &Visit<'_>, learn: &Learn) {
    let Some(served) = visit.responded_by() else {
        return;
    };
    let created = first_value(&learn.create, visit.request);
    match (created, visit.session) {
        (None, Some(session)) => renew(visit, learn, session, served),
        (None, None) => {}
        (Some(created), session) => begin(visit, learn, created, session, served),
    }
}

/// Renews the session of the request, if it is known, and records its server.
#[inline(always)]
fn renew(visit: &Visit<'_>, learn: &Learn, session: &LookedUp<'_>, served: &[u8]) {
    let other;
    let server = match &session.server {
        // Nearly always, the server that was found has responded.
        Some(server) if ptr::eq(server.as_bytes(), served) => server,
        _ => match owner(visit, served) {
            Some(owner) => {
                other = owner;
                &other
            }
            None => return,
        },
    };
    let is_known = (learn.zone).renew(session.key, server, milliseconds(), learn.timeout);
    debug!(
        visit.request,
        "session_sticky: session is used, known:{is_known}, served by \"{}\"",
        Printable(served)
    );
}

/// Records the server of a session that the response creates.
#[cold]
#[inline(never)]
fn begin(
    visit: &Visit<'_>,
    learn: &Learn,
    created: &[u8],
    session: Option<&LookedUp<'_>>,
    served: &[u8],
) {
    let (key, owner) = match session {
        Some(session) if session.id == created => (session.key, owner(visit, served)),
        // A session other than the request's begins on the server that has responded.
        _ => (learn.zone.key(created), ServerId::new(served)),
    };
    let Some(owner) = owner else {
        return;
    };
    let now = milliseconds();
    let learned = learn.zone.learn(key, &owner, now, learn.timeout);
    debug!(
        visit.request,
        "session_sticky: session is learned: {learned:?}, server \"{}\"",
        Printable(owner.as_bytes())
    );
    if learned == Some(Learned::Replaced) {
        tell_full(visit, learn, now);
    }
}

/// Returns the server to which the session of the request belongs from now on.
#[cold]
#[inline(never)]
fn owner(visit: &Visit<'_>, served: &[u8]) -> Option<ServerId> {
    match respond(visit.policy(), &visit.reading, served, || false, now()) {
        Action::Learn(owner) => ServerId::new(owner),
        _ => None,
    }
}

/// Warns, at most once a minute, about sessions that were dropped while in use.
#[cold]
#[inline(never)]
fn tell_full(visit: &Visit<'_>, learn: &Learn, now: u64) {
    if let Some(dropped) = learn.zone.take_dropped(now) {
        warn!(
            visit.request,
            "session_sticky: zone \"{}\" of upstream \"{}\" is full, {dropped} of its {} sessions were removed before \
             their timeout since the last such message: increase its size",
            string(learn.zone.name()),
            string(visit.upstream.host()),
            learn.zone.capacity()
        );
    }
}
