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

/// Values of [`Visit::acted`] that are not times: the response edits a cookie of the server, leaves it alone, or ends the
/// session.
const EDITED: u64 = u64::MAX;
const PRESERVED: u64 = u64::MAX - 1;
const DELETED: u64 = u64::MAX - 2;

/// A request to a sticky upstream. Lives in the request's pool.
#[allow(clippy::disallowed_methods)] // what it holds is `Copy`, or a `Cell` of that
#[derive(Clone)]
pub(crate) struct Visit<'r> {
    pub(crate) request: Request<'r>,
    /// The location that passed the request; an internal redirect may lead to another one.
    pub(super) location: Location<'r>,
    pub(crate) upstream: Upstream<'r>,
    pub(crate) conf: &'r UpstreamConf,
    /// The exchange with the server; the request may get another one after an internal redirect.
    pub(crate) exchange: Exchange<'r>,
    pub(crate) sticky: &'r StickyUpstream,
    pub(crate) reading: Reading<'r>,
    /// The servers that the cookie names, in the request's generation.
    pub(super) named: Option<Candidate>,
    /// The result of looking up a learned session.
    pub(super) session: Option<&'r LookedUp<'r>>,
    /// The edition of the servers that the request uses, if any.
    pub(super) edition: Edition,
    /// How the next server is chosen.
    pub(super) choice: Choice,
    /// Whether the balancer has no server left, so that the request goes to servers that asked to drain.
    pub(super) past_balancer: bool,
    /// Whether the server was tried again because it closed a kept-alive connection.
    pub(super) retried: bool,
    /// The number of tries made for a strict session or to a lingering server.
    pub(super) attempts: u16,
    /// The backups that were tried: one bit for each backup with the session's ID, in order. For a lent session, nonzero if a
    /// backup was tried.
    pub(super) tried_backups: u32,
    /// Why the last server did not serve the request, and its entry among the servers that the cookie names.
    pub(super) failure: Option<(Failure, EntryId)>,
    /// The server in use.
    pub(super) served: Served<'r>,
    /// The entry of the server in its edition, if it is not the one that the cookie names.
    pub(super) served_by: Option<EntryId>,
    /// Whether the response is known to need no action as long as the cookie chooses the server.
    pub(super) settled: Settled,
    /// Whether the server has responded. Set when the server is freed.
    pub(super) has_response: bool,
    /// Whether the response header is being sent to the client. (nginx's own flag is unusable: since 1.29.4, bindgen
    /// misplaces the bit fields of a request.)
    header_sent: Cell<bool>,
    /// What the response has done for the session: the time at which it set the cookie, [`EDITED`] for a cookie of the
    /// server, [`PRESERVED`] for a cookie left to the application, [`DELETED`] for an ended session, or 0 for nothing.
    acted: Cell<u64>,
    /// Whether this response must not set the cookie, although other responses of the upstream may.
    pub(super) is_silent: bool,
    /// Whether the request lacks the application's cookie, which the module's session follows.
    pub(crate) is_anonymous: bool,
    /// Whether the request was counted.
    pub(super) counted: Cell<bool>,
    /// The number of tries when the request left the upstream with a response; 0 if it has not left.
    tries: Cell<usize>,
    /// Whether memory ran out while the servers were being read; the request then fails.
    pub(super) lacks_memory: Cell<bool>,
    /// How many of several cookies with the same name were considered.
    pub(super) values_seen: u8,

    pub(super) inner: Inner<'r>,
}

/// The result of looking up a learned session.
pub(super) struct LookedUp<'r> {
    /// The session ID, which is the application's.
    pub(super) id: &'r [u8],
    pub(super) key: Key,
    /// The server of the session; `None` if the session is not known.
    pub(super) server: Option<ServerId>,
}

/// The server in use, and its ID.
#[derive(Clone, Copy)]
pub(super) enum Served<'r> {
    /// A server that the module does not know.
    Unknown,
    /// The server that the cookie names.
    Cookie,
    /// Another server, whose ID has the usual length.
    Md5([u8; MD5_HEX]),
    /// Another server, with any other ID.
    Other(&'r [u8]),
    /// The lingering server that the cookie names. Set as soon as that server is found.
    Lingering(&'r Lingerer),
}

/// The servers that a cookie names, and the current one of them.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// The scheme in which the cookie names them.
    pub(super) scheme: IdScheme,
    pub(super) first: EntryId,
    /// The current server.
    pub(super) this: EntryId,
    pub(super) member: Member<Peer>,
    /// Whether the current server was chosen or was unavailable.
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

    /// Makes the next server the current one.
    #[cold]
    #[inline(never)]
    pub(super) fn advance(&mut self, servers: &Servers) -> Option<()> {
        let roster = servers.by(self.scheme)?;
        self.this = roster.next(self.this)?;
        self.member = *roster.member(self.this)?;
        self.tried = false;
        Some(())
    }

    /// Returns the servers that were tried.
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

/// A visit after which nginx may redirect the request internally.
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
    /// Creates the visit of a request whose balancer is `inner`, before the cookie is read.
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

    /// Returns the newest visit of a request, even after an internal redirect has cleared the request's contexts.
    #[inline]
    pub(crate) fn of(request: Request<'r>) -> Option<&'r Visit<'r>> {
        request.context::<Sticky>().or_else(|| {
            let earlier = request.pool().newest::<EarlierVisit>(request.address());
            earlier.map(|earlier| earlier.0.get())
        })
    }

    /// Returns the visits after which the request may have been redirected internally, newest first.
    pub(crate) fn earlier(request: Request<'r>) -> impl Iterator<Item = &'r Visit<'r>> {
        (request.pool().kept::<EarlierVisit>(request.address())).map(|earlier| earlier.0.get())
    }

    /// Returns whether persistence is switched off for the request.
    pub(super) fn is_off(&self) -> bool {
        self.reading.verdict == Verdict::Unused
    }

    /// Returns whether the response must not set the cookie.
    #[inline(never)]
    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent || self.policy().silent || self.location().silent
    }

    /// Returns whether the cookie of an upstream that the request used earlier is left to this upstream, if both cookies have
    /// the same name. If X-Accel-Redirect turned a POST that may set the cookie into a GET, this requires a session that is
    /// bound here and was not bound there.
    pub(crate) fn takes_cookie_of(&self, earlier: &Visit<'_>) -> bool {
        let is_bound = |visit: &Visit<'_>| visit.status() == Status::Bound;
        let takes = !self.is_silent || (is_bound(self) && !is_bound(earlier));
        self.policy().has_cookie() && takes && *self.policy().cookie == *earlier.policy().cookie
    }

    /// Returns the configuration of the location that passed the request.
    pub(crate) fn location(&self) -> &'r LocationConf {
        self.location.conf::<Sticky>()
    }

    /// Records that the response header is being sent.
    pub(crate) fn note_header(&self) {
        self.header_sent.set(true);
    }

    /// Records that the response sets the session's cookie.
    #[inline(always)]
    pub(crate) fn note_set(&self, now: u64) {
        self.acted.set(now);
    }

    /// Records that the response edits a cookie of the server.
    pub(crate) fn note_edited(&self) {
        self.acted.set(EDITED);
    }

    /// Records that the response deletes the session's cookie because the application ends its own session.
    pub(crate) fn note_deleted(&self) {
        self.acted.set(DELETED);
    }

    /// Records that the response leaves a cookie of the server alone, and whether that cookie ends the session.
    pub(crate) fn note_preserved(&self, ends: bool) {
        if ends {
            self.note_deleted();
        } else {
            self.acted.set(PRESERVED);
        }
    }

    /// Records that the request leaves the upstream with its response and may continue elsewhere.
    pub(super) fn note_left(&self) {
        self.tries.set(self.request.upstream_states().len());
    }

    /// Returns whether the header of the response was sent.
    pub(super) fn is_header_sent(&self) -> bool {
        self.header_sent.get()
    }

    /// Returns whether the response is known in advance to need no action.
    #[inline]
    pub(crate) fn settled(&self) -> Settled {
        self.settled
    }

    /// Returns the ID of the server that responded; `None` if the response is nginx's own or the server is not known.
    pub(crate) fn responded_by(&self) -> Option<&[u8]> {
        if !self.has_responded() {
            return None;
        }
        // Nearly all requests match this variant: avoid a jump table.
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

    /// Returns whether the current or last server has responded.
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

    /// Returns the session's status.
    pub(crate) fn status(&self) -> Status {
        let (verdict, id) = (self.reading.verdict, self.reading.session.id);
        let names_server = verdict.names_server();
        let is_own = match &self.served {
            Served::Unknown => false,
            // Still set if the server was given up and no other was chosen.
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

    /// Returns whether the response has set the session's cookie; `None` if it has edited or preserved a cookie of the
    /// server, or ended the session.
    #[inline(always)]
    pub(super) fn has_set(&self) -> Option<bool> {
        match self.acted.get() {
            DELETED.. => None,
            set => Some(set != 0),
        }
    }

    /// Returns the time at which the session began; `None` if it is not known.
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

    /// Returns whether the cookie that was set is for a new or moved session.
    fn is_new(&self) -> bool {
        !matches!(self.reading.verdict, Verdict::Accepted)
            && !matches!(self.status(), Status::Bound | Status::Lent)
    }

    /// Fails if memory ran out while the servers were being read.
    pub(crate) fn check_memory(&self) -> Result<(), OutOfMemory> {
        if self.lacks_memory.get() {
            Err(OutOfMemory)
        } else {
            Ok(())
        }
    }

    /// Returns whether the server in use is responding. The request may have another exchange by now.
    pub(super) fn is_responding(&self) -> bool {
        let current = Exchange::of(self.request).map(Exchange::as_ptr);
        current == Some(self.exchange.as_ptr())
            && self.exchange.peer().has_server()
            && self.exchange.has_response()
    }

    /// Returns whether the request has made at most this number of tries in all upstreams. If not, the response may have come
    /// through another upstream and need more actions than this visit requires.
    #[inline]
    pub(super) fn is_first_try(&self, tries: usize) -> bool {
        self.request.upstream_states().len() <= tries
    }

    /// Returns the servers that the request may use, unless the list has changed since the request first used it.
    pub(super) fn servers(&self) -> Option<Ref<'r, Servers>> {
        let generation = self.inner.round_robin().generation();
        let servers = servers(self.conf, self.upstream, generation, &self.lacks_memory)?;
        (self.edition == Edition::NONE || self.edition == servers.edition()).then_some(servers)
    }

    /// Returns the server in use, or to be used, if it is lingering.
    pub(super) fn lingerer(&self) -> Option<&'r Lingerer> {
        match self.served {
            Served::Lingering(lingerer) => Some(lingerer),
            _ => None,
        }
    }

    /// Adds a try. nginx derives the number of tries from the servers that are not `down`. It sees a draining server as
    /// `down`, and has no lingering servers: without this, a failure of such a server would leave no try for the others.
    #[cold]
    #[inline(never)]
    pub(super) fn grant_try(&self, pc: PeerConnection<'_>) {
        let limit = self.exchange.next_upstream_tries();
        if limit == 0 || pc.tries() < limit {
            pc.set_tries(pc.tries().saturating_add(1));
        }
    }

    /// Returns whether the request's servers are current. If they are not, its entries may be invalid.
    #[cold]
    #[inline(never)]
    pub(super) fn is_current(&self) -> bool {
        self.servers().is_some()
    }

    /// Returns whether the session must stay with its server even if that server is unavailable.
    #[cold]
    pub(super) fn is_strict(&self) -> bool {
        self.policy().fallback != Fallback::On || self.location().no_fallback
    }

    /// Returns the parameter or directive that makes the session strict.
    pub(super) fn strictness(&self) -> &'static str {
        match self.policy().fallback {
            _ if self.location().no_fallback => "sticky_no_fallback",
            Fallback::Unknown => "fallback=unknown",
            _ if self.sticky.directive == "sticky" => "no_fallback",
            _ => "fallback=off",
        }
    }

    /// Returns how the server is to be chosen after the verdict.
    #[cold]
    #[inline(never)]
    pub(super) fn choose(&self) -> Choice {
        let verdict = self.reading.verdict;
        choose(verdict, self.policy(), self.fallback(), self.is_silent())
    }

    /// Returns the `fallback` in effect: the location may be stricter than the policy.
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
