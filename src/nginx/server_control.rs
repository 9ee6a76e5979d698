//! Writing the states of servers set at run time to nginx's lists of servers.

use ngx::ffi::ngx_uint_t;

use super::control_bits::{Control, CONTROLLED};
use super::peers::{after, Address, Peer, Peers};
use super::server_names::Shape;
use super::upstream::Upstream;

/// How many servers are written under one lock.
const SLICE: usize = 512;

/// The list of servers has changed since it was read.
pub(crate) struct Changed;

/// Sets the state of each server of a group to the result of `control_of` for its address. Calls `show` for each, with whether it
/// drains because of that, or `None` if the configuration determines its state. Returns the shape of the list.
pub(crate) fn control(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    control_of: impl Fn(&[u8]) -> Control,
    mut show: impl FnMut(Peer, Option<bool>),
) -> Result<Shape, Changed> {
    walk(upstream, peers, generation, |peer, address| {
        // SAFETY: the server is in the group, which is locked for writing.
        let drains = unsafe { peers.control(peer, control_of(address)) };
        show(peer, drains);
    })
}

/// Returns whether the configuration lets nginx select a server of the group for which `control_of` returns no state.
pub(crate) fn has_choice(
    upstream: Upstream<'_>,
    peers: Peers<'_>,
    generation: ngx_uint_t,
    control_of: impl Fn(&[u8]) -> Control,
) -> Result<bool, Changed> {
    let mut found = false;
    walk(upstream, peers, generation, |peer, address| {
        // SAFETY: the server is in the group, which is locked.
        let configured = unsafe { (*peer.as_ptr()).down } & !CONTROLLED;
        found |= configured == 0 && control_of(address) == Control::None;
    })?;
    Ok(found)
}

/// Calls `show` for each server of a group, with its address. Returns the shape of the list.
///
/// The group is locked for one slice at a time. The last server of a slice is still in the list if generation and shape are
/// unchanged, and it is not read before they have been compared.
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
            // SAFETY: the group is locked. Generation and shape are unchanged, so `last` is still in it; `after` returns a server
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
    /// Sets the state of a server of the group at run time. Also updates `tries`, in which nginx counts the servers whose `down`
    /// is 0. Returns whether the server drains because of the state, or `None` if the configuration determines its state.
    ///
    /// # Safety
    ///
    /// The server is in this group, which is locked for writing.
    unsafe fn control(self, peer: Peer, control: Control) -> Option<bool> {
        // SAFETY: the caller guarantees that the server is in the group, which is locked for writing.
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
