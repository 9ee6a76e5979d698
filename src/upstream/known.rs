//! The servers of an upstream, which are read again when nginx has changed them.

use core::cell::{Cell, Ref};

use ngx::ffi::{ngx_time, ngx_uint_t};
use session_cookie::roster::{EntryId, Member, Roster};

use super::count;
use super::servers::{Edition, Servers, Tally};
use crate::conf::UpstreamConf;
use crate::nginx::peers::Peer;
use crate::nginx::server_names::{Shape, Uncounted, WATCHED};
use crate::nginx::upstream::Upstream;
use crate::nginx::worker_cell::Question;

/// Returns the servers of this generation. They are read again if the generation or the list has changed.
///
/// Returns `None` if nginx has changed them in the meantime, or if memory is short, which sets `lacks_memory`.
#[inline(always)]
pub(super) fn servers<'c>(
    conf: &'c UpstreamConf,
    upstream: Upstream<'c>,
    generation: ngx_uint_t,
    lacks_memory: &Cell<bool>,
) -> Option<Ref<'c, Servers>> {
    let known = conf.servers.read()?;
    if known.are_known_of(generation, Shape::of(upstream.primary()?)) {
        Some(known)
    } else {
        drop(known);
        recount(conf, upstream, generation, lacks_memory)
    }
}

/// Returns the first server with an ID, in this generation. The servers are read again as by [`servers`].
#[inline(always)]
pub(super) fn find<'c>(
    conf: &'c UpstreamConf,
    upstream: Upstream<'c>,
    generation: ngx_uint_t,
    id: &[u8],
    member: &Cell<Member<Peer>>,
    lacks_memory: &Cell<bool>,
) -> Option<EntryId> {
    let shape = Shape::of(upstream.primary()?);
    let question = FindId {
        generation,
        shape,
        id,
        member,
    };
    match conf.servers.ask(question) {
        Some(Answer::Known(found)) => found,
        _ => find_counted(conf, upstream, generation, id, member, lacks_memory),
    }
}

/// [`find`] where the servers have to be read again.
#[cold]
#[inline(never)]
fn find_counted<'c>(
    conf: &'c UpstreamConf,
    upstream: Upstream<'c>,
    generation: ngx_uint_t,
    id: &[u8],
    member: &Cell<Member<Peer>>,
    lacks_memory: &Cell<bool>,
) -> Option<EntryId> {
    let servers = recount(conf, upstream, generation, lacks_memory)?;
    first_of(&servers.own, id, member)
}

/// Looks for the first server with an ID, if the servers are of this generation.
#[derive(Clone, Copy)]
struct FindId<'a> {
    generation: ngx_uint_t,
    shape: Shape,
    id: &'a [u8],
    /// Where the server is stored.
    member: &'a Cell<Member<Peer>>,
}

/// The result of [`FindId`].
enum Answer {
    /// The servers are of another generation.
    Outdated,
    Known(Option<EntryId>),
}

// SAFETY: only a roster is searched; no `WorkerCell` is read or written.
#[allow(unsafe_code)]
unsafe impl Question<Servers> for FindId<'_> {
    type Answer = Answer;

    #[inline(always)]
    fn answer(self, known: &Servers) -> Answer {
        if !known.are_known_of(self.generation, self.shape) {
            return Answer::Outdated;
        }
        Answer::Known(first_of(&known.own, self.id, self.member))
    }
}

/// Returns the first server with an ID, and stores it in `member`.
#[inline(always)]
fn first_of(roster: &Roster<Peer>, id: &[u8], member: &Cell<Member<Peer>>) -> Option<EntryId> {
    let first = roster.find(id)?;
    member.set(*roster.member(first)?);
    Some(first)
}

/// Looks for the place where the requests of a server are counted, if the servers are of this edition.
struct TallyOf {
    edition: Edition,
    server: EntryId,
}

// SAFETY: only numbers are compared and looked up; no `WorkerCell` is read or written.
#[allow(unsafe_code)]
unsafe impl Question<Servers> for TallyOf {
    type Answer = Tally;

    #[inline(always)]
    fn answer(self, known: &Servers) -> Tally {
        match known.tallies.get(self.server.index()) {
            Some(tally) if known.edition == self.edition => *tally,
            _ => Tally::NONE,
        }
    }
}

/// Returns where the requests of a server in this edition are counted.
#[inline(always)]
pub(super) fn tally(conf: &UpstreamConf, edition: Edition, server: EntryId) -> Tally {
    let question = TallyOf { edition, server };
    conf.servers.ask(question).unwrap_or(Tally::NONE)
}

/// Returns the edition of the servers that were read last.
#[inline(always)]
pub(super) fn edition(conf: &UpstreamConf) -> Edition {
    conf.edition.get()
}

/// Discards the known servers of an upstream, which are about to be replaced.
pub(super) fn forget(conf: &UpstreamConf) {
    conf.control.forget();
    if let Some(mut known) = conf.servers.write() {
        *known = Servers {
            edition: known.edition,
            ..Servers::default()
        };
    }
}

/// Makes all IDs unknown until the servers are read again.
pub(super) fn forget_ids(conf: &UpstreamConf) {
    if let Some(mut known) = conf.servers.write() {
        known.own = Roster::default();
        known.accepted = Vec::new();
    }
}

/// Reads the servers again, unless those that are known are current.
#[cold]
#[inline(never)]
fn recount<'c>(
    conf: &'c UpstreamConf,
    upstream: Upstream<'c>,
    generation: ngx_uint_t,
    lacks_memory: &Cell<bool>,
) -> Option<Ref<'c, Servers>> {
    let now = ngx_time();
    let shape = Shape::of(upstream.primary()?);
    // The caller may have borrowed them: they are written only if they have changed.
    let known = conf.servers.read()?;
    if known.is_of(generation, shape) && now.wrapping_sub(known.asked.get()) <= WATCHED {
        known.asked.set(now);
        return Some(known);
    }
    drop(known);
    let counted = match count::count(upstream, conf, conf.policy()?, generation) {
        Ok(counted) => counted,
        Err(Uncounted::Changed) => return None,
        Err(Uncounted::OutOfMemory) => {
            lacks_memory.set(true);
            return None;
        }
    };
    let mut known = conf.servers.write()?;
    *known = Servers {
        generation: if conf.watched.get() {
            ngx_uint_t::MAX
        } else {
            generation
        },
        edition: Edition(known.edition.0.wrapping_add(1)),
        asked: Cell::new(now),
        ..counted
    };
    conf.edition.set(known.edition);
    if conf.is_foreign.get() {
        known.own = Roster::default();
        known.accepted = Vec::new();
    }
    drop(known);
    conf.servers.read()
}
