//! The connection to a server, for which load-balancing methods select the server (`ngx_peer_connection_t`).

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_connection_t, ngx_peer_connection_t, ngx_uint_t};

use super::log::{HasLog, Log};
use super::upstream::Upstream;

/// A handle of a connection to a server, valid for `'r`.
#[derive(Clone, Copy)]
pub(crate) struct PeerConnection<'r>(NonNull<ngx_peer_connection_t>, PhantomData<&'r ()>);

impl<'r> PeerConnection<'r> {
    /// Creates the handle of the connection that nginx passes to a load-balancing method.
    ///
    /// # Safety
    ///
    /// `pc` is not null and is live for `'r`, as a connection passed to a load-balancing method is, and no `&mut` to it exists
    /// while the handle is used.
    #[inline(always)]
    pub(crate) unsafe fn new(pc: *mut ngx_peer_connection_t) -> Self {
        // SAFETY: the caller guarantees that `pc` is not null.
        PeerConnection(unsafe { NonNull::new_unchecked(pc) }, PhantomData)
    }

    /// Returns nginx's pointer to the connection.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_peer_connection_t {
        self.0.as_ptr()
    }

    /// Returns the number of tries left.
    pub(crate) fn tries(self) -> ngx_uint_t {
        // SAFETY: the connection is live.
        unsafe { self.0.as_ref().tries }
    }

    /// Sets the number of tries left.
    pub(crate) fn set_tries(mut self, tries: ngx_uint_t) {
        // SAFETY: the connection is live, and nothing else writes to it during the call.
        unsafe { self.0.as_mut().tries = tries }
    }

    /// Returns whether this is a cached keepalive connection.
    pub(crate) fn is_cached(self) -> bool {
        // SAFETY: the connection is live.
        unsafe { self.0.as_ref().cached() != 0 }
    }

    /// Returns whether a server has been selected.
    #[inline(always)]
    pub(crate) fn has_server(self) -> bool {
        // SAFETY: the connection is live.
        unsafe { !self.0.as_ref().sockaddr.is_null() }
    }

    /// Returns whether there is a socket. nginx releases the server before it closes the socket.
    pub(crate) fn has_connection(self) -> bool {
        self.connection().is_some()
    }

    /// Returns whether waiting for the server has timed out; `false` without a socket.
    pub(crate) fn is_timed_out(self) -> bool {
        self.connection().is_some_and(|connection| {
            // SAFETY: a connection has a read and a write event.
            unsafe { (*connection.read).timedout() != 0 || (*connection.write).timedout() != 0 }
        })
    }

    fn connection(self) -> Option<&'r ngx_connection_t> {
        // SAFETY: null, or a connection that nginx does not close during a call of a load-balancing method.
        unsafe { self.0.as_ref().connection.as_ref() }
    }

    /// Clears the server that a load-balancing method has selected, and that was released unused.
    pub(crate) fn forget_server(mut self) {
        // SAFETY: the connection is live, and nothing else writes to it during the call.
        let pc = unsafe { self.0.as_mut() };
        pc.sockaddr = ptr::null_mut();
        pc.name = ptr::null_mut();
        pc.connection = ptr::null_mut();
    }

    /// Clears the load-balancing method's data, so that the connection can be initialized again.
    pub(crate) fn forget_balancer(mut self) {
        // SAFETY: the connection is live, and nothing else writes to it during the call.
        unsafe { self.0.as_mut().data = ptr::null_mut() }
    }

    /// Leaves the connection without a server, as a load-balancing method does if none is left: nginx logs the upstream's name.
    pub(crate) fn refuse(mut self, upstream: Upstream<'_>) {
        // SAFETY: the connection is live, and nothing else writes to it during the call; the upstream outlives it.
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
        // SAFETY: nginx sets the log of a connection before it calls a load-balancing method.
        unsafe { Log::new(self.0.as_ref().log) }
    }
}
