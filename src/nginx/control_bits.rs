//! What was said of a server at run time, in the `down` that nginx keeps of it.

use ngx::ffi::ngx_uint_t;

/// A bit of `down` for a server that was said to drain, one for a server that was said to be down, and one for a server that
/// drains because it has asked to, at run time. nginx has no use for them, and only asks whether `down` is 0: what the
/// configuration says stays apart.
const DRAINED: ngx_uint_t = 0x100;
const TAKEN_DOWN: ngx_uint_t = 0x200;
const ASKED: ngx_uint_t = 0x400;
pub(super) const CONTROLLED: ngx_uint_t = DRAINED | TAKEN_DOWN | ASKED;

/// What was said of a server at run time, or asked for by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Control {
    /// Nothing.
    None,
    /// It keeps its sessions, and gets no new ones.
    Drain,
    /// The same, but by its own wish: unless no other server can be had.
    Asked,
    /// It gets nothing.
    Down,
}

impl Control {
    /// Returns what was said of a server with this `down`.
    pub(super) fn of(down: ngx_uint_t) -> Self {
        match down & CONTROLLED {
            0 => Control::None,
            DRAINED => Control::Drain,
            ASKED => Control::Asked,
            _ => Control::Down,
        }
    }

    /// Returns the `down` of a server of which this is said, and the configuration says `configured`.
    pub(super) fn with(self, configured: ngx_uint_t) -> ngx_uint_t {
        match self {
            // To what the configuration says draining adds nothing.
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
