//! Sessions without a cookie of the module: the request names its server (`route`), or a table of learned sessions does
//! (`learn`).

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

/// Reads what tells the server of the session, and finds the servers that it names.
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

/// Learns which server has the session, now that the header of its response is there.
#[inline(never)]
pub(crate) fn learn_from_header(visit: &Visit<'_>) {
    // Of a response that was handed on it was learned already, and the variables are those of a later one.
    if let Some(learn) = learn_of(visit).filter(|learn| learn.after_header && !visit.has_response) {
        note(visit, learn);
    }
}

/// Learns which server has the session, now that it is done with: when its response is complete or, where the header would
/// do, when that was not sent, because the response is handed on inside nginx.
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

/// Notes in the table which server has the session: the one that the response begins or, if it begins none, the one of the
/// request, which is noted only if it is known.
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

/// Notes that the session of the request is used, if it is known, and its server.
#[inline(always)]
fn renew(visit: &Visit<'_>, learn: &Learn, session: &LookedUp<'_>, served: &[u8]) {
    let other;
    let server = match &session.server {
        // Nearly always the server that was found has responded.
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

/// Notes the server of a session that the response begins.
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
        // Another session than that of the request begins on the server that has responded.
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

/// Returns the server that the session of the request has from now on.
#[cold]
#[inline(never)]
fn owner(visit: &Visit<'_>, served: &[u8]) -> Option<ServerId> {
    match respond(visit.policy(), &visit.reading, served, || false, now()) {
        Action::Learn(owner) => ServerId::new(owner),
        _ => None,
    }
}

/// Warns, once a minute, of sessions that had to go although they were in use.
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
