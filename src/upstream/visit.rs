//! The state of a request to a sticky upstream, from its preparation to its response.

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_event_free_peer_pt, ngx_event_get_peer_pt, ngx_event_notify_peer_pt, ngx_http_request_t,
    ngx_http_upstream_srv_conf_t, ngx_http_upstream_t, ngx_time,
};
#[cfg(ngx_feature = "http_ssl")]
use ngx::ffi::{ngx_event_save_peer_session_pt, ngx_event_set_peer_session_pt};
#[cfg(ngx_feature = "http_cache")]
use ngx::ffi::{
    NGX_HTTP_CACHE_HIT, NGX_HTTP_CACHE_REVALIDATED, NGX_HTTP_CACHE_STALE, NGX_HTTP_CACHE_UPDATING,
};
use ngx::http::HttpModule;
use session_cookie::action::Settled;
use session_cookie::id::MD5_HEX;
use session_cookie::policy::{Fallback, Policy};
use session_cookie::roster::{EntryId, Member, Roster};
use session_cookie::verdict::{Choice, Reading};

use super::failure::Failure;
use super::known::servers;
use super::servers::{Edition, Form, Servers};
use crate::conf::{LocationConf, Sticky, UpstreamConf};
use crate::nginx::peers::{generation_of, Peer, PeerData};
use crate::nginx::pool;

/// Where a request is on its way to a server.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Stage {
    /// The cookie chooses. When nginx comes again the server has failed, and another of the same id may do.
    Bind,
    /// The balancer chooses.
    Balance,
    /// Another server serves the session while its own is away, the same one each time.
    Lend,
    /// No other server may be tried.
    Refuse,
}

impl From<Choice> for Stage {
    fn from(choice: Choice) -> Self {
        match choice {
            Choice::Bind => Stage::Bind,
            Choice::Balance => Stage::Balance,
            Choice::Refuse => Stage::Refuse,
        }
    }
}

/// A request to a sticky upstream. Lives in the request's pool.
#[derive(Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) request: *mut ngx_http_request_t,
    /// The configurations of the location that passed it; a redirect inside nginx may lead to another one.
    pub(super) location: *mut *mut c_void,
    pub(crate) upstream: *mut ngx_http_upstream_srv_conf_t,
    pub(super) conf: &'static UpstreamConf,
    /// The connection to the server; the request may get another one by a redirect inside nginx.
    pub(crate) connection: *mut ngx_http_upstream_t,
    pub(crate) policy: &'static Policy,
    pub(crate) reading: Reading<'static>,
    /// The servers that the cookie names, among those of this generation.
    pub(super) named: Option<Candidate>,
    /// Which count of the upstream's servers the request met, if it has met one.
    pub(super) edition: Edition,
    pub(super) stage: Stage,
    /// Was a connection to the server in use closed, so that it was tried once more?
    pub(super) retried: bool,
    /// How many servers a strict session has tried.
    pub(super) attempts: u16,
    /// Which of the backups of its id it has tried: a bit for each, in their order. Of a session that is lent, whether
    /// a backup was.
    pub(super) tried_backups: u32,
    /// Why the server that was tried last did not serve the request, and which it was of those that the cookie names.
    pub(super) failure: Option<(Failure, EntryId)>,
    /// The id of the server in use.
    pub(super) served: &'static [u8],
    /// Its text, where it is as long as most are.
    pub(super) md5: MaybeUninit<[u8; MD5_HEX]>,
    /// Is it known that answers need nothing, as long as the cookie chooses?
    pub(super) settled: Settled,
    /// Did the server answer? Known when it is freed.
    pub(super) answered: bool,
    /// Is its answer on the way to the client? (nginx's own flag cannot be read: since 1.29.4 bindgen
    /// misplaces the bits of a request.)
    pub(super) header_sent: bool,
    /// How many of several cookies had their turn.
    pub(super) values_seen: u8,

    pub(super) below: Below,
}

/// The servers that a cookie names: whose turn it is.
#[derive(Clone, Copy)]
pub(super) struct Candidate {
    /// How the cookie names them.
    pub(super) form: Form,
    pub(super) first: EntryId,
    /// The one whose turn it is.
    pub(super) this: EntryId,
    pub(super) member: Member<Peer>,
    /// Was it chosen, or could it not be?
    pub(super) passed: bool,
}

impl Candidate {
    pub(super) fn first(form: Form, first: EntryId, member: &Member<Peer>) -> Self {
        Candidate {
            form,
            first,
            this: first,
            member: *member,
            passed: false,
        }
    }

    /// It is the turn of the next one.
    #[cold]
    #[inline(never)]
    pub(super) fn advance(&mut self, servers: &Servers) -> Option<()> {
        let roster = servers.by(self.form)?;
        self.this = roster.next(self.this)?;
        self.member = *roster.member(self.this)?;
        self.passed = false;
        Some(())
    }

    /// Those whose turn was.
    pub(super) fn before<'a>(
        &self,
        roster: &'a Roster<Peer>,
    ) -> impl Iterator<Item = &'a Member<Peer>> {
        let end = if self.passed {
            roster.next(self.this)
        } else {
            Some(self.this)
        };
        core::iter::successors(Some(self.first), |named| roster.next(*named))
            .take_while(move |named| Some(*named) != end)
            .filter_map(|named| roster.member(named))
    }
}

/// The balancer below us.
#[derive(Clone, Copy)]
pub(super) struct Below {
    pub(super) data: *mut c_void,
    pub(super) get: ngx_event_get_peer_pt,
    pub(super) free: ngx_event_free_peer_pt,
    pub(super) notify: ngx_event_notify_peer_pt,
    /// Written where servers are spoken to by TLS.
    #[cfg(ngx_feature = "http_ssl")]
    pub(super) sessions: MaybeUninit<Sessions>,
}

/// What the balancer below does with TLS sessions.
#[cfg(ngx_feature = "http_ssl")]
#[derive(Clone, Copy)]
pub(super) struct Sessions {
    pub(super) set: ngx_event_set_peer_session_pt,
    pub(super) save: ngx_event_save_peer_session_pt,
}

impl Below {
    /// The round robin data, which is the first member of the data of every balancer of nginx.
    pub(super) fn round_robin(&self) -> PeerData {
        self.data.cast()
    }
}

/// A visit whose answer nginx hands on inside.
#[derive(Clone, Copy)]
pub(super) struct Earlier(pub(super) NonNull<Visit>);

impl pool::Keep for Earlier {
    const KIND: pool::Kind = pool::Kind::Visit;

    fn key(&self) -> usize {
        // SAFETY: the visit lives in the pool in which this is kept.
        unsafe { self.0.as_ref().request.addr() }
    }
}

impl Visit {
    /// The newest visit of a request, also after a redirect inside nginx has cleared its contexts.
    ///
    /// # Safety
    ///
    /// `r` is live.
    #[inline]
    pub(crate) unsafe fn of<'a>(r: *mut ngx_http_request_t) -> Option<&'a mut Visit> {
        // SAFETY: our context is a visit or null.
        unsafe {
            let visit = (*(*r).ctx.add(Sticky::module().ctx_index)).cast::<Visit>();
            if !visit.is_null() {
                return Some(&mut *visit);
            }
            pool::newest::<Earlier>((*r).pool, r.addr())
                .map(|mut earlier| earlier.as_mut().0.as_mut())
        }
    }

    /// The visits of a request whose responses nginx handed on inside, newest first.
    ///
    /// # Safety
    ///
    /// `r` is live, and nobody writes to its visits meanwhile.
    pub(crate) unsafe fn earlier<'a>(
        r: *mut ngx_http_request_t,
    ) -> impl Iterator<Item = &'a Visit> {
        // SAFETY: the caller's promise; what is kept lives as long as the request.
        unsafe { pool::kept::<Earlier>((*r).pool, r.addr()).map(|kept| kept.as_ref().0.as_ref()) }
    }

    /// What the location said that passed the request.
    pub(crate) fn location(&self) -> &'static LocationConf {
        // SAFETY: the configuration of a live request; nginx has made ours in every location.
        unsafe { &*(*self.location.add(Sticky::module().ctx_index)).cast() }
    }

    /// The header of the request is being sent.
    pub(crate) fn note_header(&mut self) {
        self.header_sent = true;
    }

    /// Is it known ahead that nothing is to be done for the session?
    #[inline]
    pub(crate) fn settled(&self) -> Settled {
        self.settled
    }

    /// The id of the server that answered; `None`: what is sent is nginx's own.
    pub(crate) fn answered_by(&self) -> Option<&'static [u8]> {
        // SAFETY: the request is live; its upstream is compared before it is read.
        let answering = unsafe {
            let upstream = (*self.request).upstream;
            upstream == self.connection
                && !(*upstream).peer.sockaddr.is_null()
                && has_answered(upstream)
        };
        (self.answered || answering)
            .then_some(self.served)
            .filter(|id| !id.is_empty())
    }
}

/// Did the server in use send an answer, and is it what the client gets, not one from the cache?
pub(super) unsafe fn has_answered(upstream: *mut ngx_http_upstream_t) -> bool {
    // SAFETY: the upstream of a live request.
    unsafe {
        #[cfg(ngx_feature = "http_cache")]
        if matches!(
            (*upstream).cache_status(),
            NGX_HTTP_CACHE_STALE
                | NGX_HTTP_CACHE_UPDATING
                | NGX_HTTP_CACHE_REVALIDATED
                | NGX_HTTP_CACHE_HIT
        ) {
            return false;
        }
        (*upstream).headers_in.status_n != 0
    }
}

/// Has the request gone to no server but for so many tries? Else its response may have come through another upstream, and
/// have to do more than this visit calls for.
#[inline]
pub(super) unsafe fn is_first_try(r: *mut ngx_http_request_t, tries: usize) -> bool {
    // SAFETY: nginx has made the array before it prepares a request, and notes every try in it.
    unsafe { (*(*r).upstream_states).nelts <= tries }
}

/// The servers that a request may get, unless they have changed since it met those of its edition.
pub(super) unsafe fn servers_of<'a>(visit: &Visit) -> Option<&'a Servers> {
    // SAFETY: the caller's promise.
    unsafe {
        let data = visit.below.round_robin();
        servers_of_edition(visit.conf, visit.upstream, data, visit.edition)
    }
}

/// The servers that a request may get, unless they have changed since it met those of this edition.
unsafe fn servers_of_edition<'a>(
    conf: &UpstreamConf,
    upstream: *mut ngx_http_upstream_srv_conf_t,
    data: PeerData,
    edition: Edition,
) -> Option<&'a Servers> {
    // SAFETY: the request is live, and the data is the balancer's for it.
    let servers = unsafe { servers(conf, upstream, generation_of(data))? };
    (edition == Edition::NONE || edition == servers.edition()).then_some(servers)
}

/// Are the servers still those that the request began with? Else what it knows of them may be gone.
#[cold]
#[inline(never)]
pub(super) unsafe fn is_current(visit: &Visit) -> bool {
    // SAFETY: as in `servers_of`.
    unsafe { servers_of(visit).is_some() }
}

/// Seconds since the epoch.
pub(super) fn now() -> u64 {
    u64::try_from(ngx_time()).unwrap_or_default()
}

/// Returns whether a session of this request stays with its server whatever happens to that.
#[cold]
pub(super) fn is_strict(visit: &Visit) -> bool {
    visit.policy.fallback != Fallback::On || visit.location().no_fallback
}

/// What makes the session strict, as it stands in the configuration.
pub(super) fn strictness(visit: &Visit) -> &'static str {
    match visit.policy.fallback {
        _ if visit.location().no_fallback => "sticky_no_fallback",
        Fallback::Unknown => "fallback=unknown",
        _ if visit.conf.directive == "sticky" => "no_fallback",
        _ => "fallback=off",
    }
}

/// What happens when the server that the cookie names cannot be had: the location may be stricter.
#[cold]
#[inline(never)]
pub(super) fn fallback(visit: &Visit) -> Fallback {
    if visit.location().no_fallback {
        Fallback::Off
    } else {
        visit.policy.fallback
    }
}
