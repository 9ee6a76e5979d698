//! Which servers an upstream has: they are counted anew when nginx has changed them.

use core::cell::Ref;

use ngx::ffi::{ngx_time, ngx_uint_t, time_t};
use session_cookie::roster::Roster;

use super::count;
use super::servers::{Edition, Servers};
use crate::conf::UpstreamConf;
use crate::nginx::census::Shape;
use crate::nginx::upstream::Upstream;

/// The servers of this generation, counted anew if it is another than the last one, or if the list is.
///
/// `None` if nginx has changed them once more in the meantime, or if memory is short.
#[inline(always)]
pub(super) fn servers<'c>(
    conf: &'c UpstreamConf,
    upstream: Upstream<'c>,
    generation: ngx_uint_t,
) -> Option<Ref<'c, Servers>> {
    let known = conf.servers.try_borrow().ok()?;
    if known.generation == generation && known.shape == Shape::of(upstream.primary()?) {
        Some(known)
    } else {
        drop(known);
        recount(conf, upstream, generation)
    }
}

/// Which count the servers are of that were asked for last.
#[inline(always)]
pub(super) fn edition(conf: &UpstreamConf) -> Edition {
    conf.edition.get()
}

/// Forgets the servers of an upstream, which are about to be made anew: nothing of what is known of them may be asked any
/// more.
pub(super) fn forget(conf: &UpstreamConf) {
    if let Ok(mut known) = conf.servers.try_borrow_mut() {
        *known = Servers {
            edition: known.edition,
            ..Servers::default()
        };
    }
}

/// Lets no id name a server any more, until they are counted anew.
pub(super) fn forget_ids(conf: &UpstreamConf) {
    if let Ok(mut known) = conf.servers.try_borrow_mut() {
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
fn recount<'c>(
    conf: &'c UpstreamConf,
    upstream: Upstream<'c>,
    generation: ngx_uint_t,
) -> Option<Ref<'c, Servers>> {
    let now = ngx_time();
    let mut known = conf.servers.try_borrow_mut().ok()?;
    let is_known = known.counted == generation
        && known.shape == Shape::of(upstream.primary()?)
        && now.wrapping_sub(known.asked) <= WATCHED;
    if is_known {
        known.asked = now;
    } else {
        let counted = count::count(upstream, conf, conf.policy.as_ref()?, generation).ok()?;
        *known = Servers {
            generation: if conf.watched.get() {
                ngx_uint_t::MAX
            } else {
                generation
            },
            edition: Edition(known.edition.0.wrapping_add(1)),
            asked: now,
            ..counted
        };
        conf.edition.set(known.edition);
        if conf.is_foreign.get() {
            known.own = Roster::default();
            known.accepted = Vec::new();
        }
    }
    drop(known);
    conf.servers.try_borrow().ok()
}
