//! The exchange of a request with the servers of an upstream (`ngx_http_upstream_t`).

use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_state_t, ngx_http_upstream_t, ngx_msec_t, ngx_uint_t,
};
#[cfg(ngx_feature = "http_cache")]
use ngx::ffi::{
    NGX_HTTP_CACHE_HIT, NGX_HTTP_CACHE_REVALIDATED, NGX_HTTP_CACHE_STALE, NGX_HTTP_CACHE_UPDATING,
};

use super::bytes;
use super::peer_connection::PeerConnection;
use super::request::{Location, Request};
use super::upstream::Upstream;

/// A handle of the exchange of a request with the servers of one upstream (`ngx_http_upstream_t`).
#[derive(Clone, Copy)]
pub(crate) struct Exchange<'r>(NonNull<ngx_http_upstream_t>, PhantomData<&'r ()>);

impl<'r> Exchange<'r> {
    /// Returns the exchange that nginx is initializing for a request.
    ///
    /// # Safety
    ///
    /// `r` is live for `'r` and has an exchange.
    #[inline(always)]
    pub(crate) unsafe fn in_use(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: the caller guarantees that the request is live and has an exchange.
        Exchange(
            unsafe { NonNull::new_unchecked((*r).upstream) },
            PhantomData,
        )
    }

    /// Returns the current exchange of a request.
    #[inline(always)]
    pub(crate) fn of(request: Request<'r>) -> Option<Self> {
        // SAFETY: the request is live. nginx makes another exchange after an internal redirect, and frees none before the
        // request.
        let upstream = unsafe { (*request.as_ptr()).upstream };
        NonNull::new(upstream).map(|upstream| Exchange(upstream, PhantomData))
    }

    /// Returns the upstream of the server in use, if it is an `upstream` block.
    pub(crate) fn upstream(self) -> Option<Upstream<'r>> {
        // SAFETY: the exchange is live as long as its request, and the upstream as long as the cycle, which outlives both.
        unsafe { Upstream::new(self.0.as_ref().upstream) }
    }

    /// Returns whether the exchange was started by this location.
    pub(crate) fn is_of(self, location: Location<'r>) -> bool {
        // SAFETY: the exchange is live as long as its request. The configuration is only compared.
        let conf = unsafe { self.0.as_ref().conf };
        location.has(conf.cast())
    }

    /// Returns whether load-balancing modules are initializing the exchange: nginx sets `start_time` when they have finished.
    pub(crate) fn is_being_prepared(self) -> bool {
        // SAFETY: the exchange is live as long as its request.
        let pc = unsafe { &self.0.as_ref().peer };
        !pc.data.is_null() && pc.start_time == 0
    }

    /// Returns the upstream to which the exchange is or will be passed, if it is an `upstream` block
    /// (`ngx_http_upstream_init_request`).
    pub(crate) fn destination(self, request: Request<'r>) -> Option<Upstream<'r>> {
        // SAFETY: the exchange is live as long as its request. So are its configuration and the value of its variable, if not
        // null.
        unsafe {
            let exchange = self.0.as_ref();
            if !exchange.upstream.is_null() {
                return Upstream::new(exchange.upstream);
            }
            match exchange.resolved.as_ref() {
                Some(resolved) => {
                    let port = (resolved.no_port == 0).then_some(resolved.port);
                    (request.upstreams()).destination(bytes(resolved.host), port)
                }
                None => Upstream::new(exchange.conf.as_ref()?.upstream),
            }
        }
    }

    /// Returns the address of the exchange, which identifies it within the worker as long as it lasts.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_http_upstream_t {
        self.0.as_ptr()
    }

    /// Returns the connection to the server in use.
    #[inline(always)]
    pub(crate) fn peer(self) -> PeerConnection<'r> {
        // SAFETY: the connection is part of the exchange and lives as long; the handle of the exchange holds no `&mut`.
        unsafe { PeerConnection::new(&raw mut (*self.as_ptr()).peer) }
    }

    /// Returns whether connections to servers use TLS.
    #[cfg(ngx_feature = "http_ssl")]
    #[inline(always)]
    pub(crate) fn is_tls(self) -> bool {
        // SAFETY: the exchange is live as long as its request.
        unsafe { self.0.as_ref().ssl() != 0 }
    }

    /// Returns whether any part of the request was sent to the server in use. Until nginx connects, the flag has the value left
    /// by the previous server.
    pub(crate) fn is_request_sent(self) -> bool {
        // SAFETY: the exchange is live as long as its request.
        unsafe { self.0.as_ref().request_sent() != 0 }
    }

    /// Returns the status of the response; 0 if it is not known yet.
    #[inline(always)]
    pub(crate) fn status(self) -> ngx_uint_t {
        // SAFETY: the exchange is live as long as its request.
        unsafe { self.0.as_ref().headers_in.status_n }
    }

    /// Returns whether the server in use sent the response that the client gets, rather than the cache.
    #[inline(always)]
    pub(crate) fn has_response(self) -> bool {
        #[cfg(ngx_feature = "http_cache")]
        // SAFETY: the exchange is live as long as its request.
        let cached = matches!(
            unsafe { self.0.as_ref().cache_status() },
            NGX_HTTP_CACHE_STALE
                | NGX_HTTP_CACHE_UPDATING
                | NGX_HTTP_CACHE_REVALIDATED
                | NGX_HTTP_CACHE_HIT
        );
        #[cfg(not(ngx_feature = "http_cache"))]
        let cached = false;
        !cached && self.status() != 0
    }

    /// Returns whether the response of the server in use sets cookies.
    #[inline(always)]
    pub(crate) fn sets_cookies(self) -> bool {
        // SAFETY: the exchange is live as long as its request.
        let headers = unsafe { &self.0.as_ref().headers_in };
        #[cfg(nginx_header_chains)]
        return !headers.set_cookie.is_null();
        #[cfg(not(nginx_header_chains))]
        return headers.cookies.nelts != 0;
    }

    /// Returns whether the header of the response of the server in use is complete and valid.
    pub(crate) fn has_whole_header(self) -> bool {
        // SAFETY: a try has a state, which lives as long as the request.
        let state: Option<&ngx_http_upstream_state_t> = unsafe { self.0.as_ref().state.as_ref() };
        state.is_some_and(|state| state.header_time != ngx_msec_t::MAX)
    }

    /// Returns how many bytes the server in use has sent.
    pub(crate) fn bytes_received(self) -> u64 {
        // SAFETY: a try has a state, which lives as long as the request.
        let state: Option<&ngx_http_upstream_state_t> = unsafe { self.0.as_ref().state.as_ref() };
        state.map_or(0, |state| {
            u64::try_from(state.bytes_received).unwrap_or_default()
        })
    }

    /// Calls a load-balancing method as during a try. nginx sets the state of a try before a server is selected, and `least_time`
    /// reads the times in it when the server is released. The state set here is that of a try without a response.
    pub(crate) fn as_if_trying<T>(self, call: impl FnOnce() -> T) -> T {
        // SAFETY: the structure consists of numbers and pointers, for which zero is valid.
        let mut state: ngx_http_upstream_state_t = unsafe { core::mem::zeroed() };
        state.connect_time = ngx_msec_t::MAX;
        state.header_time = ngx_msec_t::MAX;
        // SAFETY: the exchange is live as long as its request, and its own state is restored before the temporary one is dropped.
        unsafe {
            let place = &raw mut (*self.as_ptr()).state;
            let before = place.replace(&raw mut state);
            let result = call();
            place.write(before);
            result
        }
    }

    /// Returns `proxy_next_upstream_tries` or its equivalent; 0 means no limit.
    pub(crate) fn next_upstream_tries(self) -> ngx_uint_t {
        // SAFETY: an exchange has the configuration of the location that passed its request.
        unsafe { (*self.0.as_ref().conf).next_upstream_tries }
    }

    /// Returns whether `proxy_cookie_*` or an equivalent changes the cookies that servers set.
    pub(crate) fn rewrites_cookies(self) -> bool {
        // SAFETY: the exchange is live as long as its request.
        unsafe { self.0.as_ref().rewrite_cookie.is_some() }
    }

    /// Returns a handle through which other requests can inspect the exchange while it tries a server.
    pub(crate) fn trial(self) -> Trial {
        Trial(self.0)
    }
}

/// A handle of any exchange of this worker that tries a server. It must be discarded when that server is released, which nginx
/// does before it frees the exchange.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Trial(NonNull<ngx_http_upstream_t>);

impl Trial {
    /// Returns whether the request is connected to the server: part of it was sent.
    pub(crate) fn is_connected(self) -> bool {
        let exchange = Exchange(self.0, PhantomData);
        exchange.peer().has_connection() && exchange.is_request_sent()
    }
}
