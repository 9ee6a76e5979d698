//! The functions that nginx calls for an upstream. Load-balancing modules wrap each other's: each calls the one it has replaced.

use ngx::core::Status;
use ngx::ffi::{
    ngx_conf_t, ngx_http_request_t, ngx_http_upstream_init_peer_pt, ngx_http_upstream_init_pt,
    ngx_http_upstream_init_round_robin, ngx_http_upstream_init_round_robin_peer,
    ngx_http_upstream_srv_conf_t, ngx_int_t,
};

use super::conf::Conf;
use super::request::Request;
use super::upstream::Upstream;

/// A function that initializes an upstream.
pub(crate) type InitUpstreamFn =
    unsafe extern "C" fn(*mut ngx_conf_t, *mut ngx_http_upstream_srv_conf_t) -> ngx_int_t;

/// A function that initializes a request to an upstream.
pub(crate) type InitPeerFn =
    unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_http_upstream_srv_conf_t) -> ngx_int_t;

/// The function that initializes an upstream.
#[derive(Clone, Copy, Default)]
pub(crate) struct InitUpstream(ngx_http_upstream_init_pt);

impl InitUpstream {
    /// Initializes the upstream.
    pub(crate) fn call(self, cf: Conf<'_>, upstream: Upstream<'_>) -> ngx_int_t {
        let Some(init) = self.0 else {
            return Status::NGX_ERROR.into();
        };
        // SAFETY: the load-balancing module's own function, called for the upstream from which it was read.
        unsafe { init(cf.as_ptr(), upstream.as_ptr()) }
    }

    /// Returns whether there is no function.
    #[cfg(not(nginx_implicit_keepalive))]
    pub(crate) fn is_none(self) -> bool {
        self.0.is_none()
    }

    /// Returns whether both are the same function.
    #[cfg(not(nginx_implicit_keepalive))]
    pub(crate) fn is(self, other: InitUpstream) -> bool {
        self.0.map(|init| init as usize) == other.0.map(|init| init as usize)
    }
}

/// The function that initializes a request to an upstream.
#[derive(Clone, Copy, Default)]
pub(crate) struct InitPeer(ngx_http_upstream_init_peer_pt);

impl InitPeer {
    /// Initializes the request.
    #[inline(always)]
    pub(crate) fn call(self, request: Request<'_>, upstream: Upstream<'_>) -> ngx_int_t {
        let Some(init) = self.0 else {
            return Status::NGX_ERROR.into();
        };
        // SAFETY: the load-balancing module's own function, called for a live request to the upstream that the module has
        // initialized.
        unsafe { init(request.as_ptr(), upstream.as_ptr()) }
    }

    /// Returns whether it is this function.
    pub(crate) fn is(self, init: InitPeerFn) -> bool {
        self.0.map(|init| init as usize) == Some(init as usize)
    }

    /// Returns whether it is nginx's own round robin.
    pub(crate) fn is_round_robin(self) -> bool {
        self.is(ngx_http_upstream_init_round_robin_peer)
    }
}

impl Upstream<'_> {
    /// Returns the function that initializes the upstream: that of round robin, unless a directive has set another.
    pub(crate) fn init(self) -> InitUpstream {
        // SAFETY: the upstream lives as long as its cycle, and only a function pointer is copied.
        let init = unsafe { (*self.as_ptr()).peer.init_upstream };
        InitUpstream(init.or(Some(ngx_http_upstream_init_round_robin)))
    }

    /// Replaces the function that initializes the upstream, and returns the previous one.
    pub(crate) fn replace_init(self, init: InitUpstreamFn) -> InitUpstream {
        let before = self.init();
        // SAFETY: a single thread reads the configuration, and no reference to the upstream exists.
        unsafe { (*self.as_ptr()).peer.init_upstream = Some(init) };
        before
    }

    /// Returns the function that initializes a request to the upstream, which must be initialized.
    pub(crate) fn init_peer(self) -> InitPeer {
        // SAFETY: the upstream lives as long as its cycle, and only a function pointer is copied.
        InitPeer(unsafe { (*self.as_ptr()).peer.init })
    }

    /// Sets the function that initializes a request to the upstream.
    pub(crate) fn set_init_peer(self, init: InitPeerFn) {
        // SAFETY: a single thread reads the configuration, and no reference to the upstream exists.
        unsafe { (*self.as_ptr()).peer.init = Some(init) };
    }
}
