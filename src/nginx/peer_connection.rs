//! The connection to a server, for which a balancer chooses the server (`ngx_peer_connection_t`).

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_connection_t, ngx_peer_connection_t, ngx_uint_t};

use super::log::{HasLog, Log};
use super::upstream::Upstream;

/// The connection to a server, live for `'r`.
#[derive(Clone, Copy)]
pub(crate) struct PeerConnection<'r>(NonNull<ngx_peer_connection_t>, PhantomData<&'r ()>);

impl<'r> PeerConnection<'r> {
    /// Returns the connection that nginx calls a balancer for.
    ///
    /// # Safety
    ///
    /// `pc` is not null and lives for `'r`, as one that nginx gives a balancer does, and nobody holds a `&mut` to it while
    /// the handle is used.
    #[inline(always)]
    pub(crate) unsafe fn new(pc: *mut ngx_peer_connection_t) -> Self {
        // SAFETY: the caller vouches for a connection, which is not null.
        PeerConnection(unsafe { NonNull::new_unchecked(pc) }, PhantomData)
    }

    /// nginx's own pointer to the connection.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_peer_connection_t {
        self.0.as_ptr()
    }

    /// Returns how many tries are left.
    pub(crate) fn tries(self) -> ngx_uint_t {
        // SAFETY: the connection is live.
        unsafe { self.0.as_ref().tries }
    }

    /// Sets how many tries are left.
    pub(crate) fn set_tries(mut self, tries: ngx_uint_t) {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile.
        unsafe { self.0.as_mut().tries = tries }
    }

    /// Returns whether it was kept alive before.
    pub(crate) fn is_cached(self) -> bool {
        // SAFETY: the connection is live.
        unsafe { self.0.as_ref().cached() != 0 }
    }

    /// Returns whether a server was chosen.
    #[inline(always)]
    pub(crate) fn has_server(self) -> bool {
        // SAFETY: the connection is live.
        unsafe { !self.0.as_ref().sockaddr.is_null() }
    }

    /// Returns whether there is a socket. nginx frees the server before its socket.
    pub(crate) fn has_connection(self) -> bool {
        self.connection().is_some()
    }

    /// Returns whether nginx gave up waiting for the server; `false` without a socket.
    pub(crate) fn is_timed_out(self) -> bool {
        self.connection().is_some_and(|connection| {
            // SAFETY: a connection has both events.
            unsafe { (*connection.read).timedout() != 0 || (*connection.write).timedout() != 0 }
        })
    }

    fn connection(self) -> Option<&'r ngx_connection_t> {
        // SAFETY: null, or a connection that nginx does not close while it asks a balancer.
        unsafe { self.0.as_ref().connection.as_ref() }
    }

    /// Forgets the server that a balancer has chosen and got back unused.
    pub(crate) fn forget_server(mut self) {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile.
        let pc = unsafe { self.0.as_mut() };
        pc.sockaddr = ptr::null_mut();
        pc.name = ptr::null_mut();
        pc.connection = ptr::null_mut();
    }

    /// Lets a balancer prepare the connection anew.
    pub(crate) fn forget_balancer(mut self) {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile.
        unsafe { self.0.as_mut().data = ptr::null_mut() }
    }

    /// Leaves the connection without a server, as a balancer does that has none left: nginx prints the upstream's name.
    pub(crate) fn refuse(mut self, upstream: Upstream<'_>) {
        // SAFETY: the connection is live, and nobody else writes to it meanwhile; the upstream outlives it.
        unsafe {
            let pc = self.0.as_mut();
            pc.set_cached(0);
            pc.connection = ptr::null_mut();
            pc.name = &raw mut (*upstream.as_ptr()).host;
        }
    }
}

impl HasLog for PeerConnection<'_> {
    fn log(&self) -> Log<'_> {
        // SAFETY: nginx sets the log of a connection before it asks a balancer.
        unsafe { Log::new(self.0.as_ref().log) }
    }
}
