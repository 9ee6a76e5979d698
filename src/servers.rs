//! The servers of an upstream as this worker knows them: id → server, and server → id.

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_uint_t};
use session_cookie::id::md5_hex;
use session_cookie::policy::Hash;
use session_cookie::roster::{Member, Roster};
use session_cookie::session::may_stand_in_id;
use session_cookie::text::is_cookie_value;

use crate::conf::{upstream_conf, ServerConf, UpstreamConf};
use crate::nginx::bytes;
use crate::nginx::peers::{
    current_generation, exclusively, group, is_draining, line_of, Peer, Peers,
};

/// The servers of one generation.
pub(crate) struct Servers {
    generation: ngx_uint_t,
    pub(crate) roster: Roster<Peer>,
}

/// The servers of this generation, counted anew if it is another than the last one.
///
/// `None` if nginx has changed them once more in the meantime.
///
/// # Safety
///
/// `us` is live, with a policy, and its balancer is one of nginx's. Its lock is not held.
#[inline]
pub(crate) unsafe fn servers<'a>(
    us: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
) -> Option<&'a Roster<Peer>> {
    // SAFETY: the caller's promise; a worker has one thread, and replaces them only in `recount`.
    unsafe {
        match &*upstream_conf(us).servers.get() {
            Some(servers) if servers.generation == generation => Some(&servers.roster),
            servers => recount(
                us,
                servers.as_ref().map(|servers| servers.generation),
                generation,
            ),
        }
    }
}

/// Counts the servers, unless those of a newer generation than this are known.
#[cold]
#[inline(never)]
unsafe fn recount<'a>(
    us: *mut ngx_http_upstream_srv_conf_t,
    known: Option<ngx_uint_t>,
    generation: ngx_uint_t,
) -> Option<&'a Roster<Peer>> {
    // SAFETY: as in `servers`; nobody holds a roster of an older generation any more.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        if known == Some(exclusively(primary, || current_generation(primary))) {
            return None;
        }
        let conf = upstream_conf(us);
        let servers = conf.servers.get();
        *servers = count(us, conf);
        (*servers)
            .as_ref()
            .filter(|servers| servers.generation == generation)
            .map(|servers| &servers.roster)
    }
}

unsafe fn count(us: *mut ngx_http_upstream_srv_conf_t, conf: &UpstreamConf) -> Option<Servers> {
    // SAFETY: as in `servers`. The groups are read under their locks, one at a time as nginx does; a
    // change between the two shows in the generation.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        let mut census = Census {
            primary,
            conf,
            hash: conf.policy.as_ref()?.hash,
            roster: Roster::default(),
            draining: Vec::new(),
        };

        let generation = exclusively(primary, || {
            census.roster.reserve((*primary).number);
            census.enroll(primary, false);
            current_generation(primary)
        });
        let backups = (*primary).next;
        if !backups.is_null() {
            exclusively(backups, || census.enroll(backups, true));
        }
        Some(Servers {
            generation,
            roster: census.finish(),
        })
    }
}

/// Servers being counted.
struct Census<'a> {
    primary: Peers,
    conf: &'a UpstreamConf,
    hash: Hash,
    roster: Roster<Peer>,
    /// Those that come last: of several servers with one id, none that drains gets the next session.
    draining: Vec<(Box<[u8]>, Member<Peer>)>,
}

impl Census<'_> {
    /// Counts the servers of a group, which is live and locked.
    unsafe fn enroll(&mut self, peers: Peers, backup: bool) {
        // SAFETY: the caller's promise; names change only under the lock.
        unsafe {
            for (index, peer) in (0..).zip(group(peers)) {
                let said = said_of(self.primary, peer, backup, self.conf);
                let member = Member {
                    peer,
                    index,
                    backup,
                    draining: said.is_some_and(|said| said.draining) || is_draining(peer),
                };
                let name = bytes((*peer).name);
                let given = given_id(peer, said).or(may_be_id(name).then_some(name));
                match given {
                    Some(id) if self.hash == Hash::Plain => self.insert(id, member),
                    _ => self.insert(&md5_hex(name), member),
                }
            }
        }
    }

    fn insert(&mut self, id: &[u8], member: Member<Peer>) {
        if member.draining {
            self.draining.push((Box::from(id), member));
        } else {
            self.roster.insert(id, member);
        }
    }

    fn finish(mut self) -> Roster<Peer> {
        for (id, member) in self.draining {
            self.roster.insert(&id, member);
        }
        self.roster
    }
}

/// Can a server's name stand in a cookie as it is? The path of a socket may not.
fn may_be_id(name: &[u8]) -> bool {
    is_cookie_value(name) && name.iter().copied().all(may_stand_in_id)
}

/// What the operator said to us of a server.
unsafe fn said_of(
    primary: Peers,
    peer: Peer,
    backup: bool,
    conf: &UpstreamConf,
) -> Option<&ServerConf> {
    if conf.server_confs.is_empty() {
        return None;
    }
    // SAFETY: the peer is live.
    let (address, backup) = unsafe { line_of(primary, peer, backup) };
    conf.server_confs.get(&(Box::from(address), backup))
}

/// The id that the operator gave a server: our `id=`, else nginx's own `route=`.
unsafe fn given_id(peer: Peer, said: Option<&ServerConf>) -> Option<&[u8]> {
    if let Some(id) = said.and_then(|said| said.id.as_ref()) {
        return Some(id);
    }
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
