//! Around whichever balancer the upstream has: the cookie chooses the server, or leaves it to the balancer.
//!
//! In the order in which nginx calls it: the upstream is prepared once, then each request, then a server
//! is got and freed as often as the request is tried.

mod failure;
mod lend;
mod other_values;
mod proof;
mod strict;
mod unavailable;

use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use ngx::core::Status;
use ngx::ffi::{
    ngx_conf_t, ngx_event_free_peer_pt, ngx_event_get_peer_pt, ngx_event_notify_peer_pt,
    ngx_http_request_t, ngx_http_upstream_init_round_robin, ngx_http_upstream_srv_conf_t,
    ngx_http_upstream_t, ngx_int_t, ngx_log_t, ngx_peer_connection_t, ngx_time, ngx_uint_t,
    NGX_LOG_ERR, NGX_LOG_INFO, NGX_PEER_FAILED, NGX_PEER_NEXT,
};
#[cfg(ngx_feature = "http_ssl")]
use ngx::ffi::{ngx_event_save_peer_session_pt, ngx_event_set_peer_session_pt};
#[cfg(ngx_feature = "http_cache")]
use ngx::ffi::{
    NGX_HTTP_CACHE_HIT, NGX_HTTP_CACHE_REVALIDATED, NGX_HTTP_CACHE_STALE, NGX_HTTP_CACHE_UPDATING,
};
use ngx::http::HttpModule;
use ngx::ngx_log_error;
use session_cookie::action::{settled, settled_unstamped, Settled};
use session_cookie::id::MD5_HEX;
use session_cookie::policy::{Fallback, Mode, Policy};
use session_cookie::roster::{Member, Named, Roster};
use session_cookie::set_cookie::{ByVariables, Template};
use session_cookie::verdict::{
    choose, judged_values, read, read_accepted_value, read_id, read_value, Choice, Find, Reading,
    Verdict,
};

use crate::conf::{upstream_conf, upstream_conf_mut, LocationConf, Sticky, UpstreamConf};
use crate::hidden;
use crate::nginx::conf::module;
use crate::nginx::headers_in::{Only, View};
use crate::nginx::peers::{
    forget_check, forget_try, generation_of, take, take_out_of_line, Failures, Peer, PeerData,
    Peers,
};
use crate::nginx::{log, pool, Printable};
use crate::servers::{edition, forget, forget_ids, servers, Edition, Form, Servers};
use failure::Failure;
use unavailable::Unavailable;

const OK: ngx_int_t = Status::NGX_OK.0;
const DONE: ngx_int_t = Status::NGX_DONE.0;
const BUSY: ngx_int_t = Status::NGX_BUSY.0;
const ERROR: ngx_int_t = Status::NGX_ERROR.0;

/// Takes our place in the chain of an upstream whose directives were all read.
///
/// # Safety
///
/// `us` is an explicit upstream that nginx has not prepared yet.
pub(crate) unsafe fn install(us: *mut ngx_http_upstream_srv_conf_t) {
    // SAFETY: the caller's promise.
    unsafe {
        let chain = &mut upstream_conf_mut(us).chain;

        #[cfg(not(nginx_implicit_keepalive))]
        if let Some(keepalive) = &chain.keepalive {
            let address =
                |init: ngx::ffi::ngx_http_upstream_init_pt| init.map(|init| init as usize);
            if address(keepalive.outside) == address((*us).peer.init_upstream) {
                return;
            }
        }

        chain.init_upstream = (*us)
            .peer
            .init_upstream
            .or(Some(ngx_http_upstream_init_round_robin));
        (*us).peer.init_upstream = Some(init_upstream);
    }
}

/// Prepares an upstream in which we stand outermost.
unsafe extern "C" fn init_upstream(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for an upstream, ours by `install`; a module that changes the servers at run time
    // calls it again, as an event of its own.
    unsafe {
        let Some(below) = upstream_conf(us).chain.init_upstream else {
            return ERROR;
        };
        forget(upstream_conf(us));
        let rc = below(cf, us);
        if rc == OK {
            stand_before_requests(cf, us);
        }
        rc
    }
}

/// Prepares an upstream in which `keepalive` stands around us.
#[cfg(not(nginx_implicit_keepalive))]
pub(crate) unsafe extern "C" fn init_upstream_inside(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: `keepalive` calls this for an upstream in which it was read, when it is itself prepared.
    unsafe {
        let conf = upstream_conf(us);
        let Some(below) = conf
            .chain
            .keepalive
            .as_ref()
            .and_then(|keepalive| keepalive.inside)
        else {
            return ERROR;
        };
        let here = conf.policy.is_some() && conf.chain.init_upstream.is_none();
        forget(conf);
        let rc = below(cf, us);
        if rc == OK && here {
            stand_before_requests(cf, us);
        }
        rc
    }
}

/// Takes our place before the requests of an upstream whose balancer was prepared, for the first time or once more.
unsafe fn stand_before_requests(cf: *mut ngx_conf_t, us: *mut ngx_http_upstream_srv_conf_t) {
    // SAFETY: what is below has been prepared.
    unsafe {
        let conf = upstream_conf_mut(us);
        let address =
            |init: ngx::ffi::ngx_http_upstream_init_peer_pt| init.map(|init| init as usize);
        let ours = [init_peer, proof::init_peer];
        if !ours
            .iter()
            .any(|init| address((*us).peer.init) == address(Some(*init)))
        {
            conf.chain.init_peer = (*us).peer.init;
            (*us).peer.init = if proof::is_round_robin((*us).peer.init) {
                Some(init_peer)
            } else {
                Some(proof::init_peer)
            };
        }
        if conf.template.is_none() {
            let by_variables = ByVariables {
                domain: conf.domain.is_some(),
                path: conf.path.is_some(),
                same_site: conf.same_site.is_some(),
            };
            let policy = conf.policy.as_ref();
            conf.template = policy.map(|policy| Template::new(policy, by_variables));
            conf.settled = policy.map(settled_unstamped).unwrap_or_default();
            conf.hides = policy.is_some_and(|policy| policy.hides().is_some());
            conf.watched = module(cf, c"ngx_http_upsync_module").is_some();
        }
    }
}

/// Where a request is on its way to a server.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Stage {
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
    location: *mut *mut c_void,
    pub(crate) upstream: *mut ngx_http_upstream_srv_conf_t,
    conf: &'static UpstreamConf,
    /// The connection to the server; the request may get another one by a redirect inside nginx.
    pub(crate) connection: *mut ngx_http_upstream_t,
    pub(crate) policy: &'static Policy,
    pub(crate) reading: Reading<'static>,
    /// The servers that the cookie names, among those of this generation.
    named: Option<Candidate>,
    /// Which count of the upstream's servers the request met, if it has met one.
    edition: Edition,
    stage: Stage,
    /// Was a connection to the server in use closed, so that it was tried once more?
    retried: bool,
    /// How many servers a strict session has tried.
    attempts: u16,
    /// Which of the backups of its id it has tried: a bit for each, in their order. Of a session that is lent, whether
    /// a backup was.
    tried_backups: u32,
    /// Why the server that was tried last did not serve the request, and which it was of those that the cookie names.
    failure: Option<(Failure, Named)>,
    /// The id of the server in use.
    served: &'static [u8],
    /// Its text, where it is as long as most are.
    md5: MaybeUninit<[u8; MD5_HEX]>,
    /// Is it known that answers need nothing, as long as the cookie chooses?
    settled: Settled,
    /// Did the server answer? Known when it is freed.
    answered: bool,
    /// Is its answer on the way to the client? (nginx's own flag cannot be read: since 1.29.4 bindgen
    /// misplaces the bits of a request.)
    header_sent: bool,
    /// How many of several cookies had their turn.
    values_seen: u8,

    below: Below,
}

/// The servers that a cookie names: whose turn it is.
#[derive(Clone, Copy)]
struct Candidate {
    /// How the cookie names them.
    form: Form,
    first: Named,
    /// The one whose turn it is.
    this: Named,
    member: Member<Peer>,
    /// Was it chosen, or could it not be?
    passed: bool,
}

impl Candidate {
    fn first(form: Form, first: Named, member: &Member<Peer>) -> Self {
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
    fn advance(&mut self, servers: &Servers) -> Option<()> {
        let roster = servers.by(self.form)?;
        self.this = roster.next(self.this)?;
        self.member = *roster.member(self.this)?;
        self.passed = false;
        Some(())
    }

    /// Those whose turn was.
    fn before<'a>(&self, roster: &'a Roster<Peer>) -> impl Iterator<Item = &'a Member<Peer>> {
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
struct Below {
    data: *mut c_void,
    get: ngx_event_get_peer_pt,
    free: ngx_event_free_peer_pt,
    notify: ngx_event_notify_peer_pt,
    /// Written where servers are spoken to by TLS.
    #[cfg(ngx_feature = "http_ssl")]
    sessions: MaybeUninit<Sessions>,
}

/// What the balancer below does with TLS sessions.
#[cfg(ngx_feature = "http_ssl")]
#[derive(Clone, Copy)]
struct Sessions {
    set: ngx_event_set_peer_session_pt,
    save: ngx_event_save_peer_session_pt,
}

impl Below {
    /// The round robin data, which is the first member of the data of every balancer of nginx.
    fn round_robin(&self) -> PeerData {
        self.data.cast()
    }
}

/// A visit whose answer nginx hands on inside.
#[derive(Clone, Copy)]
struct Earlier(NonNull<Visit>);

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
unsafe fn has_answered(upstream: *mut ngx_http_upstream_t) -> bool {
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

/// Prepares a request: the balancer first, then the cookie.
unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a request to an upstream that we stand before.
    unsafe {
        let conf = upstream_conf(us);
        let (Some(init), Some(policy)) = (conf.chain.init_peer, conf.policy.as_ref()) else {
            return ERROR;
        };
        let rc = init(r, us);
        if rc != OK {
            return rc;
        }

        #[cfg(ngx_feature = "http_ssl")]
        let is_tls = (*(*r).upstream).ssl() != 0;
        let peer = &mut (*(*r).upstream).peer;
        let data: PeerData = peer.data.cast();
        if data.is_null() || (*data).peers.cast() != (*us).peer.data {
            stand_aside(conf, us, (*(*r).connection).log);
            return OK;
        }

        let Some(visit) = pool::array::<Visit>((*r).pool, 1) else {
            return ERROR;
        };
        visit.write(Visit {
            request: r,
            location: (*r).loc_conf,
            upstream: us,
            conf,
            connection: (*r).upstream,
            policy,
            reading: Reading::NONE,
            named: None,
            edition: Edition::NONE,
            stage: Stage::Balance,
            retried: false,
            attempts: 0,
            tried_backups: 0,
            failure: None,
            served: &[],
            md5: MaybeUninit::uninit(),
            settled: Settled::No,
            answered: false,
            header_sent: false,
            values_seen: 0,
            below: Below {
                data: peer.data,
                get: peer.get,
                free: peer.free,
                notify: peer.notify,
                #[cfg(ngx_feature = "http_ssl")]
                sessions: MaybeUninit::uninit(),
            },
        });
        read_cookie(&mut *visit.as_ptr(), conf);

        peer.data = visit.as_ptr().cast();
        peer.get = Some(get);
        peer.free = Some(free);
        // nginx asks whether there is one.
        if peer.notify.is_some() {
            peer.notify = Some(notify);
        }
        // nginx asks for sessions only where it speaks TLS to servers (`ngx_http_upstream_connect`).
        #[cfg(ngx_feature = "http_ssl")]
        if is_tls {
            wrap_sessions(&mut *visit.as_ptr(), peer);
        }
        *(*r).ctx.add(Sticky::module().ctx_index) = visit.as_ptr().cast();
    }
    OK
}

/// Reads the cookie, and finds the servers that it names.
#[inline(always)]
unsafe fn read_cookie(visit: &mut Visit, conf: &'static UpstreamConf) {
    // SAFETY: the request is live, and so are its header fields; time is not before 1970.
    unsafe {
        let here = Here::of(visit, conf);
        let view = View::of(visit.request);
        let is_ours = |only: &Only| core::ptr::eq(only.name, &visit.policy.cookie);
        let only = view.only.filter(is_ours);
        if only.is_none() && conf.hides {
            hidden::look(visit);
        }

        let (policy, reading) = (visit.policy, &mut visit.reading);
        let found = match only {
            Some(only) => match policy.mode {
                Mode::Prefix => read_id(only.said, here, reading),
                _ => read_value(only.said, policy, here, now, reading),
            },
            None => read(view.original.values(), policy, here, now, reading),
        };
        if let Some((first, member)) = found {
            if is_first_try(visit.request, 0) {
                visit.settled = settled(conf.settled, reading);
            }
            visit.edition = edition(conf);
            visit.named = Some(Candidate::first(Form::Own, first, member));
            visit.stage = Stage::Bind;
        } else if visit.reading.verdict != Verdict::None || policy.accepts_unmarked() {
            read_again(visit, conf);
        }
    }
}

/// Has the request gone to no server but for so many tries? Else its response may have come through another upstream, and
/// have to do more than this visit calls for.
#[inline]
unsafe fn is_first_try(r: *mut ngx_http_request_t, tries: usize) -> bool {
    // SAFETY: nginx has made the array before it prepares a request, and notes every try in it.
    unsafe { (*(*r).upstream_states).nelts <= tries }
}

/// The servers that a request may get, unless they have changed since it met those of its edition.
unsafe fn servers_of<'a>(visit: &Visit) -> Option<&'a Servers> {
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
unsafe fn is_current(visit: &Visit) -> bool {
    // SAFETY: as in `servers_of`.
    unsafe { servers_of(visit).is_some() }
}

/// The servers that a request may get, to be looked up by id.
#[derive(Clone, Copy)]
struct Here {
    conf: &'static UpstreamConf,
    upstream: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
}

impl Here {
    /// The servers of a request whose balancer was prepared.
    unsafe fn of(visit: &Visit, conf: &'static UpstreamConf) -> Self {
        // SAFETY: the caller's promise.
        let generation = unsafe { generation_of(visit.below.round_robin()) };
        Here {
            conf,
            upstream: visit.upstream,
            generation,
        }
    }
}

impl<'a> Find<(Named, &'a Member<Peer>)> for Here {
    #[inline(always)]
    fn find(&self, id: &[u8]) -> Option<(Named, &'a Member<Peer>)> {
        // SAFETY: a request to this upstream is live.
        let roster = unsafe { &servers(self.conf, self.upstream, self.generation)?.own };
        let first = roster.find(id)?;
        Some((first, roster.member(first)?))
    }
}

/// Reads a cookie that names no server here as it stands.
#[cold]
#[inline(never)]
unsafe fn read_again(visit: &mut Visit, conf: &'static UpstreamConf) {
    // SAFETY: as in `read_cookie`.
    unsafe {
        if conf.is_foreign.get() {
            visit.reading = Reading::NONE;
            return;
        }
        let policy = visit.policy;
        let fields = View::of(visit.request).original;
        if policy.has_other_forms() {
            let find = |id: &[u8]| accepted_server(visit, id);
            let mut first = visit.reading;
            for (number, value) in judged_values(fields.values(), policy).enumerate() {
                let mut reading = Reading::NONE;
                if let Some(named) = other_values::read(visit, value, &mut reading) {
                    visit.reading = reading;
                    visit.edition = edition(conf);
                    visit.named = Some(named);
                    visit.stage = Stage::Bind;
                    return;
                }
                // If none names a server here, the first says what became of the cookie.
                if number == 0 {
                    read_accepted_value(value, policy, &find, now(), true, &mut first);
                }
            }
            visit.reading = first;
        }
        if visit.reading.verdict != Verdict::None {
            log_verdict(visit);
        }
        let choice = choose(visit.reading.verdict, fallback(visit));
        visit.stage = lend::or_lend(visit, choice.into());
    }
}

/// The servers that an id names in an accepted form, and our own id of the first.
unsafe fn accepted_server(visit: &Visit, id: &[u8]) -> Option<(Candidate, &'static [u8])> {
    // SAFETY: as in `read_cookie`.
    unsafe {
        let servers = servers_of(visit)?;
        let (form, first, member) = servers.find_accepted(id)?;
        let ours = pool::copy((*visit.request).pool, servers.own.id(member.peer)?)?;
        Some((Candidate::first(form, first, member), ours))
    }
}

/// Seconds since the epoch.
fn now() -> u64 {
    u64::try_from(ngx_time()).unwrap_or_default()
}

/// Returns whether a session of this request stays with its server whatever happens to that.
#[cold]
fn is_strict(visit: &Visit) -> bool {
    visit.policy.fallback != Fallback::On || visit.location().no_fallback
}

/// What makes the session strict, as it stands in the configuration.
fn strictness(visit: &Visit) -> &'static str {
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
fn fallback(visit: &Visit) -> Fallback {
    if visit.location().no_fallback {
        Fallback::Off
    } else {
        visit.policy.fallback
    }
}

#[cold]
#[inline(never)]
unsafe fn log_verdict(visit: &Visit) {
    // SAFETY: the request and its upstream are live.
    unsafe {
        ngx_log_error!(
            NGX_LOG_INFO,
            log(visit.request),
            "session_sticky: cookie \"{}\" for upstream \"{}\" is {}, id \"{}\"",
            Printable(&visit.policy.cookie),
            (*visit.upstream).host,
            visit.reading.verdict.as_str(),
            Printable(visit.reading.session.id)
        );
    }
}

/// Leaves the requests of an upstream to its balancer, which is none of nginx's: no cookie names a server of it. Said
/// once in each worker.
#[cold]
#[inline(never)]
unsafe fn stand_aside(
    conf: &UpstreamConf,
    us: *mut ngx_http_upstream_srv_conf_t,
    log: *mut ngx_log_t,
) {
    // SAFETY: the upstream is live, and so is the log of a request to it. None of its servers are held.
    unsafe {
        forget_ids(conf);
        if conf.is_foreign.replace(true) {
            return;
        }
        ngx_log_error!(
            NGX_LOG_ERR, log,
            "session_sticky: the balancer of upstream \"{}\" is not based on round robin, sessions do not stick",
            (*us).host
        );
    }
}

/// Gets a server.
unsafe extern "C" fn get(pc: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with the data that init_peer() gave it.
    unsafe {
        let visit = &mut *data.cast::<Visit>();
        visit.answered = false;

        if visit.stage == Stage::Bind && (bind(visit, pc) || leave(visit, pc)) {
            return OK;
        }
        if visit.stage == Stage::Lend {
            if lend::take_another(visit, pc) {
                return OK;
            }
            // From now on the marks of those that were tried are the balancer's.
            visit.stage = Stage::Balance;
        }
        match visit.stage {
            Stage::Refuse => refuse(visit, pc),
            Stage::Bind | Stage::Balance | Stage::Lend => balance(visit, pc),
        }
    }
}

/// Chooses the first available server that the cookie names, and was not chosen before.
#[inline(always)]
unsafe fn bind(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: the data below us is this request's, and the balancer was not asked yet.
    unsafe {
        if visit.conf.may_be_strict && is_strict(visit) {
            return strict::bind(visit, pc);
        }
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        // Where a server has not passed, it was named just now: nothing has changed since.
        match &mut visit.named {
            Some(named) if !named.passed => {
                named.passed = true;
                if !take(primary, &named.member, data, Failures::Counted, pc) {
                    return bind_next(visit, pc);
                }
            }
            _ => return bind_next(visit, pc),
        }
        note_bound(visit, pc);
        true
    }
}

/// [`bind`] where the first server that the cookie names could not be had.
#[cold]
#[inline(never)]
unsafe fn bind_next(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as in `bind`.
    unsafe {
        let data = visit.below.round_robin();
        let primary: Peers = (*visit.upstream).peer.data.cast();
        loop {
            let servers = servers_of(visit);
            let Some((servers, named)) = servers.zip(visit.named.as_mut()) else {
                return false;
            };
            if named.advance(servers).is_none() {
                return false;
            }
            named.passed = true;
            if take_out_of_line(primary, &named.member, data, Failures::Counted, pc) {
                note_bound(visit, pc);
                return true;
            }
        }
    }
}

/// Notes the server that was chosen by the cookie.
#[inline(always)]
unsafe fn note_bound(visit: &mut Visit, pc: *mut ngx_peer_connection_t) {
    visit.served = visit.reading.session.id;
    if let Some(named) = &visit.named {
        if named.form != Form::Own || named.member.draining {
            // SAFETY: as in `bind`.
            unsafe { note_unusual(visit, pc) };
        }
    }
}

/// The same where its id is another one in our own form, or where it is draining.
#[cold]
#[inline(never)]
unsafe fn note_unusual(visit: &mut Visit, pc: *mut ngx_peer_connection_t) {
    let Some(named) = visit.named else {
        return;
    };
    // SAFETY: as in `bind`.
    unsafe {
        if named.form != Form::Own {
            // Those that share such an id may differ in our own form.
            visit.served = served(visit, visit.below.round_robin());
        }
        if named.member.draining {
            grant_try(visit, pc);
        }
    }
}

/// nginx counts the tries of a request by the servers that are not `down`, which a draining one is to the
/// balancers: without this, one that fails would leave no try for the others.
#[cold]
#[inline(never)]
unsafe fn grant_try(visit: &Visit, pc: *mut ngx_peer_connection_t) {
    // SAFETY: as in `bind`; a connection to an upstream has its configuration.
    unsafe {
        let limit = (*(*visit.connection).conf).next_upstream_tries;
        if limit == 0 || (*pc).tries < limit {
            (*pc).tries = (*pc).tries.saturating_add(1);
        }
    }
}

/// The server that the cookie names cannot be had. `true`: another cookie of that name was followed; else it is
/// decided who chooses now.
#[cold]
#[inline(never)]
unsafe fn leave(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as in `bind`.
    unsafe {
        let data = visit.below.round_robin();
        // A request that began with other servers keeps them, and its marks are about those.
        if is_current(visit) {
            (*data).peers = (*visit.upstream).peer.data.cast();
            // A strict session goes nowhere else once its own server was asked.
            if visit.attempts == 0 && other_values::bind(visit, pc) {
                return true;
            }
        }
        visit.reading.verdict = Verdict::Down;
        visit.settled = Settled::No;
        visit.stage = lend::or_lend(visit, choose(Verdict::Down, fallback(visit)).into());
        if visit.stage != Stage::Refuse {
            ngx_log_error!(
                NGX_LOG_INFO,
                (*pc).log,
                "session_sticky: server \"{}\" of upstream \"{}\" is not available, {}{}",
                Printable(visit.reading.session.id),
                (*visit.upstream).host,
                match visit.stage {
                    Stage::Lend => "another serves this request",
                    _ => "the session moves",
                },
                Unavailable(visit)
            );
        }
    }
    false
}

/// The request fails, as it does when a balancer has no server left.
#[cold]
#[inline(never)]
unsafe fn refuse(visit: &Visit, pc: *mut ngx_peer_connection_t) -> ngx_int_t {
    // SAFETY: as in `bind`; nginx prints the name of the upstream.
    unsafe {
        ngx_log_error!(
            NGX_LOG_ERR, (*pc).log,
            "session_sticky: cookie \"{}\" names server \"{}\" of upstream \"{}\", which is {}, with \"{}\"{}",
            Printable(&visit.policy.cookie), Printable(visit.reading.session.id), (*visit.upstream).host,
            visit.reading.verdict.as_str(), strictness(visit), Unavailable(visit)
        );
        (*pc).set_cached(0);
        (*pc).connection = core::ptr::null_mut();
        (*pc).name = &raw mut (*visit.upstream).host;
    }
    BUSY
}

/// Lets the balancer choose, and notes whom.
#[inline(never)]
unsafe fn balance(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> ngx_int_t {
    // SAFETY: as in `bind`. Every balancer has both functions.
    unsafe {
        let (Some(get), Some(free)) = (visit.below.get, visit.below.free) else {
            return ERROR;
        };
        let data = visit.below.round_robin();

        let mut rc = get(pc, visit.below.data);
        // A balancer that turns to the backups does not know which of them the cookie has tried. Such a
        // one is given back unused, at the price of no try; it is marked now, so this comes to an end.
        while (rc == OK || rc == DONE) && was_tried(visit, data) {
            let tries = (*pc).tries;
            free(pc, visit.below.data, 0);
            (*pc).tries = tries;
            (*pc).sockaddr = core::ptr::null_mut();
            rc = get(pc, visit.below.data);
        }

        if rc == OK || rc == DONE {
            visit.served = served(visit, data);
            if (*data).current.is_null() {
                // The data only begins like that of round robin, whose server it is not.
                stand_aside(visit.conf, visit.upstream, (*pc).log);
            } else {
                visit.conf.is_proven.set(true);
            }
        }
        rc
    }
}

/// Is the server that the balancer chose a backup that the cookie has chosen before?
unsafe fn was_tried(visit: &Visit, data: PeerData) -> bool {
    // SAFETY: as in `bind`.
    unsafe {
        let Some(named) = &visit.named else {
            return false;
        };
        let current = (*data).current;
        servers_of(visit)
            .and_then(|servers| servers.by(named.form))
            .is_some_and(|roster| {
                let mut before = named.before(roster);
                before.any(|member| member.backup && member.peer == current)
            })
    }
}

/// The id of the server that the balancer chose, for as long as the request lives.
#[inline]
unsafe fn served(visit: &mut Visit, data: PeerData) -> &'static [u8] {
    // SAFETY: as in `bind`. The roster may be counted anew while the request lives, so the id is copied.
    unsafe {
        let Some(servers) = servers_of(visit) else {
            return &[];
        };
        visit.edition = servers.edition();
        match servers.own.id((*data).current) {
            // The visit stays where it is, in the request's pool.
            Some(id) => match id.try_into() {
                Ok(id) => {
                    visit.md5.write(id);
                    core::slice::from_raw_parts(visit.md5.as_ptr().cast(), MD5_HEX)
                }
                Err(_) => pool::copy((*visit.request).pool, id).unwrap_or_default(),
            },
            None => &[],
        }
    }
}

/// Frees a server.
unsafe extern "C" fn free(pc: *mut ngx_peer_connection_t, data: *mut c_void, state: ngx_uint_t) {
    // SAFETY: nginx calls this with the data that init_peer() gave it, after get().
    unsafe {
        let visit = &mut *data.cast::<Visit>();
        if has_failed(state) || visit.attempts != 0 {
            return free_unusual(pc, visit, state);
        }
        visit.answered = has_answered(visit.connection);
        // An answer whose header was not sent is handed on inside nginx, which will clear our context.
        if visit.answered && !visit.header_sent {
            return free_unusual(pc, visit, state);
        }
        free_below(pc, visit, state);
    }
}

/// Frees a server that has failed, or of which something is to be noted.
#[cold]
#[inline(never)]
unsafe fn free_unusual(pc: *mut ngx_peer_connection_t, visit: &mut Visit, state: ngx_uint_t) {
    // SAFETY: as in `free`.
    unsafe {
        let mut state = state;
        let failed = has_failed(state);
        if failed && !visit.retried && was_stale(pc, visit.connection) {
            state &= !(NGX_PEER_FAILED as ngx_uint_t);
            if is_current(visit) {
                forget_check(visit.below.round_robin());
                try_again(visit);
            }
        }
        if failed || !(*visit.conf.unreachable.get()).is_empty() {
            failure::learn(visit, pc, state);
        }
        visit.answered = !failed && has_answered(visit.connection);
        if visit.answered && !visit.header_sent {
            pool::keep((*visit.request).pool, Earlier(NonNull::from(&mut *visit)));
        }
        free_below(pc, visit, state);
    }
}

/// Has nginx something against the server?
#[inline(always)]
fn has_failed(state: ngx_uint_t) -> bool {
    state & (NGX_PEER_FAILED | NGX_PEER_NEXT) as ngx_uint_t != 0
}

/// Hands the server back to the balancer below.
#[inline(always)]
unsafe fn free_below(pc: *mut ngx_peer_connection_t, visit: &Visit, state: ngx_uint_t) {
    // SAFETY: as in `free`.
    unsafe {
        if let Some(free) = visit.below.free {
            free(pc, visit.below.data, state);
        }
    }
}

/// Did the server close a connection that was kept alive, just when it was used again? That says nothing
/// about the server: nginx itself takes no try away for it (`ngx_http_upstream_next`). The second time it does:
/// a server that closes without an answer must not get the request by every connection to it.
unsafe fn was_stale(pc: *mut ngx_peer_connection_t, upstream: *mut ngx_http_upstream_t) -> bool {
    // SAFETY: nginx frees the server before the connection; a try has a state.
    unsafe {
        (*pc).cached() != 0
            && (*(*upstream).state).bytes_received == 0
            && (*pc).connection.as_ref().is_some_and(|connection| {
                (*connection.read).timedout() == 0 && (*connection.write).timedout() == 0
            })
    }
}

/// The server that the cookie names may be chosen once more.
#[cold]
#[inline(never)]
unsafe fn try_again(visit: &mut Visit) {
    if visit.stage != Stage::Bind {
        return;
    }
    // SAFETY: as in `bind`, which has chosen the server in use.
    unsafe {
        let data = visit.below.round_robin();
        if let Some(named) = &mut visit.named {
            forget_try(&named.member, data);
            named.passed = false;
            visit.retried = true;
            strict::forget_try(visit);
        }
    }
}

/// Passes on what nginx tells the balancer.
unsafe extern "C" fn notify(pc: *mut ngx_peer_connection_t, data: *mut c_void, kind: ngx_uint_t) {
    // SAFETY: nginx calls this with the data that init_peer() gave it, after get().
    unsafe {
        let below = (*data.cast::<Visit>()).below;
        if let Some(notify) = below.notify {
            notify(pc, below.data, kind);
        }
    }
}

/// Steps between nginx and the balancer below where TLS sessions are kept.
#[cfg(ngx_feature = "http_ssl")]
#[cold]
#[inline(never)]
unsafe fn wrap_sessions(visit: &mut Visit, peer: &mut ngx_peer_connection_t) {
    visit.below.sessions.write(Sessions {
        set: peer.set_session,
        save: peer.save_session,
    });
    peer.set_session = Some(set_session);
    peer.save_session = Some(save_session);
}

#[cfg(ngx_feature = "http_ssl")]
unsafe extern "C" fn set_session(pc: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with the data that init_peer() gave it, after get(); wrap_sessions() has written them.
    unsafe {
        let below = (*data.cast::<Visit>()).below;
        let sessions = below.sessions.assume_init();
        sessions.set.map_or(OK, |set| set(pc, below.data))
    }
}

#[cfg(ngx_feature = "http_ssl")]
unsafe extern "C" fn save_session(pc: *mut ngx_peer_connection_t, data: *mut c_void) {
    // SAFETY: as above.
    unsafe {
        let below = (*data.cast::<Visit>()).below;
        if let Some(save) = below.sessions.assume_init().save {
            save(pc, below.data);
        }
    }
}
