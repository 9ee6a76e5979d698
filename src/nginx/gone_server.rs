//! A server that is no longer in nginx's lists but still gets requests.

use core::ptr;

use ngx::ffi::{ngx_sock_ntop, ngx_str_t, sockaddr, socklen_t};

use session_cookie::linger::MAX_ADDRESS;

use super::peer_connection::PeerConnection;
use super::peers::{Address, ADDRESS};
use super::pool::Pool;
use super::{bytes, string};

/// Room for an IPv6 address with the alignment the system requires, followed by zeros: whatever bytes were copied into it, nginx
/// reads no further.
type Sockaddr = [u64; 5];

/// Copies an address to aligned memory. The result is empty if the address is too long.
fn aligned(address: &[u8]) -> (Sockaddr, socklen_t) {
    let mut words = [0; 5];
    let length = address.len();
    if length > MAX_ADDRESS {
        return (words, 0);
    }
    for (word, bytes) in words.iter_mut().zip(address.chunks(size_of::<u64>())) {
        let mut whole = [0; size_of::<u64>()];
        whole
            .iter_mut()
            .zip(bytes)
            .for_each(|(place, byte)| *place = *byte);
        *word = u64::from_ne_bytes(whole);
    }
    (words, length as socklen_t)
}

/// Prints a `struct sockaddr` as nginx does.
pub(crate) fn printed(address: &[u8]) -> Address {
    let (mut words, length) = aligned(address);
    let mut text = [0; ADDRESS];
    // SAFETY: the address is aligned and has `length` bytes. nginx reads no more than an IPv6 address, or the path of a unix
    // socket up to the zeros after it. The text has room for any address.
    let length = unsafe {
        ngx_sock_ntop(
            ptr::from_mut(&mut words).cast::<sockaddr>(),
            length,
            text.as_mut_ptr(),
            text.len(),
            1,
        )
    };
    Address::printed(text, length)
}

/// The server, in memory from the pool of a request.
pub(crate) struct GoneServer {
    sockaddr: Sockaddr,
    length: socklen_t,
    name: ngx_str_t,
}

impl GoneServer {
    /// Returns the server at an address; `None` if memory is short.
    pub(crate) fn at(address: &[u8], pool: Pool<'_>) -> Option<Self> {
        let (sockaddr, length) = aligned(address);
        Some(GoneServer {
            sockaddr,
            length,
            name: string(pool.copy(printed(address).as_bytes())?),
        })
    }

    /// Returns the address as nginx prints it.
    pub(crate) fn name(&self) -> &[u8] {
        // SAFETY: `at` has allocated the name from the pool that contains the server.
        unsafe { bytes(self.name) }
    }

    /// Sets the server as that of the connection, as a load-balancing method does. nginx does not write to it.
    pub(crate) fn take<'r>(&'r self, pc: PeerConnection<'r>) {
        // SAFETY: the connection is live, nothing else writes to it during the call, and the server lives as long as the request.
        unsafe {
            let pc = pc.as_ptr();
            (*pc).set_cached(0);
            (*pc).connection = ptr::null_mut();
            (*pc).sockaddr = ptr::from_ref(&self.sockaddr).cast_mut().cast();
            (*pc).socklen = self.length;
            (*pc).name = ptr::from_ref(&self.name).cast_mut();
            // Used only by nginx's own `sticky`, which the upstream does not have.
            #[cfg(nginx_peer_sid)]
            {
                (*pc).sid = ptr::null_mut();
            }
        }
    }
}
