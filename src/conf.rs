//! The module's configuration of the `http` block, of upstreams and of locations.

use core::cell::{Cell, OnceCell};
use core::fmt::{self, Display, Formatter};

use hashbrown::HashMap;
use ngx::ffi::ngx_module_t;
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};
use rustc_hash::FxBuildHasher;
use session_cookie::cookie::HideRule;
use session_cookie::counters::Group;
use session_cookie::foreknown::Foreknown;
use session_cookie::learned::Timeout;
use session_cookie::memory::{insert, OutOfMemory};
use session_cookie::policy::Policy;
use session_cookie::set_cookie::Template;
use session_cookie::unreachable::Unreachable;

use crate::control::applied::Applied;
use crate::nginx::chain::{InitPeer, InitUpstream};
use crate::nginx::complex_value::ComplexValue;
use crate::nginx::control_zone::ControlZone;
use crate::nginx::counter_zone::CounterZone;
use crate::nginx::exchange::Trial;
use crate::nginx::own_module::own_module;
use crate::nginx::sender::ServerNames;
use crate::nginx::session_zone::SessionZone;
use crate::nginx::upstream::{Place, Upstream};
use crate::nginx::variable::Variable;
use crate::nginx::variables::CookieVariables;
use crate::nginx::worker_cell::WorkerCell;
use crate::nginx::worker_timer::WorkerTimer;
use crate::nginx::Printable;
use crate::upstream::linger::known::Linger;
use crate::upstream::servers::{Edition, Servers};

/// The module, as nginx knows it.
pub(crate) struct Sticky;

/// The configuration of the `http` block.
#[derive(Default)]
pub(crate) struct MainConf {
    /// Every `session_sticky_hide_cookie`, to be checked when all upstreams are known.
    pub(crate) hide_directives: Vec<HideDirective>,
    /// The sticky upstreams to which the locations of each `server` block pass requests.
    pub(crate) reached: Vec<Reached>,
    /// Whether any location hides anything.
    pub(crate) hides: bool,
    /// Whether any location has `sticky_no_fallback`.
    pub(crate) no_fallback: bool,
    /// Whether any location has `sticky_hide_cookie`.
    pub(crate) silent: bool,
    /// The zone with the server states, if any location has `session_sticky_control on`, and with the servers that ask to
    /// drain, if any upstream has `drain_if=`.
    pub(crate) control: Option<ControlZone>,
    /// Whether any location has `session_sticky_status`.
    pub(crate) counts: bool,
    /// The zone in which requests are counted, if they are.
    pub(crate) counters: Cell<Option<CounterZone>>,
    /// The timer that checks whether servers have left DNS, if any may linger.
    pub(crate) watch: Cell<Option<&'static Watch>>,
    /// The variables that contain cookies.
    pub(crate) cookie_variables: CookieVariables,
}

/// The timer that checks whether servers of these upstreams have left DNS.
pub(crate) type Watch = WorkerTimer<Vec<Upstream<'static>>>;

/// An upstream that `session_sticky_hide_cookie` names, to be checked when all upstreams are known.
pub(crate) struct HideDirective {
    /// The name of the directive, which has an alias.
    pub(crate) directive: &'static [u8],
    pub(crate) upstream: &'static [u8],
    pub(crate) place: Place<'static>,
}

/// The upstreams to which the locations of a `server` block pass requests.
pub(crate) struct Reached {
    /// Identifies the block.
    pub(crate) server: usize,
    pub(crate) upstreams: Vec<Upstream<'static>>,
}

/// The module's parameters in a `server` line.
#[derive(Clone, Copy, Default)]
pub(crate) struct ServerConf {
    /// `id=`.
    pub(crate) id: Option<&'static [u8]>,
    /// `route=`, if nginx does not have it.
    pub(crate) route: Option<&'static [u8]>,
    /// `drain`, if nginx does not have it.
    pub(crate) draining: bool,
}

impl ServerConf {
    /// Returns whether the line has none of these parameters.
    pub(crate) fn is_empty(self) -> bool {
        self.id.is_none() && self.route.is_none() && !self.draining
    }
}

/// The `server` lines with parameters of the module, by address and whether the server is a backup.
#[derive(Default)]
pub(crate) struct ServerConfs(HashMap<(&'static [u8], bool), ServerConf, FxBuildHasher>);

impl ServerConfs {
    /// Returns the parameters of a line.
    pub(crate) fn get(&self, address: &[u8], backup: bool) -> Option<ServerConf> {
        self.0.get(&(address, backup)).copied()
    }

    /// Returns the parameters of a line, for writing.
    pub(crate) fn get_mut(
        &mut self,
        address: &'static [u8],
        backup: bool,
    ) -> Option<&mut ServerConf> {
        self.0.get_mut(&(address, backup))
    }

    /// Adds a line.
    pub(crate) fn insert(
        &mut self,
        address: &'static [u8],
        backup: bool,
        conf: ServerConf,
    ) -> Result<(), OutOfMemory> {
        insert(&mut self.0, (address, backup), conf)
    }

    /// Returns whether no line has such parameters.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns each `id=`.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &'static [u8]> + '_ {
        self.0.values().filter_map(|conf| conf.id)
    }
}

/// The configuration of a sticky upstream.
pub(crate) struct StickyUpstream {
    /// The policy that the directive defines.
    pub(crate) policy: Policy,
    /// The name of the directive.
    pub(crate) directive: &'static str,
    /// What identifies a session or its server, if that is not the module's cookie.
    pub(crate) source: Option<&'static Source>,
    /// What is read from a request.
    pub(crate) reads: Reads,
    /// Whether the policy has [extras](Policy::has_extras), or servers can ask to drain.
    pub(crate) has_extras: bool,
    /// `domain=` with a variable.
    pub(crate) domain: Option<ComplexValue>,
    /// `path=` with a variable.
    pub(crate) path: Option<ComplexValue>,
    /// `samesite=` with a variable.
    pub(crate) same_site: Option<ComplexValue>,
    /// `secure=` with a variable.
    pub(crate) secure: Option<ComplexValue>,
    /// `if=`: persistence is switched off for requests for which this is empty or `0`.
    pub(crate) condition: Option<ComplexValue>,
    /// How servers ask to drain, if they can.
    pub(crate) drain: Option<DrainIf>,
    /// The template of the cookie. This and the following fields are set when all directives were read.
    pub(crate) template: OnceCell<Template>,
    /// The template of a cookie that follows an application's, without what is copied from that.
    pub(crate) follow_template: OnceCell<Template>,
    /// Whether the cookie, or a part of it, is hidden from the servers.
    pub(crate) hides: Cell<bool>,
    /// What is known in advance about the responses of existing sessions.
    pub(crate) foreknown: Cell<Foreknown>,
    /// Whether the policy or a location may prevent the cookie from being set.
    pub(crate) may_be_silent: Cell<bool>,
    /// Whether sessions may be strict, by the policy or by a location.
    pub(crate) may_be_strict: Cell<bool>,
}

/// How servers ask to drain.
#[derive(Clone, Copy)]
pub(crate) struct DrainIf {
    /// `drain_if=`: a server asks to drain with each response for which this is neither empty nor `0`.
    pub(crate) condition: ComplexValue,
    /// `drain_time=`: for how many seconds it then drains.
    pub(crate) time: u64,
}

impl StickyUpstream {
    /// Returns what names the servers, for log lines.
    pub(crate) fn subject(&self) -> Subject<'_> {
        match &self.source {
            None => Subject::Cookie(&self.policy.cookie),
            Some(Source { learn: None, .. }) => Subject::Route,
            Some(Source {
                learn: Some(learn), ..
            }) => Subject::Zone(learn.zone.name()),
        }
    }
}

/// What is read from a request.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    /// The module's cookie.
    Cookie,
    /// The variables that identify a session or its server.
    Source(&'static Source),
    /// First, whether any of these is to be read.
    First(ReadsFirst),
}

/// What is read first.
#[derive(Clone, Copy)]
pub(crate) enum ReadsFirst {
    /// Whether the request has the application's cookie, which the module's session follows.
    Application,
    /// Whether persistence is used, and whether the response may set the cookie; then the same as above. Also used if servers
    /// can ask to drain.
    Switches,
}

/// What names the servers, for log lines.
pub(crate) enum Subject<'c> {
    Cookie(&'c [u8]),
    Route,
    Zone(&'c [u8]),
}

impl Display for Subject<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Subject::Cookie(name) => write!(f, "cookie \"{}\"", Printable(name)),
            Subject::Route => f.write_str("route"),
            Subject::Zone(name) => write!(f, "session in zone \"{}\"", Printable(name)),
        }
    }
}

/// What identifies a session, or its server, without a cookie of the module.
pub(crate) struct Source {
    /// The first of these variables that is not empty is the ID of a server or, with learned sessions, of a session.
    pub(crate) lookup: Vec<Variable>,
    /// How sessions are learned, if they are.
    pub(crate) learn: Option<Learn>,
}

impl Source {
    /// Returns all variables.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Variable> {
        let create = self.learn.iter().flat_map(|learn| &learn.create);
        self.lookup.iter().chain(create)
    }
}

/// How the servers of an application's own sessions are learned.
pub(crate) struct Learn {
    /// The first of these variables that is not empty is the ID of a session that a response creates.
    pub(crate) create: Vec<Variable>,
    /// The table of sessions.
    pub(crate) zone: SessionZone,
    /// How long an unused session is kept.
    pub(crate) timeout: Timeout,
    /// Whether a session is learned from the response header, without waiting for the complete response.
    pub(crate) after_header: bool,
}

/// The configuration and state of an upstream.
#[derive(Default)]
pub(crate) struct UpstreamConf {
    /// What makes it sticky: `session_sticky`, or a directive of another system.
    pub(crate) sticky: Option<StickyUpstream>,
    /// The module's parameters in `server` lines.
    pub(crate) server_confs: ServerConfs,
    /// The module's place between the upstream's balancer and nginx.
    pub(crate) chain: Chain,
    /// Whether there is a module that adds, removes and frees servers without changing the generation.
    pub(crate) watched: Cell<bool>,
    /// The zone in which its requests are counted, if they are.
    pub(crate) counters: Cell<Option<CounterZone>>,
    /// The server states that this worker has applied.
    pub(crate) control: Applied,
    /// Its lingering servers.
    pub(crate) linger: Linger,
    /// The servers as this worker knows them. This and the following fields change while requests are served.
    pub(crate) servers: WorkerCell<Servers>,
    /// The edition of the servers.
    pub(crate) edition: Cell<Edition>,
    /// Its own counters.
    pub(crate) group: Cell<Option<Group>>,
    /// The servers to which this worker could not connect, and the requests that are trying them again.
    unreachable: WorkerCell<Unreachable<Trial>>,
    /// Whether its balancer has chosen a server from nginx's lists.
    pub(crate) is_proven: Cell<bool>,
    /// Whether its balancer is not based on round robin. Logged when it is detected.
    pub(crate) is_foreign: Cell<bool>,
    /// Whether the variables that determine a request's session are being evaluated before its server is chosen.
    pub(crate) is_being_read: Cell<bool>,
    /// What this worker has logged.
    pub(crate) told: Told,
}

impl UpstreamConf {
    /// Returns the policy, if the upstream is sticky.
    pub(crate) fn policy(&self) -> Option<&Policy> {
        self.sticky.as_ref().map(|sticky| &sticky.policy)
    }

    /// Returns whether its servers can ask to drain.
    pub(crate) fn can_ask(&self) -> bool {
        (self.sticky.as_ref()).is_some_and(|sticky| sticky.drain.is_some())
    }

    /// Returns whether the balancer of the upstream, whose configuration this is, is based on round robin, as far as this
    /// worker knows. The data of other balancers are not nginx's lists.
    pub(crate) fn has_peers(&self, upstream: Upstream<'_>) -> bool {
        !self.chain.has_lua
            && !self.is_foreign.get()
            && (self.is_proven.get() || upstream.has_round_robin_peers())
    }

    /// Calls a function with the servers to which this worker could not connect.
    #[inline(always)]
    pub(crate) fn unreachable<T>(
        &self,
        work: impl FnOnce(&mut Unreachable<Trial>) -> T,
    ) -> Option<T> {
        (self.unreachable.write()).map(|mut servers| work(&mut servers))
    }
}

/// What is logged once per worker.
#[derive(Default)]
pub(crate) struct Told {
    /// The cookie is not hidden from the servers.
    pub(crate) exposed: Cell<bool>,
    /// The servers set a cookie of the same name.
    pub(crate) doubled: Cell<bool>,
    /// Not all servers are counted.
    pub(crate) uncounted: Cell<bool>,
    /// There is no room for a server that asks to drain.
    pub(crate) unasked: Cell<bool>,
}

/// The functions that the module wraps, just as nginx's balancers wrap each other.
#[derive(Default)]
pub(crate) struct Chain {
    /// The wrapped function that prepares the upstream, if the module is outermost.
    pub(crate) init_upstream: Cell<InitUpstream>,
    /// The wrapped function that prepares a request.
    pub(crate) init_peer: Cell<InitPeer>,
    /// Whether a script of ngx_lua chooses, or may choose, the server of each request.
    pub(crate) has_lua: bool,
    /// Set if `keepalive` was read: the module is between it and the balancer.
    #[cfg(not(nginx_implicit_keepalive))]
    pub(crate) keepalive: Option<Keepalive>,
}

/// What is on both sides of the module if `keepalive` was read.
#[cfg(not(nginx_implicit_keepalive))]
pub(crate) struct Keepalive {
    pub(crate) inside: InitUpstream,
    pub(crate) outside: InitUpstream,
}

/// The configuration of a location.
#[derive(Default)]
pub(crate) struct LocationConf {
    /// The upstreams that `session_sticky_hide_cookie` names in the location or, if there are none, in the enclosing block.
    pub(crate) hide_upstreams: Vec<&'static [u8]>,
    /// What the upstream server must not see.
    pub(crate) hides: Vec<HideRule<'static>>,
    /// The upstream to which the location passes requests, if it is known in advance.
    pub(crate) passes_to: Option<Upstream<'static>>,
    /// `sticky_no_fallback`, in the location or an enclosing block: the same as `fallback=off` for all upstreams.
    pub(crate) no_fallback: bool,
    /// `sticky_hide_cookie`, in the location or an enclosing block: no upstream's cookie is set.
    pub(crate) silent: bool,
    /// `session_sticky_status`, in this location.
    pub(crate) shows_status: bool,
    /// `session_sticky_control`, in the location or an enclosing block; `None` if it is in neither.
    pub(crate) control: Option<bool>,
    /// The names of the `server` block, if servers can be controlled in the location.
    pub(crate) server_names: ServerNames<'static>,
}

impl HttpModule for Sticky {
    #[inline(always)]
    fn module() -> &'static ngx_module_t {
        own_module()
    }
}

// SAFETY: `module::create_main_conf` creates configurations of this type.
#[allow(unsafe_code)]
unsafe impl HttpModuleMainConf for Sticky {
    type MainConf = MainConf;
}

// SAFETY: `module::create_srv_conf` creates configurations of this type.
#[allow(unsafe_code)]
unsafe impl HttpModuleServerConf for Sticky {
    type ServerConf = UpstreamConf;
}

// SAFETY: `module::create_loc_conf` creates configurations of this type.
#[allow(unsafe_code)]
unsafe impl HttpModuleLocationConf for Sticky {
    type LocationConf = LocationConf;
}

/// Returns the policy of an upstream, if it is sticky.
pub(crate) fn policy_of(upstream: Upstream<'_>) -> Option<&Policy> {
    upstream.conf::<Sticky>()?.policy()
}
