//! The balancer inside this module's own: what it has put into the connection when it prepared a request.

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

/// The functions of a balancer for one request, and what they are called with.
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

/// What a balancer does with TLS sessions.
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

/// A balancer's functions in place of those of the inner one.
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
    /// Returns the balancer that has prepared the request, unless it keeps other servers than the upstream's.
    #[inline(always)]
    pub(crate) fn of(pc: PeerConnection<'r>, upstream: Upstream<'_>) -> Option<Self> {
        // SAFETY: the connection is live, and nobody writes to it while its functions are copied.
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

    /// Returns the balancer that `prepare` makes the upstream's prepare the request once more, with the servers of now; `None`: it
    /// cannot. What has been put into the connection stays as it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn renewed(
        pc: PeerConnection<'r>,
        upstream: Upstream<'_>,
        prepare: impl FnOnce() -> ngx_int_t,
    ) -> Option<Self> {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile; it consists of numbers and pointers. A balancer
        // that finds no data makes its own, as for the first server of a request.
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
        // SAFETY: as above; what the balancer has put there was copied.
        unsafe { pc.as_ptr().write(before) };
        inner
    }

    /// Returns the round robin data, which is the first member of the data of every balancer of nginx.
    #[inline(always)]
    pub(crate) fn round_robin(&self) -> RoundRobin<'r> {
        self.data
    }

    /// Notes what the balancer does with TLS sessions, which nginx asks for only where it speaks TLS to servers
    /// (`ngx_http_upstream_connect`).
    #[cfg(ngx_feature = "http_ssl")]
    #[cold]
    #[inline(never)]
    pub(crate) fn note_sessions(&mut self, pc: PeerConnection<'r>) {
        // SAFETY: the connection is live, and nobody writes to it while its functions are copied.
        let peer = unsafe { &*pc.as_ptr() };
        self.sessions = Sessions {
            set: peer.set_session,
            save: peer.save_session,
        };
    }

    /// Puts `outer` in the place of the balancer, to be called with `data`.
    #[inline(always)]
    pub(crate) fn wrap<T>(pc: PeerConnection<'r>, outer: &Outer, data: NonNull<T>) {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile.
        let peer = unsafe { &mut *pc.as_ptr() };
        peer.data = data.as_ptr().cast();
        peer.get = Some(outer.get);
        peer.free = Some(outer.free);
        // nginx asks whether there is one.
        if peer.notify.is_some() {
            peer.notify = Some(outer.notify);
        }
    }

    /// Puts `outer` in the place of what the balancer does with TLS sessions.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) fn wrap_sessions(pc: PeerConnection<'r>, outer: &Outer) {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile.
        let peer = unsafe { &mut *pc.as_ptr() };
        peer.set_session = Some(outer.set_session);
        peer.save_session = Some(outer.save_session);
    }

    /// Gets a server.
    #[inline(always)]
    pub(crate) fn get(&self, pc: PeerConnection<'r>) -> ngx_int_t {
        let Some(get) = self.get else {
            return Status::NGX_ERROR.into();
        };
        // SAFETY: the balancer's own function with its own data, for the request that it has prepared.
        unsafe { get(pc.as_ptr(), self.data.as_ptr().cast()) }
    }

    /// Frees the server in use.
    #[inline(always)]
    pub(crate) fn free(&self, pc: PeerConnection<'r>, state: ngx_uint_t) {
        if let Some(free) = self.free {
            // SAFETY: the balancer's own function with its own data, after `get`.
            unsafe { free(pc.as_ptr(), self.data.as_ptr().cast(), state) }
        }
    }

    /// Frees a server that was not used, at the price of no try.
    pub(crate) fn give_back(&self, pc: PeerConnection<'r>) {
        let tries = pc.tries();
        self.free(pc, 0);
        pc.set_tries(tries);
        pc.forget_server();
    }

    /// Passes on what nginx tells.
    pub(crate) fn notify(&self, pc: PeerConnection<'r>, kind: ngx_uint_t) {
        if let Some(notify) = self.notify {
            // SAFETY: the balancer's own function with its own data, after `get`.
            unsafe { notify(pc.as_ptr(), self.data.as_ptr().cast(), kind) }
        }
    }

    /// Gives the connection the TLS session that is kept for the server in use.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) fn set_session(&self, pc: PeerConnection<'r>) -> ngx_int_t {
        let Some(set) = self.sessions.set else {
            return Status::NGX_OK.into();
        };
        // SAFETY: the balancer's own function with its own data, after `get`.
        unsafe { set(pc.as_ptr(), self.data.as_ptr().cast()) }
    }

    /// Keeps the TLS session of the connection for the server in use.
    #[cfg(ngx_feature = "http_ssl")]
    pub(crate) fn save_session(&self, pc: PeerConnection<'r>) {
        if let Some(save) = self.sessions.save {
            // SAFETY: the balancer's own function with its own data, after `get`.
            unsafe { save(pc.as_ptr(), self.data.as_ptr().cast()) }
        }
    }
}
