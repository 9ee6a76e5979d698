//! Records the server that serves a request.

use ngx::ffi::ngx_uint_t;
use session_cookie::foreknown::Settled;
use session_cookie::memory::OutOfMemory;
use session_cookie::roster::EntryId;

use super::known::edition;
use super::servers::{Edition, IdScheme, Servers};
use super::visit::{Served, Visit};
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::Peer;
use crate::nginx::server_names::Shape;
use crate::nginx::worker_cell::Question;

/// Records the server that the cookie has chosen.
#[inline(always)]
pub(super) fn note_bound(visit: &mut Visit<'_>, pc: PeerConnection<'_>) {
    visit.served = Served::Cookie;
    if let Some(named) = &visit.named {
        if named.scheme != IdScheme::Own || named.member.draining {
            note_unusual(visit, pc);
        }
    }
}

/// [`note_bound`] where the ID is not in the policy's scheme, or the server is draining.
#[cold]
#[inline(never)]
fn note_unusual(visit: &mut Visit<'_>, pc: PeerConnection<'_>) {
    let Some(named) = visit.named else {
        return;
    };
    if named.scheme != IdScheme::Own {
        // Servers that share such an ID may have different ones in the policy's scheme. If memory is short, the response
        // fails.
        let _ = note_served(visit);
    }
    if named.member.draining {
        // The request has to be examined when it is counted.
        visit.settled = Settled::No;
        visit.grant_try(pc);
    }
}

/// Records the ID of the server in use. The ID is copied, because the servers may be read again during the request.
#[inline]
pub(super) fn note_served(visit: &mut Visit<'_>) -> Result<(), OutOfMemory> {
    let data = visit.inner.round_robin();
    let edition = edition(visit.conf);
    let is_same = visit.edition == Edition::NONE || visit.edition == edition;
    if let (Some(peer), Some(primary), true) = (data.current(), visit.upstream.primary(), is_same) {
        let question = NoteId {
            generation: data.generation(),
            shape: Shape::of(primary),
            peer,
            served: &mut visit.served,
            served_by: &mut visit.served_by,
        };
        if visit.conf.servers.ask(question) == Some(true) {
            visit.edition = edition;
            return Ok(());
        }
    }
    note_other(visit);
    visit.check_memory()
}

/// Records the ID of a server, if the servers are of this generation and the ID has the usual length.
struct NoteId<'a, 'r> {
    generation: ngx_uint_t,
    shape: Shape,
    peer: Peer,
    /// Where the ID and the server are stored.
    served: &'a mut Served<'r>,
    served_by: &'a mut Option<EntryId>,
}

// SAFETY: only a roster is searched; no `WorkerCell` is read or written.
#[allow(unsafe_code)]
unsafe impl Question<Servers> for NoteId<'_, '_> {
    type Answer = bool;

    #[inline(always)]
    fn answer(self, known: &Servers) -> bool {
        if !known.are_known_of(self.generation, self.shape) {
            return false;
        }
        let Some(entry) = known.own.entry(self.peer) else {
            return false;
        };
        let Some(Ok(id)) = known.own.id_of(entry).map(TryInto::try_into) else {
            return false;
        };
        *self.served = Served::Md5(id);
        *self.served_by = Some(entry);
        true
    }
}

/// [`note_served`] where the servers have to be read again, or the ID has another length.
#[cold]
#[inline(never)]
fn note_other(visit: &mut Visit<'_>) {
    visit.served = Served::Unknown;
    let Some(servers) = visit.servers() else {
        return;
    };
    visit.edition = servers.edition();
    let current = visit.inner.round_robin().current();
    let Some(entry) = current.and_then(|current| servers.own.entry(current)) else {
        return;
    };
    visit.served_by = Some(entry);
    let id = servers.own.id_of(entry).unwrap_or_default();
    visit.served = match id.try_into() {
        Ok(id) => Served::Md5(id),
        Err(_) => match visit.request.pool().copy(id) {
            Some(id) => Served::Other(id),
            None => {
                visit.lacks_memory.set(true);
                Served::Unknown
            }
        },
    };
}
