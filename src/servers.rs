//! The servers of an upstream as this worker knows them: id → server, and server → id.

mod count;

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_time, ngx_uint_t, time_t};
use session_cookie::roster::{Member, Named, Roster};

use crate::conf::UpstreamConf;
use crate::nginx::census::Shape;
use crate::nginx::peers::{Peer, Peers};

/// Which count of an upstream's servers: what a request remembers of one means nothing in another, and may be gone.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Edition(u64);

impl Edition {
    /// Before any was counted.
    pub(crate) const NONE: Self = Edition(0);
}

/// The servers of one generation.
pub(crate) struct Servers {
    /// What a request compares with its own: none has that of an upstream that is [watched](UpstreamConf::watched).
    generation: ngx_uint_t,
    /// That in which they were counted.
    counted: ngx_uint_t,
    /// Of the primary servers.
    shape: Shape,
    edition: Edition,
    /// By the ids of our own cookies.
    pub(crate) own: Roster<Peer>,
    /// By their ids in each of the forms that `accept=` lists.
    accepted: Vec<Roster<Peer>>,
    /// When a request last asked for them, in an upstream that is watched.
    asked: time_t,
}

impl Default for Servers {
    /// Those of no generation.
    fn default() -> Self {
        Servers {
            generation: ngx_uint_t::MAX,
            counted: ngx_uint_t::MAX,
            shape: Shape::NONE,
            edition: Edition::NONE,
            own: Roster::default(),
            accepted: Vec::new(),
            asked: 0,
        }
    }
}

/// Which of the rosters: our own, or that of the accepted form of this number.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Form {
    Own,
    Accepted(u16),
}

impl Servers {
    /// Which count they are of.
    #[inline(always)]
    pub(crate) fn edition(&self) -> Edition {
        self.edition
    }

    /// The servers by their ids in this form.
    #[inline]
    pub(crate) fn by(&self, form: Form) -> Option<&Roster<Peer>> {
        match form {
            Form::Own => Some(&self.own),
            Form::Accepted(number) => self.accepted.get(usize::from(number)),
        }
    }

    /// The servers that an id in any accepted form names: the form that is listed first wins.
    pub(crate) fn find_accepted(&self, id: &[u8]) -> Option<(Form, Named, &Member<Peer>)> {
        (0..).zip(&self.accepted).find_map(|(number, roster)| {
            let first = roster.find(id)?;
            Some((Form::Accepted(number), first, roster.member(first)?))
        })
    }
}

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
