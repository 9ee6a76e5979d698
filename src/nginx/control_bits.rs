//! The states of servers set at run time, kept in nginx's `down` field of each server.

use ngx::ffi::ngx_uint_t;

/// Bits of `down`: the server was set to drain, was set to down, or drains because it asked to. nginx does not use these bits and
/// only tests whether `down` is 0, so the configured value is preserved.
const DRAINED: ngx_uint_t = 0x100;
const TAKEN_DOWN: ngx_uint_t = 0x200;
const ASKED: ngx_uint_t = 0x400;
pub(super) const CONTROLLED: ngx_uint_t = DRAINED | TAKEN_DOWN | ASKED;

/// The state of a server that was set at run time or requested by the server itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Control {
    /// Not set.
    None,
    /// The server keeps its sessions and gets no new ones.
    Drain,
    /// Like `Drain`, but at the server's own request: it gets new sessions if no other server is available.
    Asked,
    /// The server gets no requests.
    Down,
}

impl Control {
    /// Returns the state of a server with this `down`.
    pub(super) fn of(down: ngx_uint_t) -> Self {
        match down & CONTROLLED {
            0 => Control::None,
            DRAINED => Control::Drain,
            ASKED => Control::Asked,
            _ => Control::Down,
        }
    }

    /// Returns the `down` of a server in this state whose configuration has `configured`.
    pub(super) fn with(self, configured: ngx_uint_t) -> ngx_uint_t {
        match self {
            // Draining changes nothing for a server that is already down or draining by configuration.
            Control::Drain if configured == 0 => DRAINED,
            Control::Asked if configured == 0 => ASKED,
            Control::Drain | Control::Asked | Control::None => configured,
            Control::Down => configured | TAKEN_DOWN,
        }
    }

    /// Returns whether the server keeps its sessions and gets no new ones.
    pub(crate) fn drains(self) -> bool {
        matches!(self, Control::Drain | Control::Asked)
    }
}
