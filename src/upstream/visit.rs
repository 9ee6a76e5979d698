//! The state of a request to a sticky upstream, from its preparation to its response.

use core::cell::{Cell, Ref};

use session_cookie::foreknown::Settled;
use session_cookie::id::MD5_HEX;
use session_cookie::learned::{Key, ServerId};
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Fallback, Mode, Policy};
use session_cookie::roster::{EntryId, Member, Roster};
use session_cookie::status::{status, ActionTaken, Status};
use session_cookie::verdict::{choose, Choice, Reading, Verdict};

use super::failure::Failure;
use super::known::servers;
use super::linger::known::Lingerer;
use super::servers::{Edition, IdScheme, Servers};
use crate::conf::{LocationConf, Sticky, StickyUpstream, UpstreamConf};
use crate::nginx::exchange::Exchange;
use crate::nginx::inner::Inner;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::Peer;
use crate::nginx::pool::{Placed, PoolSlot, SlotKind};
use crate::nginx::request::{HttpModuleContext, Location, Request};
use crate::nginx::upstream::Upstream;

/// What [`Visit::acted`] is where a cookie of the server was edited, or left alone, or where the session is ended. No clock
/// shows it.
const EDITED: u64 = u64::MAX;
const PRESERVED: u64 = u64::MAX - 1;
const DELETED: u64 = u64::MAX - 2;

/// A request to a sticky upstream. Lives in the request's pool.
#[allow(clippy::disallowed_methods)] // what it holds is `Copy`, or a `Cell` of that
#[derive(Clone)]
pub(crate) struct Visit<'r> {
    pub(crate) request: Request<'r>,
    /// The location that passed it; a redirect inside nginx may lead to another one.
    pub(super) location: Location<'r>,
    pub(crate) upstream: Upstream<'r>,
    pub(crate) conf: &'r UpstreamConf,
    /// What it exchanges with the server; the request may get another exchange by a redirect inside nginx.
    pub(crate) exchange: Exchange<'r>,
    pub(crate) sticky: &'r StickyUpstream,
    pub(crate) reading: Reading<'r>,
    /// The servers that the cookie names, among those of this generation.
    pub(super) named: Option<Candidate>,
    /// What was looked up of a learned session.
    pub(super) session: Option<&'r LookedUp<'r>>,
    /// Which count of the upstream's servers the request met, if it has met one.
    pub(super) edition: Edition,
    /// The one who chooses the next server.
    pub(super) choice: Choice,
    /// Whether its balancer has no server left, and those are taken that drain by their own wish.
    pub(super) past_balancer: bool,
    /// Whether a connection to the server in use was closed, so that it was tried once more.
    pub(super) retried: bool,
    /// How many servers a strict session has tried.
    pub(super) attempts: u16,
    /// Which of the backups of its id it has tried: a bit for each, in their order. Of a session that is lent, whether
    /// a backup was.
    pub(super) tried_backups: u32,
    /// Why the server that was tried last did not serve the request, and which it was of those that the cookie names.
    pub(super) failure: Option<(Failure, EntryId)>,
    /// The server in use.
    pub(super) served: Served<'r>,
    /// Which server that is in its edition, where it is not that of the cookie.
    pub(super) served_by: Option<EntryId>,
    /// Whether it is known that responses need nothing, as long as the cookie chooses.
    pub(super) settled: Settled,
    /// Whether the server has responded. Known when it is freed.
    pub(super) has_response: bool,
    /// Whether its response is on the way to the client. (nginx's own flag cannot be read: since 1.29.4 bindgen
    /// misplaces the bits of a request.)
    header_sent: Cell<bool>,
    /// What the response has done for the session: set its cookie in this second, edited a cookie of the server
    /// ([`EDITED`]), left one alone that is the application's to set ([`PRESERVED`]), ended the session ([`DELETED`]), or
    /// nothing (0).
    acted: Cell<u64>,
    /// Whether its response does not set the cookie, although others of the upstream do.
    pub(super) is_silent: bool,
    /// Whether the request has no cookie of the application, whose session ours follows.
    pub(crate) is_anonymous: bool,
    /// Whether what became of the request was counted.
    pub(super) counted: Cell<bool>,
    /// How many servers the request had tried when it left the upstream with a response; 0 if it did not.
    tries: Cell<usize>,
    /// Whether memory was short when something was to be known of the servers: the request fails.
    pub(super) lacks_memory: Cell<bool>,
    /// How many of several cookies had their turn.
    pub(super) values_seen: u8,

    pub(super) inner: Inner<'r>,
}

/// A session that was looked up in the table.
pub(super) struct LookedUp<'r> {
    /// Its ID, which is the application's.
    pub(super) id: &'r [u8],
    pub(super) key: Key,
    /// The server that has it; `None`: the session is not known.
    pub(super) server: Option<ServerId>,
}

/// The id of the server in use.
#[derive(Clone, Copy)]
pub(super) enum Served<'r> {
    /// No server that the module knows.
    Unknown,
    /// That of the cookie.
    Cookie,
    /// Another one, as long as most are.
    Md5([u8; MD5_HEX]),
    /// Another one.
    Other(&'r [u8]),
    /// That of the cookie, which lingers. So it is from the moment on in which it is found.
    Lingering(&'r Lingerer),
}

/// The servers that a cookie names: whose turn it is.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// How the cookie names them.
    pub(super) scheme: IdScheme,
    pub(super) first: EntryId,
    /// The one whose turn it is.
    pub(super) this: EntryId,
    pub(super) member: Member<Peer>,
    /// Whether it was chosen, or could not be.
    pub(super) tried: bool,
}

impl Candidate {
    pub(super) fn first(scheme: IdScheme, first: EntryId, member: Member<Peer>) -> Self {
        Candidate {
            scheme,
            first,
            this: first,
            member,
            tried: false,
        }
    }

    /// Makes it the turn of the next server.
    #[cold]
    #[inline(never)]
    pub(super) fn advance(&mut self, servers: &Servers) -> Option<()> {
        let roster = servers.by(self.scheme)?;
        self.this = roster.next(self.this)?;
        self.member = *roster.member(self.this)?;
        self.tried = false;
        Some(())
    }

    /// Returns the servers whose turn was.
    pub(super) fn before<'a>(
        &self,
        roster: &'a Roster<Peer>,
    ) -> impl Iterator<Item = &'a Member<Peer>> {
        let end = if self.tried {
            roster.next(self.this)
        } else {
            Some(self.this)
        };
        core::iter::successors(Some(self.first), |named| roster.next(*named))
            .take_while(move |named| Some(*named) != end)
            .filter_map(|named| roster.member(named))
    }
}

impl HttpModuleContext for Sticky {
    type Context<'r> = Visit<'r>;
}

/// A visit after which nginx may hand the request on inside.
#[derive(Clone, Copy)]
pub(super) struct EarlierVisit<'r>(pub(super) Placed<'r, Visit<'r>>);

// SAFETY: no other type has `SlotKind::Visit`.
#[allow(unsafe_code)]
unsafe impl<'r> PoolSlot<'r> for EarlierVisit<'r> {
    const KIND: SlotKind = SlotKind::Visit;

    fn key(&self) -> usize {
        self.0.get().request.address()
    }
}

impl<'r> Visit<'r> {
    /// Returns a request whose balancer is `inner`, before its cookie was read.
    #[inline(always)]
    pub(super) fn new(
        request: Request<'r>,
        upstream: Upstream<'r>,
        exchange: Exchange<'r>,
        conf: &'r UpstreamConf,
        sticky: &'r StickyUpstream,
        inner: Inner<'r>,
    ) -> Self {
        Visit {
            request,
            location: request.location(),
            upstream,
            conf,
            exchange,
            sticky,
            reading: Reading::NONE,
            named: None,
            session: None,
            edition: Edition::NONE,
            choice: Choice::Balance,
            past_balancer: false,
            retried: false,
            attempts: 0,
            tried_backups: 0,
            failure: None,
            served: Served::Unknown,
            served_by: None,
            settled: Settled::No,
            has_response: false,
            header_sent: Cell::new(false),
            acted: Cell::new(0),
            is_silent: false,
            is_anonymous: false,
            counted: Cell::new(false),
            tries: Cell::new(0),
            lacks_memory: Cell::new(false),
            values_seen: 0,
            inner,
        }
    }

    /// Returns the policy of the upstream.
    #[inline(always)]
    pub(crate) fn policy(&self) -> &'r Policy {
        &self.sticky.policy
    }

    /// Returns the newest visit of a request, also after a redirect inside nginx has cleared its contexts.
    #[inline]
    pub(crate) fn of(request: Request<'r>) -> Option<&'r Visit<'r>> {
        request.context::<Sticky>().or_else(|| {
            let earlier = request.pool().newest::<EarlierVisit>(request.address());
            earlier.map(|earlier| earlier.0.get())
        })
    }

    /// Returns the visits of a request after which nginx may have handed it on inside, newest first.
    pub(crate) fn earlier(request: Request<'r>) -> impl Iterator<Item = &'r Visit<'r>> {
        (request.pool().kept::<EarlierVisit>(request.address())).map(|earlier| earlier.0.get())
    }

    /// Returns whether persistence is switched off for the request.
    pub(super) fn is_off(&self) -> bool {
        self.reading.verdict == Verdict::Unused
    }

    /// Returns whether the response to the request never sets the cookie.
    #[inline(never)]
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent || self.policy().silent || self.location().silent
    }

    /// Returns whether an upstream that the request has met before leaves its cookie to this one, if both have the same name.
    /// Where X-Accel-Redirect has made GET of the POST that may set it, it does only if a session is followed here that was
    /// not there.
    pub(crate) fn takes_cookie_of(&self, earlier: &Visit<'_>) -> bool {
        let is_bound = |visit: &Visit<'_>| visit.status() == Status::Bound;
        let takes = !self.is_silent || (is_bound(self) && !is_bound(earlier));
        self.policy().has_cookie() && takes && *self.policy().cookie == *earlier.policy().cookie
    }

    /// Returns what the location says that passed the request.
    pub(crate) fn location(&self) -> &'r LocationConf {
        self.location.conf::<Sticky>()
    }

    /// Notes that the header of the response is being sent.
    pub(crate) fn note_header(&self) {
        self.header_sent.set(true);
    }

    /// Notes that the response sets the cookie of the session, now.
    #[inline(always)]
    pub(crate) fn note_set(&self, now: u64) {
        self.acted.set(now);
    }

    /// Notes that a cookie of the server was edited.
    pub(crate) fn note_edited(&self) {
        self.acted.set(EDITED);
    }

    /// Notes that the response deletes the cookie of the session, as the application ends its own.
    pub(crate) fn note_deleted(&self) {
        self.acted.set(DELETED);
    }

    /// Notes that a cookie of the server was left alone, and whether it ends the session.
    pub(crate) fn note_preserved(&self, ends: bool) {
        if ends {
            self.note_deleted();
        } else {
            self.acted.set(PRESERVED);
        }
    }

    /// Notes that the request leaves the upstream with its response, and may go on elsewhere.
    pub(super) fn note_left(&self) {
        self.tries.set(self.request.upstream_states().len());
    }

    /// Returns whether the header of the response was sent.
    pub(super) fn is_header_sent(&self) -> bool {
        self.header_sent.get()
    }

    /// Returns whether it is known ahead that nothing is to be done for the session.
    #[inline]
    pub(crate) fn settled(&self) -> Settled {
        self.settled
    }

    /// Returns the id of the server that responded; `None`: what is sent is nginx's own.
    pub(crate) fn responded_by(&self) -> Option<&[u8]> {
        if !self.has_responded() {
            return None;
        }
        // Not a jump by a table, as the first of these is what nearly all are.
        if matches!(self.served, Served::Cookie) {
            return Some(self.reading.session.id);
        }
        let id = match &self.served {
            Served::Md5(id) => id,
            Served::Other(id) => *id,
            Served::Cookie | Served::Lingering(_) => self.reading.session.id,
            Served::Unknown => return None,
        };
        (!id.is_empty()).then_some(id)
    }

    /// Returns the address of the server that responded.
    pub(crate) fn responding_address(&self) -> Option<&'r [u8]> {
        if self.is_off() {
            return self.has_responded().then(|| self.last_address())?;
        }
        self.responded_by()?;
        self.last_address()
    }

    /// Returns whether the server in use, or the last one, has responded.
    fn has_responded(&self) -> bool {
        self.has_response || self.is_responding()
    }

    /// Returns the address of the server that was tried last.
    pub(super) fn last_address(&self) -> Option<&'r [u8]> {
        let tries = match self.tries.get() {
            0 => self.request.upstream_states().len(),
            tries => tries,
        };
        self.request.tried_address(tries.checked_sub(1)?)
    }

    /// Returns what became of the session.
    pub(crate) fn status(&self) -> Status {
        let (verdict, id) = (self.reading.verdict, self.reading.session.id);
        let names_server =
            verdict.is_down() || matches!(verdict, Verdict::Valid | Verdict::Accepted);
        let is_own = match &self.served {
            Served::Unknown => false,
            // Before another was asked.
            Served::Cookie | Served::Lingering(_) => !verdict.is_down(),
            Served::Md5(served) => names_server && served == id,
            Served::Other(served) => names_server && *served == id,
        };
        status(
            self.choice,
            verdict,
            self.policy(),
            is_own,
            self.is_silent(),
        )
    }

    /// Returns what the response has done for the session.
    pub(crate) fn action(&self) -> ActionTaken {
        match (self.acted.get(), self.policy().mode) {
            (0, _) => ActionTaken::None,
            (EDITED, Mode::Prefix) => ActionTaken::Prefixed,
            (EDITED, _) => ActionTaken::Rewritten,
            (PRESERVED, _) => ActionTaken::Preserved,
            (DELETED, _) => ActionTaken::Deleted,
            _ if self.is_new() => ActionTaken::Inserted,
            _ => ActionTaken::Updated,
        }
    }

    /// Returns whether its response has set the cookie of the session, or nothing was to be done (`false`); `None`: it has
    /// edited a cookie of the server, or left one alone.
    #[inline(always)]
    pub(super) fn has_set(&self) -> Option<bool> {
        match self.acted.get() {
            DELETED.. => None,
            set => Some(set != 0),
        }
    }

    /// Returns the second in which the session began; `None` if its cookie does not tell.
    pub(crate) fn first_seen(&self) -> Option<u64> {
        match (self.acted.get(), self.reading.session.stamps) {
            _ if !self.policy().limits.any() => None,
            (0 | DELETED.., stamps) => {
                let goes_on = matches!(self.status(), Status::Bound | Status::Lent);
                stamps.filter(|_| goes_on).map(|stamps| stamps.first_seen)
            }
            (_, Some(stamps)) if !self.is_new() => Some(stamps.first_seen),
            (set, _) => Some(set),
        }
    }

    /// Returns whether the cookie that was set is that of a new session, or of one that has moved.
    fn is_new(&self) -> bool {
        !matches!(self.reading.verdict, Verdict::Accepted)
            && !matches!(self.status(), Status::Bound | Status::Lent)
    }

    /// Fails where memory was too short to tell the id of a server.
    pub(crate) fn check_memory(&self) -> Result<(), OutOfMemory> {
        if self.lacks_memory.get() {
            Err(OutOfMemory)
        } else {
            Ok(())
        }
    }

    /// Returns whether the server in use is responding: the request may have another exchange by now.
    pub(super) fn is_responding(&self) -> bool {
        let current = Exchange::of(self.request).map(Exchange::as_ptr);
        current == Some(self.exchange.as_ptr())
            && self.exchange.peer().has_server()
            && self.exchange.has_response()
    }

    /// Returns whether the request has gone to no server but for so many tries. Else its response may have come through
    /// another upstream, and have to do more than this visit calls for.
    #[inline]
    pub(super) fn is_first_try(&self, tries: usize) -> bool {
        self.request.upstream_states().len() <= tries
    }

    /// Returns the servers that the request may get, unless they have changed since it met those of its edition.
    pub(super) fn servers(&self) -> Option<Ref<'r, Servers>> {
        let generation = self.inner.round_robin().generation();
        let servers = servers(self.conf, self.upstream, generation, &self.lacks_memory)?;
        (self.edition == Edition::NONE || self.edition == servers.edition()).then_some(servers)
    }

    /// Returns the server in use, or to be used, if it lingers.
    pub(super) fn lingerer(&self) -> Option<&'r Lingerer> {
        match self.served {
            Served::Lingering(lingerer) => Some(lingerer),
            _ => None,
        }
    }

    /// nginx counts the tries of a request by the servers that are not `down`, which a draining one is to the
    /// balancers, and one that lingers is not among them: without this, one that fails would leave no try for the others.
    #[cold]
    #[inline(never)]
    pub(super) fn grant_try(&self, pc: PeerConnection<'_>) {
        let limit = self.exchange.next_upstream_tries();
        if limit == 0 || pc.tries() < limit {
            pc.set_tries(pc.tries().saturating_add(1));
        }
    }

    /// Returns whether the servers are still those that the request began with. Else what it knows of them may be gone.
    #[cold]
    #[inline(never)]
    pub(super) fn is_current(&self) -> bool {
        self.servers().is_some()
    }

    /// Returns whether a session of this request stays with its server whatever happens to that.
    #[cold]
    pub(super) fn is_strict(&self) -> bool {
        self.policy().fallback != Fallback::On || self.location().no_fallback
    }

    /// Returns what makes the session strict, as it stands in the configuration.
    pub(super) fn strictness(&self) -> &'static str {
        match self.policy().fallback {
            _ if self.location().no_fallback => "sticky_no_fallback",
            Fallback::Unknown => "fallback=unknown",
            _ if self.sticky.directive == "sticky" => "no_fallback",
            _ => "fallback=off",
        }
    }

    /// Returns who chooses the server now, by the verdict.
    #[cold]
    #[inline(never)]
    pub(super) fn choose(&self) -> Choice {
        let verdict = self.reading.verdict;
        choose(verdict, self.policy(), self.fallback(), self.is_silent())
    }

    /// Returns what happens when the server that the cookie names cannot be had: the location may be stricter.
    #[cold]
    #[inline(never)]
    fn fallback(&self) -> Fallback {
        if self.location().no_fallback {
            Fallback::Off
        } else {
            self.policy().fallback
        }
    }
}
