//! The load-balancing method that this module wraps: the functions and data that it has set in the connection.

use core::ffi::c_void;
use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::core::Status;
use ngx::ffi::{
    ngx_event_free_peer_pt, ngx_event_get_peer_pt, ngx_event_notify_peer_pt, ngx_int_t,
    ngx_peer_connection_t, ngx_uint_t,
};
#[cfg(ngx_feature = "http_ssl")]
use ngx::ffi::{ngx_event_save_peer_session_pt, ngx_event_set_peer_session_pt};

use super::peer_connection::PeerConnection;
use super::round_robin::RoundRobin;
use super::upstream::Upstream;

/// The functions of a load-balancing method for a request, and the data with which they are called.
#[derive(Clone, Copy)]
pub(crate) struct Inner<'r> {
    data: RoundRobin<'r>,
    get: ngx_event_get_peer_pt,
    free: ngx_event_free_peer_pt,
    notify: ngx_event_notify_peer_pt,
    #[cfg(ngx_feature = "http_ssl")]
    sessions: Sessions,
    request: PhantomData<&'r ()>,
}

/// The method's functions for TLS sessions.
#[cfg(ngx_feature = "http_ssl")]
#[derive(Clone, Copy)]
struct Sessions {
    set: ngx_event_set_peer_session_pt,
    save: ngx_event_save_peer_session_pt,
}

#[cfg(ngx_feature = "http_ssl")]
impl Sessions {
    const NONE: Self = Sessions {
        set: None,
        save: None,
    };
}

/// The functions that replace those of the wrapped method.
pub(crate) struct Outer {
    pub(crate) get: unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void) -> ngx_int_t,
    pub(crate) free: unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void, ngx_uint_t),
    pub(crate) notify: unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void, ngx_uint_t),
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) set_session:
        unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void) -> ngx_int_t,
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) save_session: unsafe extern "C" fn(*mut ngx_peer_connection_t, *mut c_void),
}

impl<'r> Inner<'r> {
    /// Returns the method that has initialized the request, unless its servers are not those of the upstream.
    #[inline(always)]
    pub(crate) fn of(pc: PeerConnection<'r>, upstream: Upstream<'_>) -> Option<Self> {
        // SAFETY: the connection is live, and is not modified while its functions are copied.
        let peer = unsafe { &*pc.as_ptr() };
        Some(Inner {
            data: RoundRobin::of(pc, upstream)?,
            get: peer.get,
            free: peer.free,
            notify: peer.notify,
            #[cfg(ngx_feature = "http_ssl")]
            sessions: Sessions::NONE,
            request: PhantomData,
        })
    }

    /// Has `prepare` initialize the request again with the current servers, and returns the resulting method; `None` if that
    /// fails. The connection itself is restored.
    #[cold]
    #[inline(never)]
    pub(crate) fn renewed(
        pc: PeerConnection<'r>,
        upstream: Upstream<'_>,
        prepare: impl FnOnce() -> ngx_int_t,
    ) -> Option<Self> {
        // SAFETY: the connection is live, and nothing else writes to it during the call; it consists of numbers and pointers. A
        // method that finds no data allocates its own, as for the first server of a request.
        let before = unsafe {
            let before = pc.as_ptr().read();
            (*pc.as_ptr()).data = core::ptr::null_mut();
            before
        };
        let is_prepared = prepare() == ngx_int_t::from(Status::NGX_OK);
        let inner = is_prepared.then(|| Inner::of(pc, upstream)).flatten();
        #[cfg(ngx_feature = "http_ssl")]
        let inner = inner.map(|mut inner| {
            inner.note_sessions(pc);
            inner
        });
        // SAFETY: as above; what the method has set has been copied.
        unsafe { pc.as_ptr().write(before) };
        inner
    }

    /// Returns the round-robin data, the first member of the data of every load-balancing method of nginx.
    #[inline(always)]
    pub(crate) fn round_robin(&self) -> RoundRobin<'r> {
        self.data
    }

    /// Records the method's functions for TLS sessions. nginx calls them only if it uses TLS to connect to servers
    /// (`ngx_http_upstream_connect`).
    #[cfg(ngx_feature = "http_ssl")]
    #[cold]
    #[inline(never)]
    pub(crate) fn note_sessions(&mut self, pc: PeerConnection<'r>) {
        // SAFETY: the connection is live, and is not modified while its functions are copied.
        let peer = unsafe { &*pc.as_ptr() };
        self.sessions = Sessions {
            set: peer.set_session,
            save: peer.save_session,
        };
    }

    /// Replaces the method's functions with those of `outer`, to be called with `data`.
    #[inline(always)]
    pub(crate) fn wrap<T>(pc: PeerConnection<'r>, outer: &Outer, data: NonNull<T>) {
        // SAFETY: the connection is live, and nothing else writes to it during the call.
        let peer = unsafe { &mut *pc.as_ptr() };
        peer.data = data.as_ptr().cast();
        peer.get = Some(outer.get);
        peer.free = Some(outer.free);
        // nginx tests whether this function is set.
        if peer.notify.is_some() {
            peer.notify = Some(outer.notify);
        }
    }

    /// Replaces the method's functions for TLS sessions with those of `outer`.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) fn wrap_sessions(pc: PeerConnection<'r>, outer: &Outer) {
        // SAFETY: the connection is live, and nothing else writes to it during the call.
        let peer = unsafe { &mut *pc.as_ptr() };
        peer.set_session = Some(outer.set_session);
        peer.save_session = Some(outer.save_session);
    }

    /// Selects a server.
    #[inline(always)]
    pub(crate) fn get(&self, pc: PeerConnection<'r>) -> ngx_int_t {
        let Some(get) = self.get else {
            return Status::NGX_ERROR.into();
        };
        // SAFETY: the method's own function with its own data, for the request that it has initialized.
        unsafe { get(pc.as_ptr(), self.data.as_ptr().cast()) }
    }

    /// Releases the server in use.
    #[inline(always)]
    pub(crate) fn free(&self, pc: PeerConnection<'r>, state: ngx_uint_t) {
        if let Some(free) = self.free {
            // SAFETY: the method's own function with its own data, called after `get`.
            unsafe { free(pc.as_ptr(), self.data.as_ptr().cast(), state) }
        }
    }

    /// Releases a server that was not used, without counting a try.
    pub(crate) fn give_back(&self, pc: PeerConnection<'r>) {
        let tries = pc.tries();
        self.free(pc, 0);
        pc.set_tries(tries);
        pc.forget_server();
    }

    /// Forwards a notification from nginx.
    pub(crate) fn notify(&self, pc: PeerConnection<'r>, kind: ngx_uint_t) {
        if let Some(notify) = self.notify {
            // SAFETY: the method's own function with its own data, called after `get`.
            unsafe { notify(pc.as_ptr(), self.data.as_ptr().cast(), kind) }
        }
    }

    /// Sets the TLS session saved for the server in use.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) fn set_session(&self, pc: PeerConnection<'r>) -> ngx_int_t {
        let Some(set) = self.sessions.set else {
            return Status::NGX_OK.into();
        };
        // SAFETY: the method's own function with its own data, called after `get`.
        unsafe { set(pc.as_ptr(), self.data.as_ptr().cast()) }
    }

    /// Saves the TLS session of the connection for the server in use.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) fn save_session(&self, pc: PeerConnection<'r>) {
        if let Some(save) = self.sessions.save {
            // SAFETY: the method's own function with its own data, called after `get`.
            unsafe { save(pc.as_ptr(), self.data.as_ptr().cast()) }
        }
    }
}
