//! A handle of a request.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::slice;

use ngx::ffi::{ngx_http_max_module, ngx_http_request_t, ngx_http_upstream_state_t};
use ngx::http::{HttpModule, HttpModuleLocationConf, HttpModuleMainConf};

use super::bytes;
use super::log::{HasLog, Log};
use super::pool::Pool;

/// A module that keeps a context in each request.
pub(crate) trait HttpModuleContext: HttpModule {
    /// The context of a request that lives for `'r`.
    type Context<'r>: 'r;
}

/// The configurations of a location. A request keeps them across an internal redirect.
#[derive(Clone, Copy)]
pub(crate) struct Location<'r>(*mut *mut c_void, PhantomData<&'r ()>);

impl<'r> Location<'r> {
    /// Returns the module's configuration of the location.
    #[inline]
    pub(crate) fn conf<M: HttpModuleLocationConf>(self) -> &'r M::LocationConf {
        // SAFETY: a location has a configuration for each HTTP module; nginx refuses to start if this module fails to create its
        // own. It lives as long as the cycle, which outlives its requests.
        unsafe { &*(*self.0.add(M::module().ctx_index)).cast() }
    }

    /// Returns whether `conf` is some module's configuration in this location.
    pub(super) fn has(self, conf: *const c_void) -> bool {
        // SAFETY: nginx sets `ngx_http_max_module` before it creates the first location, and each location has that many
        // configurations, which live as long as the cycle.
        let confs = unsafe { slice::from_raw_parts(self.0, ngx_http_max_module) };
        confs.iter().any(|one| ptr::eq(*one, conf))
    }
}

/// A handle of a live request, valid for `'r`.
#[derive(Clone, Copy)]
pub(crate) struct Request<'r>(NonNull<ngx_http_request_t>, PhantomData<&'r ()>);

impl<'r> Request<'r> {
    /// Creates the handle of the request that nginx passes to a handler.
    ///
    /// # Safety
    ///
    /// `r` is not null and is live for `'r`, as a request passed to a handler is, and no `&mut` to it exists while the handle is
    /// used.
    #[inline(always)]
    pub(crate) unsafe fn new(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: the caller guarantees that `r` is not null.
        Request(unsafe { NonNull::new_unchecked(r) }, PhantomData)
    }

    /// Returns nginx's pointer to the request.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.0.as_ptr()
    }

    /// Returns the address of the request, which distinguishes requests that share a pool.
    #[inline(always)]
    pub(crate) fn address(self) -> usize {
        self.as_ptr().addr()
    }

    /// Returns whether this is the main request, not a subrequest.
    #[inline(always)]
    pub(crate) fn is_main(self) -> bool {
        // SAFETY: the request is live.
        unsafe { self.0.as_ref().main == self.as_ptr() }
    }

    /// Returns whether the client's connection uses TLS.
    pub(crate) fn is_tls(self) -> bool {
        #[cfg(ngx_feature = "http_ssl")]
        // SAFETY: a live request has a connection.
        unsafe {
            !(*self.0.as_ref().connection).ssl.is_null()
        }
        #[cfg(not(ngx_feature = "http_ssl"))]
        false
    }

    /// Returns the pool that is destroyed with the request.
    #[inline(always)]
    pub(crate) fn pool(self) -> Pool<'r> {
        // SAFETY: a live request has a pool, which it shares with its main request and which lives for `'r`.
        unsafe { Pool::new(self.0.as_ref().pool) }
    }

    /// Returns the module's context. nginx clears it on an internal redirect.
    #[inline(always)]
    pub(crate) fn context<M: HttpModuleContext>(self) -> Option<&'r M::Context<'r>> {
        // SAFETY: a live request has a slot for each HTTP module's context. That of this module is null or was set by
        // `set_context`, and lives as long as the request.
        unsafe {
            (*self.0.as_ref().ctx.add(M::module().ctx_index))
                .cast::<M::Context<'r>>()
                .as_ref()
        }
    }

    /// Sets the module's context, or clears it.
    #[inline(always)]
    pub(crate) fn set_context<M: HttpModuleContext>(
        self,
        context: Option<NonNull<M::Context<'r>>>,
    ) {
        let context = context.map_or(ptr::null_mut(), |context| context.as_ptr().cast::<c_void>());
        // SAFETY: a live request has a slot for each HTTP module's context.
        unsafe { *self.0.as_ref().ctx.add(M::module().ctx_index) = context }
    }

    /// Returns the module's configuration in the `http` block.
    #[inline]
    pub(crate) fn main_conf<M: HttpModuleMainConf>(self) -> Option<&'r M::MainConf>
    where
        M::MainConf: 'static,
    {
        // SAFETY: the request is live; the configuration lives as long as the cycle, which outlives its requests.
        unsafe { M::main_conf(&*self.as_ptr()) }
    }

    /// Returns whether there are any fields in the response's `headers_out.headers` list.
    pub(crate) fn has_response_fields(self) -> bool {
        // SAFETY: the request is live.
        unsafe { self.0.as_ref().headers_out.headers.part.nelts != 0 }
    }

    /// Returns the location that currently handles the request.
    #[inline(always)]
    pub(crate) fn location(self) -> Location<'r> {
        // SAFETY: a live request has the configurations of a location.
        Location(unsafe { self.0.as_ref().loc_conf }, PhantomData)
    }

    /// Returns the address of the server of try number `at`, counted from 0, as nginx prints it.
    pub(crate) fn tried_address(self, at: usize) -> Option<&'r [u8]> {
        // SAFETY: nginx points a try to the name of its server, which is in memory of the request or of the cycle.
        unsafe { (self.upstream_states().get(at)?.peer.as_ref()).map(|name| bytes(*name)) }
    }

    /// Returns the tries of the request's upstreams, in order.
    #[inline]
    pub(crate) fn upstream_states(self) -> &'r [ngx_http_upstream_state_t] {
        // SAFETY: nginx creates the array with the request's first upstream and appends an element for each try; the slice is not
        // used across a further try.
        unsafe {
            (self.0.as_ref().upstream_states.as_ref()).map_or(&[], |states| states.as_slice())
        }
    }
}

impl HasLog for Request<'_> {
    fn log(&self) -> Log<'_> {
        // SAFETY: a live request has a connection, which has a log.
        unsafe { Log::new((*self.0.as_ref().connection).log) }
    }
}
