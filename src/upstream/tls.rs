//! TLS sessions with the servers, which the balancer keeps.

use core::ffi::c_void;

use ngx::ffi::{ngx_int_t, ngx_peer_connection_t};

use super::visit::{Sessions, Visit};
use super::OK;

/// Steps between nginx and the balancer below where TLS sessions are kept.
#[cold]
#[inline(never)]
pub(super) unsafe fn wrap_sessions(visit: &mut Visit, peer: &mut ngx_peer_connection_t) {
    visit.below.sessions.write(Sessions {
        set: peer.set_session,
        save: peer.save_session,
    });
    peer.set_session = Some(set_session);
    peer.save_session = Some(save_session);
}

unsafe extern "C" fn set_session(pc: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this with the data that init_peer() gave it, after get(); wrap_sessions() has written them.
    unsafe {
        let below = (*data.cast::<Visit>()).below;
        let sessions = below.sessions.assume_init();
        sessions.set.map_or(OK, |set| set(pc, below.data))
    }
}

unsafe extern "C" fn save_session(pc: *mut ngx_peer_connection_t, data: *mut c_void) {
    // SAFETY: as above.
    unsafe {
        let below = (*data.cast::<Visit>()).below;
        if let Some(save) = below.sessions.assume_init().save {
            save(pc, below.data);
        }
    }
}
