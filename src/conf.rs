//! What the module knows of the `http` block, of each upstream and of each location.

use core::cell::{Cell, UnsafeCell};

use hashbrown::HashMap;
use ngx::ffi::{
    ngx_http_upstream_init_peer_pt, ngx_http_upstream_init_pt, ngx_http_upstream_srv_conf_t,
    ngx_http_upstream_t, ngx_module_t,
};
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf};
use rustc_hash::FxBuildHasher;
use session_cookie::action::Settled;
use session_cookie::cookie::HideRule;
use session_cookie::memory::{insert, OutOfMemory};
use session_cookie::policy::Policy;
use session_cookie::set_cookie::Template;
use session_cookie::unreachable::Unreachable;

use crate::nginx::complex_value::ComplexValue;
use crate::nginx::pool::ALIGNMENT;
use crate::nginx::upstream::{Place, Upstream};
use crate::nginx::variables::CookieVariables;
use crate::upstream::servers::Servers;

/// The module, as nginx sees it.
pub(crate) struct Sticky;

/// What is known of the whole `http` block.
#[derive(Default)]
pub(crate) struct MainConf {
    /// Every `session_sticky_hide_cookie`, to be checked when all upstreams are known.
    pub(crate) hide_directives: Vec<HideDirective>,
    /// The sticky upstreams that the locations of each `server` block pass to.
    pub(crate) reached: Vec<Reached>,
    /// Does any location hide anything?
    pub(crate) hides: bool,
    /// Does any location have `sticky_no_fallback`?
    pub(crate) no_fallback: bool,
    /// The variables that show cookies.
    pub(crate) cookie_variables: CookieVariables,
}

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
    /// `drain`, where nginx does not have it.
    pub(crate) draining: bool,
}

impl ServerConf {
    /// Returns whether the line has none of these parameters.
    pub(crate) fn is_empty(self) -> bool {
        self.id.is_none() && !self.draining
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

    /// Returns whether a line has an `id=`.
    pub(crate) fn have_ids(&self) -> bool {
        self.0.values().any(|conf| conf.id.is_some())
    }
}

/// What is known of one upstream.
#[derive(Default)]
pub(crate) struct UpstreamConf {
    /// What `session_sticky` said, or a directive of another system; without it the upstream is none of our business.
    pub(crate) policy: Option<Policy>,
    /// The name of the directive that said it.
    pub(crate) directive: &'static str,
    /// `domain=` with a variable.
    pub(crate) domain: Option<ComplexValue>,
    /// `path=` with a variable.
    pub(crate) path: Option<ComplexValue>,
    /// `samesite=` with a variable.
    pub(crate) same_site: Option<ComplexValue>,
    /// Our cookie, made ready when all of this was read.
    pub(crate) template: Option<Template>,
    /// Is something of the cookie hidden from its servers?
    pub(crate) hides: bool,
    /// What is known ahead of sessions that go on.
    pub(crate) settled: Settled,
    /// What `server …` said.
    pub(crate) server_confs: ServerConfs,
    /// Our place between the upstream's balancer and nginx.
    pub(crate) chain: Chain,
    /// May a session stay with its server whatever happens to that, by the policy or by a location?
    pub(crate) may_be_strict: bool,
    /// Is there a module that links servers in and out, and frees them, without counting a generation?
    pub(crate) watched: bool,
    /// The servers as this worker knows them. This and what follows changes while requests are served.
    pub(crate) servers: UnsafeCell<Servers>,
    /// The servers to which this worker could not connect, and who tries them again.
    pub(crate) unreachable: UnsafeCell<Unreachable<*mut ngx_http_upstream_t>>,
    /// Has its balancer chosen one of the servers that nginx keeps?
    pub(crate) is_proven: Cell<bool>,
    /// Is its balancer none of nginx's? It is told in the log when it is found.
    pub(crate) is_foreign: Cell<bool>,
    /// What this worker has said in the log.
    pub(crate) told: Told,
}

/// What is said once a worker.
#[derive(Default)]
pub(crate) struct Told {
    /// The cookie is not hidden from the servers.
    pub(crate) exposed: Cell<bool>,
    /// The servers set a cookie of the same name.
    pub(crate) doubled: Cell<bool>,
}

/// What we call in turn: nginx's balancers stand in each other, and so do we.
#[derive(Default)]
pub(crate) struct Chain {
    /// What prepares the upstream below us, when we stand outermost.
    pub(crate) init_upstream: ngx_http_upstream_init_pt,
    /// What prepares a request below us.
    pub(crate) init_peer: ngx_http_upstream_init_peer_pt,
    /// Where `keepalive` was read: we stand between it and the balancer.
    #[cfg(not(nginx_implicit_keepalive))]
    pub(crate) keepalive: Option<Keepalive>,
}

/// What stands on both sides of us where `keepalive` was read.
#[cfg(not(nginx_implicit_keepalive))]
pub(crate) struct Keepalive {
    pub(crate) inside: ngx_http_upstream_init_pt,
    pub(crate) outside: ngx_http_upstream_init_pt,
}

/// What is known of one location.
#[derive(Default)]
pub(crate) struct LocationConf {
    /// The upstreams that `session_sticky_hide_cookie` named, here or, if it names none here, further out.
    pub(crate) hide_upstreams: Vec<&'static [u8]>,
    /// What the server behind must not see.
    pub(crate) hides: Vec<HideRule<'static>>,
    /// `sticky_no_fallback`, here or further out: as `fallback=off` of whichever upstream.
    pub(crate) no_fallback: bool,
    /// `sticky_hide_cookie`, here or further out: no upstream's cookie is set.
    pub(crate) silent: bool,
}

// ngx makes them in memory of a pool.
const _: () = assert!(
    align_of::<MainConf>() <= ALIGNMENT
        && align_of::<UpstreamConf>() <= ALIGNMENT
        && align_of::<LocationConf>() <= ALIGNMENT
);

impl HttpModule for Sticky {
    fn module() -> &'static ngx_module_t {
        let module = &raw const crate::ngx_http_session_sticky_module;
        // SAFETY: nginx writes to it only before and after the calls that read it.
        unsafe { &*module }
    }
}

// SAFETY: the types are those that the create_*_conf() above make.
unsafe impl HttpModuleMainConf for Sticky {
    type MainConf = MainConf;
}

// SAFETY: as above.
unsafe impl HttpModuleServerConf for Sticky {
    type ServerConf = UpstreamConf;
}

// SAFETY: as above.
unsafe impl HttpModuleLocationConf for Sticky {
    type LocationConf = LocationConf;
}

/// Returns the policy of an upstream, if it is sticky.
pub(crate) fn policy_of(upstream: Upstream<'_>) -> Option<&Policy> {
    upstream.conf::<Sticky>()?.policy.as_ref()
}

/// What the module knows of an upstream.
///
/// # Safety
///
/// `us` is an explicit upstream of a live cycle.
#[inline]
pub(crate) unsafe fn upstream_conf<'a>(us: *mut ngx_http_upstream_srv_conf_t) -> &'a UpstreamConf {
    // SAFETY: as below; nobody changes it meanwhile.
    unsafe { &*upstream_conf_ptr(us) }
}

/// The same, to be written to.
///
/// # Safety
///
/// `us` is an explicit upstream of a cycle whose configuration is being read. The reference is short-lived:
/// no other exists meanwhile.
pub(crate) unsafe fn upstream_conf_mut<'a>(
    us: *mut ngx_http_upstream_srv_conf_t,
) -> &'a mut UpstreamConf {
    // SAFETY: the caller's promise.
    unsafe { &mut *upstream_conf_ptr(us) }
}

#[inline]
unsafe fn upstream_conf_ptr(us: *mut ngx_http_upstream_srv_conf_t) -> *mut UpstreamConf {
    // SAFETY: every explicit upstream has a configuration of every http module; ours never fails to be
    // made without nginx failing too.
    unsafe { (*(*us).srv_conf.add(Sticky::module().ctx_index)).cast() }
}
