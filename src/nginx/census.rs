//! What names the servers of an upstream, copied while their group is locked: whatever is made of it can wait.

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_uint_t};

use super::bytes;
use super::peers::{address_of, current_generation, is_draining, line_of, Peer, Peers};

/// How many servers are copied in one go, and how much text of each is expected.
const SLICE: usize = 512;
const TEXT: usize = 160;

/// A list of servers by what can be compared without reading a server. Modules that link servers in and out
/// count no generation, but they put those that they add at the head, and keep the number.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Shape {
    head: Peer,
    pub(crate) number: usize,
}

impl Shape {
    /// No list has it.
    pub(crate) const NONE: Self = Shape {
        head: core::ptr::null_mut(),
        number: usize::MAX,
    };

    /// The shape of a group now.
    ///
    /// # Safety
    ///
    /// `peers` is live. Without its lock the result may be of a moment in which it is being changed.
    #[inline(always)]
    pub(crate) unsafe fn of(peers: Peers) -> Self {
        // SAFETY: the caller's promise; the head is not read.
        unsafe {
            Shape {
                head: (*peers).peer,
                number: (*peers).number,
            }
        }
    }
}

/// What names one server.
pub(crate) struct Known<'a> {
    pub(crate) peer: Peer,
    /// Its address as nginx prints it.
    pub(crate) name: &'a [u8],
    /// The `server` line that it comes of: its address, and whether it has `backup`.
    pub(crate) line: (&'a [u8], bool),
    /// Its address as the system has it.
    pub(crate) address: &'a [u8],
    /// nginx's own `route=`.
    pub(crate) route: Option<&'a [u8]>,
    /// Did nginx itself read `drain` of it?
    pub(crate) draining: bool,
    /// Has `resolve` brought it?
    pub(crate) resolved: bool,
}

/// A server of a slice: as [`Known`], its texts by their lengths.
struct Copied {
    peer: Peer,
    name: usize,
    line: usize,
    address: usize,
    route: Option<usize>,
    line_is_backup: bool,
    draining: bool,
    resolved: bool,
}

/// Some servers in a row.
pub(crate) struct Slice {
    servers: Vec<Copied>,
    /// Their texts, one behind the other.
    text: Vec<u8>,
    /// How much room the next server needs, if it is more than there is.
    wanted: usize,
}

impl Slice {
    fn new() -> Self {
        Slice {
            servers: Vec::with_capacity(SLICE),
            text: Vec::with_capacity(SLICE.saturating_mul(TEXT)),
            wanted: 0,
        }
    }

    /// Makes room before the group is locked.
    fn clear(&mut self) {
        self.servers.clear();
        self.text.clear();
        self.text.reserve(self.wanted);
    }

    /// Copies what names a server, unless memory had to be allocated for it.
    ///
    /// # Safety
    ///
    /// The peer is live, in a group of `primary` that is locked.
    unsafe fn copy(&mut self, primary: Peers, peer: Peer, backup: bool) -> bool {
        // SAFETY: the caller's promise; names change only under the lock.
        unsafe {
            let name = bytes((*peer).name);
            let (line, line_is_backup) = line_of(primary, peer, backup);
            let address = address_of(peer);
            let route = route_of(peer);
            let texts = [name, line, address, route.unwrap_or_default()];

            let room = texts
                .iter()
                .fold(0usize, |sum, text| sum.saturating_add(text.len()));
            let left = self.text.capacity().saturating_sub(self.text.len());
            if room > left || self.servers.len() == self.servers.capacity() {
                self.wanted = room;
                return false;
            }
            for text in texts {
                self.text.extend_from_slice(text);
            }
            self.servers.push(Copied {
                peer,
                name: name.len(),
                line: line.len(),
                address: address.len(),
                route: route.map(<[u8]>::len),
                line_is_backup,
                draining: is_draining(peer),
                resolved: is_resolved(peer),
            });
        }
        true
    }

    fn iter(&self) -> impl Iterator<Item = Known<'_>> {
        let mut rest = self.text.as_slice();
        let mut take = move |length| {
            let (text, after) = rest.split_at_checked(length).unwrap_or_default();
            rest = after;
            text
        };
        self.servers.iter().map(move |copied| Known {
            peer: copied.peer,
            name: take(copied.name),
            line: (take(copied.line), copied.line_is_backup),
            address: take(copied.address),
            route: copied.route.map(&mut take),
            draining: copied.draining,
            resolved: copied.resolved,
        })
    }
}

/// The servers of this generation are not those that nginx has now.
pub(crate) struct Changed;

/// Shows each server of a group in order, none of which is locked meanwhile. Returns the shape of the list.
///
/// Copied in slices under the lock for reading. The next one continues where the last one ended: what it continues
/// from is still in the list as long as generation and shape are the same, and is not read before they are compared.
///
/// # Safety
///
/// `us` is live and its balancer one of nginx's; the group is one of its two, and no lock is held.
pub(crate) unsafe fn each(
    us: *mut ngx_http_upstream_srv_conf_t,
    peers: Peers,
    generation: ngx_uint_t,
    mut show: impl FnMut(Known<'_>),
) -> Result<Shape, Changed> {
    // SAFETY: the caller's promise, and as told above.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        let backup = peers != primary;
        let mut slice = Slice::new();
        let mut shape = Shape::NONE;
        let mut last: Option<Peer> = None;
        loop {
            slice.clear();
            let ended = read_locked(peers, || {
                let now = Shape::of(peers);
                if current_generation(primary) != generation || (last.is_some() && now != shape) {
                    return Err(Changed);
                }
                shape = now;
                let mut peer = last.map_or((*peers).peer, |last| (*last).next);
                while !peer.is_null() {
                    if !slice.copy(primary, peer, backup) {
                        return Ok(false);
                    }
                    last = Some(peer);
                    peer = (*peer).next;
                }
                Ok(true)
            })?;
            slice.iter().for_each(&mut show);
            if ended {
                return Ok(shape);
            }
        }
    }
}

/// Runs `work` while no other worker changes the servers of a group; others may read them.
unsafe fn read_locked<T>(peers: Peers, work: impl FnOnce() -> T) -> T {
    // SAFETY: ngx_http_upstream_rr_peers_rlock() and _unlock(); `work` cannot unwind (panic = abort).
    unsafe {
        #[cfg(ngx_feature = "http_upstream_zone")]
        if !(*peers).shpool.is_null() {
            ngx::ffi::ngx_rwlock_rlock(&raw mut (*peers).rwlock);
        }
        let result = work();
        #[cfg(ngx_feature = "http_upstream_zone")]
        if !(*peers).shpool.is_null() {
            ngx::ffi::ngx_rwlock_unlock(&raw mut (*peers).rwlock);
        }
        let _ = peers;
        result
    }
}

unsafe fn route_of<'a>(peer: Peer) -> Option<&'a [u8]> {
    #[cfg(nginx_peer_sid)]
    // SAFETY: the peer is live.
    unsafe {
        if (*peer).route() != 0 {
            return Some(bytes((*peer).sid));
        }
    }
    #[cfg(not(nginx_peer_sid))]
    let _ = peer;
    None
}

unsafe fn is_resolved(peer: Peer) -> bool {
    #[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
    // SAFETY: the peer is live.
    let resolved = unsafe { !(*peer).host.is_null() };
    #[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
    let resolved = {
        let _ = peer;
        false
    };
    resolved
}
