//! Which servers an upstream has: they are counted anew when nginx has changed them.

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_time, ngx_uint_t, time_t};
use session_cookie::roster::Roster;

use super::count;
use super::servers::{Edition, Servers};
use crate::conf::UpstreamConf;
use crate::nginx::census::Shape;
use crate::nginx::peers::Peers;

/// The servers of this generation, counted anew if it is another than the last one, or if the list is.
///
/// `None` if nginx has changed them once more in the meantime.
///
/// # Safety
///
/// `us` is live, with a policy, and its balancer is one of nginx's. Its lock is not held. `conf` is its own.
#[inline(always)]
pub(crate) unsafe fn servers<'a>(
    conf: &UpstreamConf,
    us: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
) -> Option<&'a Servers> {
    // SAFETY: the caller's promise; a worker has one thread, and replaces them only in `recount` and `forget`.
    unsafe {
        let known = &*conf.servers.get();
        let primary: Peers = (*us).peer.data.cast();
        if known.generation == generation && known.shape == Shape::of(primary) {
            Some(known)
        } else {
            recount(conf, us, generation)
        }
    }
}

/// Which count the servers are of that were asked for last.
#[inline(always)]
pub(crate) fn edition(conf: &UpstreamConf) -> Edition {
    // SAFETY: as in `servers`; only a number is read.
    unsafe { (*conf.servers.get()).edition }
}

/// The servers of an upstream are about to be made anew: nothing of what is known of them may be asked any more.
///
/// # Safety
///
/// No [`Servers`] of this upstream are held.
pub(crate) unsafe fn forget(conf: &UpstreamConf) {
    // SAFETY: the caller's promise; a worker has one thread.
    unsafe {
        let known = &mut *conf.servers.get();
        *known = Servers {
            edition: known.edition,
            ..Servers::default()
        };
    }
}

/// Lets no id name a server any more, until they are counted anew.
///
/// # Safety
///
/// As for [`forget`].
pub(crate) unsafe fn forget_ids(conf: &UpstreamConf) {
    // SAFETY: the caller's promise; a worker has one thread.
    unsafe {
        let known = &mut *conf.servers.get();
        known.own = Roster::default();
        known.accepted = Vec::new();
    }
}

/// A server that was linked out is freed after a while, and another may be linked in at its place: then neither head
/// nor number of the list need to tell. Modules that do so wait longer than this, in seconds.
const WATCHED: time_t = 20;

/// Counts the servers, unless they are those that are known.
#[cold]
#[inline(never)]
unsafe fn recount<'a>(
    conf: &UpstreamConf,
    us: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
) -> Option<&'a Servers> {
    // SAFETY: as in `servers`; nobody holds a roster of an older generation any more.
    unsafe {
        let known = conf.servers.get();
        let now = ngx_time();
        let is_known = (*known).counted == generation
            && (*known).shape == Shape::of((*us).peer.data.cast())
            && now.wrapping_sub((*known).asked) <= WATCHED;
        if is_known {
            (*known).asked = now;
            return Some(&*known);
        }
        let counted = count::count(us, conf, generation)?;
        *known = Servers {
            generation: if conf.watched {
                ngx_uint_t::MAX
            } else {
                generation
            },
            edition: Edition((*known).edition.0.wrapping_add(1)),
            asked: now,
            ..counted
        };
        if conf.is_foreign.get() {
            forget_ids(conf);
        }
        Some(&*known)
    }
}
