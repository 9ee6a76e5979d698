//! Finds the servers that the cookie of a request names, and logs the verdict.

use core::cell::{Cell, Ref};

use ngx::ffi::ngx_uint_t;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Mode, Policy};
use session_cookie::roster::{EntryId, Member};
use session_cookie::verdict::{judged_values, Choice, Lookup, Reading, Verdict};

use super::directory::{judge, Directory};
use super::known::{edition, find, servers};
use super::linger;
use super::servers::{Edition, IdScheme, Servers};
use super::visit::{Candidate, Visit};
use super::{exposed, follow};
use crate::conf::UpstreamConf;
use crate::log::info;
use crate::nginx::cookies::{SinglePair, View};
use crate::nginx::peers::Peer;
use crate::nginx::pool::Pool;
use crate::nginx::time::now;
use crate::nginx::upstream::Upstream;
use crate::nginx::{string, Printable};

/// A placeholder for no server.
const NOBODY: Member<Peer> = Member {
    peer: Peer::NONE,
    index: 0,
    backup: false,
    draining: false,
};

/// Looks up, by ID, the servers that a request may use.
#[derive(Clone, Copy)]
struct ServerLookup<'a, 'r> {
    conf: &'r UpstreamConf,
    upstream: Upstream<'r>,
    generation: ngx_uint_t,
    /// The first server of the last ID that was found.
    member: &'a Cell<Member<Peer>>,
    /// Whether memory ran out while the servers were being read.
    lacks_memory: &'a Cell<bool>,
}

impl<'a, 'r> ServerLookup<'a, 'r> {
    /// Returns the lookup of a request, which stays borrowed.
    fn of(visit: &'a Visit<'r>, member: &'a Cell<Member<Peer>>) -> Self {
        ServerLookup {
            conf: visit.conf,
            upstream: visit.upstream,
            generation: visit.inner.round_robin().generation(),
            member,
            lacks_memory: &visit.lacks_memory,
        }
    }
}

impl Lookup<EntryId> for ServerLookup<'_, '_> {
    #[inline(always)]
    fn look_up(&self, id: &[u8]) -> Option<EntryId> {
        let Self {
            conf,
            upstream,
            generation,
            member,
            lacks_memory,
        } = *self;
        find(conf, upstream, generation, id, member, lacks_memory)
    }
}

/// Reads the cookie and finds the servers that it names. With `FOLLOWS`, only if the request has the application's cookie,
/// which the module's session follows.
#[inline(always)]
pub(super) fn read_cookie<const FOLLOWS: bool>(visit: &mut Visit<'_>) -> Result<(), OutOfMemory> {
    let (request, conf, sticky) = (visit.request, visit.conf, visit.sticky);
    let policy = &sticky.policy;
    let member = Cell::new(NOBODY);
    let lookup = ServerLookup {
        conf: visit.conf,
        upstream: visit.upstream,
        generation: visit.inner.round_robin().generation(),
        member: &member,
        lacks_memory: &visit.lacks_memory,
    };
    let view = View::of(request);
    let mut first = None;
    if FOLLOWS {
        let Some(value) = follow::own_value(policy, view.original) else {
            follow::pass_over(visit);
            return Ok(());
        };
        first = value;
    }
    let is_ours = |single: &SinglePair| core::ptr::eq(single.name, &policy.cookie);
    let single = view.single.filter(is_ours);
    if single.is_none() && sticky.hides.get() {
        exposed::look(visit);
    }

    let reading = &mut visit.reading;
    let judge = || judge(policy, lookup);
    let found = match single {
        Some(single) => match policy.mode {
            Mode::Prefix => judge().read_id(single.value, reading),
            _ => judge().read_value(single.value, reading),
        },
        None if FOLLOWS => match first {
            Some(first) => judge().read_from(first, view.original.values(), reading),
            None => None,
        },
        None => judge().read(view.original.values(), reading),
    };
    if let Some((first, member)) = found.map(|first| (first, member.get())) {
        if request.upstream_states().is_empty() {
            visit.settled = (sticky.foreknown.get()).settled(policy, &visit.reading, now);
        }
        visit.edition = edition(conf);
        visit.named = Some(Candidate::first(IdScheme::Own, first, member));
        visit.choice = Choice::Bind;
    } else if visit.reading.verdict != Verdict::None || policy.accepts_unmarked() {
        return read_again(visit);
    }
    Ok(())
}

/// Finds the servers named by an ID that does not come from a cookie of the module.
pub(super) fn name_server<'r>(visit: &mut Visit<'r>, id: &'r [u8]) -> Result<(), OutOfMemory> {
    let policy = visit.policy();
    let member = Cell::new(NOBODY);
    let mut reading = Reading::NONE;
    let found = judge(policy, ServerLookup::of(visit, &member)).read_id(id, &mut reading);
    visit.reading = reading;
    let Some(first) = found else {
        return read_again(visit);
    };
    // If another upstream has handed the request on, that upstream may have a cookie to set.
    if visit.request.upstream_states().is_empty() {
        visit.settled = (visit.sticky.foreknown.get()).settled(policy, &visit.reading, now);
    }
    visit.edition = edition(visit.conf);
    visit.named = Some(Candidate::first(IdScheme::Own, first, member.get()));
    // nginx sends no session to a backup while a primary server is available, which only the balancer knows. A strict session
    // is bound without asking the balancer.
    if !policy.as_nginx || !member.get().backup || visit.is_strict() {
        visit.choice = Choice::Bind;
    }
    Ok(())
}

/// Reads a cookie or ID that names no current server in the policy's scheme.
#[cold]
#[inline(never)]
fn read_again(visit: &mut Visit<'_>) -> Result<(), OutOfMemory> {
    visit.check_memory()?;
    if visit.conf.is_foreign.get() {
        visit.reading = Reading::NONE;
        return Ok(());
    }
    if visit.policy().reads_other_schemes() {
        let is_bound = read_other_schemes(visit);
        visit.check_memory()?;
        if is_bound {
            return Ok(());
        }
    }
    if visit.conf.linger.zone.get().is_some() && linger::follow(visit)? {
        return Ok(());
    }
    if visit.reading.verdict != Verdict::None {
        log_verdict(visit);
    }
    visit.choice = visit.choose();
    Ok(())
}

/// Reads the values of a cookie in every scheme. Returns whether one of them names a server of the upstream.
fn read_other_schemes(visit: &mut Visit<'_>) -> bool {
    let policy = visit.policy();
    if !policy.has_cookie() {
        return read_other_routes(visit);
    }
    let fields = View::of(visit.request).original;
    let mut first = visit.reading;
    for (number, value) in judged_values(fields.values(), policy).enumerate() {
        let reader = Reader::of(visit);
        let mut reading = if number == 0 { first } else { Reading::NONE };
        let named = match number {
            // Already judged in the policy's scheme.
            0 => reader.read_others(value, &mut reading),
            _ => reader.read_one(value, &mut reading),
        };
        if let Some(named) = named {
            follow(visit, reading, named);
            return true;
        }
        // If no value names a server, the first one determines the verdict.
        if number == 0 {
            reader.tell(value, &mut first);
        }
    }
    visit.reading = first;
    false
}

/// Reads, in the accepted schemes, an ID that is not from a cookie. In the policy's scheme, the whole value is the ID.
fn read_other_routes(visit: &mut Visit<'_>) -> bool {
    let mut reading = visit.reading;
    let Some(named) = Reader::of(visit).read_accepted(visit.reading.session.id, &mut reading)
    else {
        return false;
    };
    follow(visit, reading, named);
    true
}

/// Binds the request to the servers that a value names.
fn follow<'r>(visit: &mut Visit<'r>, reading: Reading<'r>, named: Candidate) {
    visit.reading = reading;
    visit.edition = edition(visit.conf);
    visit.named = Some(named);
    visit.choice = Choice::Bind;
}

/// Judges a value in the policy's scheme and in the accepted schemes.
pub(super) fn read_one<'r>(
    visit: &Visit<'r>,
    value: &'r [u8],
    reading: &mut Reading<'r>,
) -> Option<Candidate> {
    Reader::of(visit).read_one(value, reading)
}

/// What is needed to judge a value.
pub(super) struct Reader<'a, 'r> {
    pub(super) conf: &'r UpstreamConf,
    pub(super) policy: &'r Policy,
    pub(super) upstream: Upstream<'r>,
    pub(super) generation: ngx_uint_t,
    /// The edition of the servers in use, if any.
    pub(super) edition: Edition,
    pub(super) pool: Pool<'r>,
    /// Whether memory ran out.
    pub(super) lacks_memory: &'a Cell<bool>,
}

impl<'a, 'r> Reader<'a, 'r> {
    fn of(visit: &'a Visit<'r>) -> Self {
        Reader {
            conf: visit.conf,
            policy: visit.policy(),
            upstream: visit.upstream,
            generation: visit.inner.round_robin().generation(),
            edition: visit.edition,
            pool: visit.request.pool(),
            lacks_memory: &visit.lacks_memory,
        }
    }

    /// Returns the servers, unless the list has changed since it was first used.
    pub(super) fn servers(&self) -> Option<Ref<'r, Servers>> {
        let servers = servers(self.conf, self.upstream, self.generation, self.lacks_memory)?;
        let is_same = self.edition == Edition::NONE || self.edition == servers.edition();
        is_same.then_some(servers)
    }
}

impl<'r> Directory<'r> for Reader<'_, 'r> {
    type Found = Candidate;

    fn policy(&self) -> &'r Policy {
        self.policy
    }

    fn own_server(&self, id: &[u8]) -> Option<Candidate> {
        let member = Cell::new(NOBODY);
        let lookup = ServerLookup {
            conf: self.conf,
            upstream: self.upstream,
            generation: self.generation,
            member: &member,
            lacks_memory: self.lacks_memory,
        };
        let first = lookup.look_up(id)?;
        Some(Candidate::first(IdScheme::Own, first, member.get()))
    }

    fn accepted_server(&self, id: &[u8]) -> Option<(Candidate, &'r [u8])> {
        let servers = self.servers()?;
        let found = match servers.find_accepted(id, self.policy) {
            Some(found) => Ok(Some(found)),
            None => servers.find_on_ring(id, self.policy),
        };
        let (scheme, first, member) = found.unwrap_or_else(|OutOfMemory| {
            self.lacks_memory.set(true);
            None
        })?;
        let own = self.pool.copy(servers.own.id(member.peer)?);
        if own.is_none() {
            self.lacks_memory.set(true);
        }
        Some((Candidate::first(scheme, first, *member), own?))
    }
}

#[cold]
#[inline(never)]
fn log_verdict(visit: &Visit<'_>) {
    info!(
        visit.request,
        "session_sticky: {} for upstream \"{}\" is {}, id \"{}\"",
        visit.sticky.subject(),
        string(visit.upstream.host()),
        visit.reading.verdict.as_str(),
        Printable(visit.reading.session.id)
    );
}
