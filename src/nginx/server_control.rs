//! What was said of servers at run time, written into the lists in which nginx's balancers keep them.

use ngx::ffi::ngx_uint_t;

use super::control_bits::{Control, CONTROLLED};
use super::peers::{after, Address, Peer, Peers};
use super::server_names::Shape;
use super::upstream::Upstream;

/// How many servers are written in one go.
const SLICE: usize = 512;

/// The servers are others than those that were to be written.
pub(crate) struct Changed;

/// Writes of each server of a group what `control_of` says of its address, and shows each: whether it drains because of that;
/// `None`: the configuration says what it is. Returns the shape of the list.
pub(crate) fn control(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    control_of: impl Fn(&[u8]) -> Control,
    mut show: impl FnMut(Peer, Option<bool>),
) -> Result<Shape, Changed> {
    walk(upstream, peers, generation, |peer, address| {
        // SAFETY: the server is one of the group, which is locked for writing meanwhile.
        let drains = unsafe { peers.control(peer, control_of(address)) };
        show(peer, drains);
    })
}

/// Returns whether the configuration lets nginx choose a server of a group of which `control_of` says nothing.
pub(crate) fn has_choice(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    control_of: impl Fn(&[u8]) -> Control,
) -> Result<bool, Changed> {
    let mut found = false;
    walk(upstream, peers, generation, |peer, address| {
        // SAFETY: the server is one of the group, which is locked meanwhile.
        let configured = unsafe { (*peer.as_ptr()).down } & !CONTROLLED;
        found |= configured == 0 && control_of(address) == Control::None;
    })?;
    Ok(found)
}

/// Shows each server of a group, with its address. Returns the shape of the list.
///
/// The group is locked for some at a time. What the next ones continue from is still in the list as long as generation and
/// shape are the same, and is not read before they are compared.
fn walk(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    mut show: impl FnMut(Peer, &[u8]),
) -> Result<Shape, Changed> {
    let primary = upstream.primary().ok_or(Changed)?;
    let mut shape = Shape::NONE;
    let mut last: Option<Peer> = None;
    loop {
        let _locked = peers.lock();
        let now = Shape::of(peers);
        if primary.generation() != generation || (last.is_some() && now != shape) {
            return Err(Changed);
        }
        shape = now;
        for _ in 0..SLICE {
            // SAFETY: the group is locked; generation and shape say that the last server is still in it, and `after` finds one
            // of the group.
            unsafe {
                let Some(peer) = after(peers, last) else {
                    return Ok(shape);
                };
                show(peer, Address::of(peer).as_bytes());
                last = Some(peer);
            }
        }
    }
}

impl Peers<'_> {
    /// Says something of a server of the group at run time. nginx counts the tries of a request by the servers that are not
    /// `down`. Returns whether the server is draining because of it; `None`: the configuration says what it is.
    ///
    /// # Safety
    ///
    /// The server is in this group, which is locked for writing.
    unsafe fn control(self, peer: Peer, control: Control) -> Option<bool> {
        // SAFETY: the server is in the group, which nobody else reads or writes, as the caller vouches.
        unsafe {
            let place = &raw mut (*peer.as_ptr()).down;
            let before = *place;
            let configured = before & !CONTROLLED;
            let now = control.with(configured);
            *place = now;
            #[cfg(nginx_peers_tries)]
            {
                let tries = &raw mut (*self.as_ptr()).tries;
                match (before == 0, now == 0) {
                    (true, false) => *tries = (*tries).saturating_sub(1),
                    (false, true) => *tries = (*tries).saturating_add(1),
                    _ => {}
                }
            }
            (configured == 0).then_some(control.drains())
        }
    }
}
