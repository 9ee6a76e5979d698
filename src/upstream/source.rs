//! Sessions without a cookie of the module: the request names its server (`route`), or a table of learned sessions does
//! (`learn`).

use session_cookie::action::{respond, Action};
use session_cookie::learned::{Learned, ServerId};
use session_cookie::memory::OutOfMemory;

use super::lookup::name_server;
use super::visit::{now, LookedUp, Visit};
use crate::conf::{Learn, Source};
use crate::log::{debug, warn};
use crate::nginx::time::milliseconds;
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
    let pool = visit.request.pool();
    let key = learn.zone.key(value);
    visit.session = Some(
        pool.place(|| LookedUp { id: value, key })
            .ok_or(OutOfMemory)?,
    );
    match learn.zone.find(key, milliseconds(), learn.timeout) {
        Some(server) => {
            let server = pool.copy(server.as_bytes()).ok_or(OutOfMemory)?;
            name_server(visit, server)
        }
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
    if let Some(learn) = learn_of(visit).filter(|learn| learn.after_header) {
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
    let reading = &visit.reading;
    let Action::Learn(owner) = respond(visit.policy(), reading, served, || false, now()) else {
        return;
    };
    let created = first_value(&learn.create, visit.request);
    let (key, owner) = match (created, visit.session) {
        (Some(created), Some(session)) if created == session.id => (session.key, owner),
        // Another session than that of the request begins on the server that has responded.
        (Some(created), _) => (learn.zone.key(created), served),
        (None, Some(session)) => (session.key, owner),
        (None, None) => return,
    };
    let Some(server) = ServerId::new(owner) else {
        return;
    };
    let now = milliseconds();
    if created.is_none() {
        let is_known = learn.zone.renew(key, &server, now, learn.timeout);
        debug!(
            visit.request,
            "session_sticky: session is used, known:{is_known}, server \"{}\"",
            Printable(owner)
        );
        return;
    }
    let learned = learn.zone.learn(key, &server, now, learn.timeout);
    debug!(
        visit.request,
        "session_sticky: session is learned: {learned:?}, server \"{}\"",
        Printable(owner)
    );
    if learned == Some(Learned::Replaced) {
        tell_full(visit, learn, now);
    }
}

/// Warns, once a minute, of sessions that had to go although they were in use.
#[cold]
#[inline(never)]
fn tell_full(visit: &Visit<'_>, learn: &Learn, now: u64) {
    if let Some(dropped) = learn.zone.take_dropped(now) {
        warn!(
            visit.request,
            "session_sticky: zone \"{}\" of upstream \"{}\" is full, {dropped} of its {} sessions went before their \
             timeout since the last such line: make it larger",
            string(learn.zone.name()),
            string(visit.upstream.host()),
            learn.zone.capacity()
        );
    }
}
