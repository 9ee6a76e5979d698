//! What the module knows of the `http` block, of each upstream and of each location.

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

/// The module, as nginx sees it.
pub(crate) struct Sticky;

/// What is known of the whole `http` block.
#[derive(Default)]
pub(crate) struct MainConf {
    /// Every `session_sticky_hide_cookie`, to be checked when all upstreams are known.
    pub(crate) hide_directives: Vec<HideDirective>,
    /// The sticky upstreams that the locations of each `server` block pass to.
    pub(crate) reached: Vec<Reached>,
    /// Whether any location hides anything.
    pub(crate) hides: bool,
    /// Whether any location has `sticky_no_fallback`.
    pub(crate) no_fallback: bool,
    /// Whether any location has `sticky_hide_cookie`.
    pub(crate) silent: bool,
    /// Where it stands what was said of servers, if any location has `session_sticky_control on`, and what they ask for
    /// themselves, if any upstream has `drain_if=`.
    pub(crate) control: Option<ControlZone>,
    /// Whether any location has `session_sticky_status`.
    pub(crate) counts: bool,
    /// Where requests are counted, if they are.
    pub(crate) counters: Cell<Option<CounterZone>>,
    /// What looks whether servers have left DNS, where some may linger.
    pub(crate) watch: Cell<Option<&'static Watch>>,
    /// The variables that show cookies.
    pub(crate) cookie_variables: CookieVariables,
}

/// What looks whether servers of these upstreams have left DNS.
pub(crate) type Watch = WorkerTimer<Vec<Upstream<'static>>>;

/// An upstream that `session_sticky_hide_cookie` names, to be checked when all upstreams are known.
pub(crate) struct HideDirective {
    /// The name of the directive, which has two.
    pub(crate) directive: &'static [u8],
    pub(crate) upstream: &'static [u8],
    pub(crate) place: Place<'static>,
}

/// What the locations of a `server` block pass to.
pub(crate) struct Reached {
    /// What tells the block from others.
    pub(crate) server: usize,
    pub(crate) upstreams: Vec<Upstream<'static>>,
}

/// The parameters of a `server` line that are the module's.
#[derive(Clone, Copy, Default)]
pub(crate) struct ServerConf {
    /// `id=`.
    pub(crate) id: Option<&'static [u8]>,
    /// `route=`, where nginx does not have it.
    pub(crate) route: Option<&'static [u8]>,
    /// `drain`, where nginx does not have it.
    pub(crate) draining: bool,
}

impl ServerConf {
    /// Returns whether the line has none of these parameters.
    pub(crate) fn is_empty(self) -> bool {
        self.id.is_none() && self.route.is_none() && !self.draining
    }
}

/// The `server` lines that have parameters of the module: by their address, and whether it is a backup.
#[derive(Default)]
pub(crate) struct ServerConfs(HashMap<(&'static [u8], bool), ServerConf, FxBuildHasher>);

impl ServerConfs {
    /// Returns the parameters of a line.
    pub(crate) fn get(&self, address: &[u8], backup: bool) -> Option<ServerConf> {
        self.0.get(&(address, backup)).copied()
    }

    /// Returns the parameters of a line, to be written.
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

/// What a directive makes of a sticky upstream.
pub(crate) struct StickyUpstream {
    /// What the directive says.
    pub(crate) policy: Policy,
    /// The name of the directive.
    pub(crate) directive: &'static str,
    /// What tells the server of a session; `None`: the cookie.
    pub(crate) source: Option<&'static Source>,
    /// What is read of a request.
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
    /// `if=`: persistence is switched off for a request for which it is empty or `0`.
    pub(crate) condition: Option<ComplexValue>,
    /// How servers ask to drain, if they can.
    pub(crate) drain: Option<DrainIf>,
    /// The cookie, made ready when all of this was read. This and what follows is written when all directives were read.
    pub(crate) template: OnceCell<Template>,
    /// The cookie where it follows that of an application, without what it takes from that.
    pub(crate) follow_template: OnceCell<Template>,
    /// Whether something of the cookie is hidden from the servers.
    pub(crate) hides: Cell<bool>,
    /// What is known ahead of sessions that go on.
    pub(crate) foreknown: Cell<Foreknown>,
    /// Whether the cookie may not be set, by the policy or by a location.
    pub(crate) may_be_silent: Cell<bool>,
    /// Whether a session may stay with its server whatever happens to that, by the policy or by a location.
    pub(crate) may_be_strict: Cell<bool>,
}

/// How servers ask to drain.
#[derive(Clone, Copy)]
pub(crate) struct DrainIf {
    /// `drain_if=`: a server asks with each response for which it is neither empty nor `0`.
    pub(crate) condition: ComplexValue,
    /// `drain_time=`: the seconds for which it drains from then on.
    pub(crate) time: u64,
}

impl StickyUpstream {
    /// Returns what names servers, as a line in the log shows it.
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

/// What is read of a request.
#[derive(Clone, Copy)]
pub(crate) enum Reads {
    /// The cookie.
    Cookie,
    /// What tells the server of a session in its place.
    Source(&'static Source),
    /// First whether any of that is to be read.
    First(ReadsFirst),
}

/// What is read first.
#[derive(Clone, Copy)]
pub(crate) enum ReadsFirst {
    /// Whether the cookie of the application is there, whose session ours follows.
    Application,
    /// Whether persistence is used at all, and whether the response may set the cookie; then, as above. Also where servers
    /// can ask to drain.
    Switches,
}

/// What names servers, as a line in the log shows it.
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

/// What tells the server of a session that has no cookie of the module.
pub(crate) struct Source {
    /// The variables of which the first that is not empty tells the ID of a server or, where sessions are learned, of a
    /// session.
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
    /// The variables of which the first that is not empty tells the ID of a session that a response begins.
    pub(crate) create: Vec<Variable>,
    /// The table of sessions.
    pub(crate) zone: SessionZone,
    /// How long a session is remembered that is not used.
    pub(crate) timeout: Timeout,
    /// Whether a session is learned when the header of the response is there, not when all of it is.
    pub(crate) after_header: bool,
}

/// What is known of one upstream.
#[derive(Default)]
pub(crate) struct UpstreamConf {
    /// What makes it sticky: `session_sticky`, or a directive of another system.
    pub(crate) sticky: Option<StickyUpstream>,
    /// The parameters of `server` lines.
    pub(crate) server_confs: ServerConfs,
    /// The place of the module between the upstream's balancer and nginx.
    pub(crate) chain: Chain,
    /// Whether there is a module that links servers in and out, and frees them, without counting a generation.
    pub(crate) watched: Cell<bool>,
    /// Where its requests are counted, if they are.
    pub(crate) counters: Cell<Option<CounterZone>>,
    /// What was said of its servers at run time, as far as this worker has applied it.
    pub(crate) control: Applied,
    /// What is known of its servers that linger.
    pub(crate) linger: Linger,
    /// The servers as this worker knows them. This and what follows changes while requests are served.
    pub(crate) servers: WorkerCell<Servers>,
    /// Which count they are of.
    pub(crate) edition: Cell<Edition>,
    /// The part of the counters that is its own.
    pub(crate) group: Cell<Option<Group>>,
    /// The servers to which this worker could not connect, and the requests that try them again.
    unreachable: WorkerCell<Unreachable<Trial>>,
    /// Whether its balancer has chosen one of the servers that nginx keeps.
    pub(crate) is_proven: Cell<bool>,
    /// Whether its balancer is none of nginx's. It is told in the log when it is found.
    pub(crate) is_foreign: Cell<bool>,
    /// Whether it is being read what names the server of a session, or whether that is to be read, with variables.
    pub(crate) is_being_read: Cell<bool>,
    /// What this worker has told in the log.
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

    /// Returns whether the balancer of the upstream, of which this is the configuration, is based on round robin, as far as this
    /// worker knows: what another one keeps is none of nginx's lists.
    pub(crate) fn has_peers(&self, upstream: Upstream<'_>) -> bool {
        !self.chain.has_lua
            && !self.is_foreign.get()
            && (self.is_proven.get() || upstream.has_round_robin_peers())
    }

    /// Does something with the servers to which this worker could not connect.
    #[inline(always)]
    pub(crate) fn unreachable<T>(
        &self,
        work: impl FnOnce(&mut Unreachable<Trial>) -> T,
    ) -> Option<T> {
        (self.unreachable.write()).map(|mut servers| work(&mut servers))
    }
}

/// What is told once a worker.
#[derive(Default)]
pub(crate) struct Told {
    /// The cookie is not hidden from the servers.
    pub(crate) exposed: Cell<bool>,
    /// The servers set a cookie of the same name.
    pub(crate) doubled: Cell<bool>,
    /// Not all servers are counted.
    pub(crate) uncounted: Cell<bool>,
    /// There is no room for what a server asks for.
    pub(crate) unasked: Cell<bool>,
}

/// What the module calls in turn: nginx's balancers stand in each other, and so does the module.
#[derive(Default)]
pub(crate) struct Chain {
    /// What prepares the upstream inside, when the module stands outermost.
    pub(crate) init_upstream: Cell<InitUpstream>,
    /// What prepares a request inside.
    pub(crate) init_peer: Cell<InitPeer>,
    /// Whether Lua of ngx_lua chooses, or may choose, for each request.
    pub(crate) has_lua: bool,
    /// Where `keepalive` was read: the module stands between it and the balancer.
    #[cfg(not(nginx_implicit_keepalive))]
    pub(crate) keepalive: Option<Keepalive>,
}

/// What stands on both sides of the module where `keepalive` was read.
#[cfg(not(nginx_implicit_keepalive))]
pub(crate) struct Keepalive {
    pub(crate) inside: InitUpstream,
    pub(crate) outside: InitUpstream,
}

/// What is known of one location.
#[derive(Default)]
pub(crate) struct LocationConf {
    /// The upstreams that `session_sticky_hide_cookie` names in the location or, if it names none there, further out.
    pub(crate) hide_upstreams: Vec<&'static [u8]>,
    /// What the upstream server must not see.
    pub(crate) hides: Vec<HideRule<'static>>,
    /// The upstream that the location passes to, if it is one that is known ahead.
    pub(crate) passes_to: Option<Upstream<'static>>,
    /// `sticky_no_fallback`, in the location or further out: as `fallback=off` of whichever upstream.
    pub(crate) no_fallback: bool,
    /// `sticky_hide_cookie`, in the location or further out: no upstream's cookie is set.
    pub(crate) silent: bool,
    /// `session_sticky_status`, in this location.
    pub(crate) shows_status: bool,
    /// `session_sticky_control`, in the location or further out; `None`: nowhere.
    pub(crate) control: Option<bool>,
    /// The names of its `server` block, where servers can be controlled.
    pub(crate) server_names: ServerNames<'static>,
}

impl HttpModule for Sticky {
    #[inline(always)]
    fn module() -> &'static ngx_module_t {
        own_module()
    }
}

// SAFETY: `module::create_main_conf` makes configurations of this type.
#[allow(unsafe_code)]
unsafe impl HttpModuleMainConf for Sticky {
    type MainConf = MainConf;
}

// SAFETY: `module::create_srv_conf` makes configurations of this type.
#[allow(unsafe_code)]
unsafe impl HttpModuleServerConf for Sticky {
    type ServerConf = UpstreamConf;
}

// SAFETY: `module::create_loc_conf` makes configurations of this type.
#[allow(unsafe_code)]
unsafe impl HttpModuleLocationConf for Sticky {
    type LocationConf = LocationConf;
}

/// Returns the policy of an upstream, if it is sticky.
pub(crate) fn policy_of(upstream: Upstream<'_>) -> Option<&Policy> {
    upstream.conf::<Sticky>()?.policy()
}
