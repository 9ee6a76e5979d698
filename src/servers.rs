//! The servers of an upstream as this worker knows them: id → server, and server → id.

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_uint_t};
use session_cookie::id::md5_hex;
use session_cookie::policy::Hash;
use session_cookie::roster::{Member, Roster};
use session_cookie::session::may_stand_in_id;
use session_cookie::text::is_cookie_value;

use crate::conf::{upstream_conf, ServerConf, UpstreamConf};
use crate::nginx::bytes;
use crate::nginx::peers::{exclusively, generation, group, is_draining, Peer, Peers};

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
    // SAFETY: the caller's promise; a worker has one thread, and nobody else holds the configuration.
    unsafe {
        let conf = upstream_conf(us);
        if conf
            .servers
            .as_ref()
            .is_none_or(|servers| servers.generation != generation)
        {
            conf.servers = count(us, conf);
        }
        conf.servers
            .as_ref()
            .filter(|servers| servers.generation == generation)
            .map(|servers| &servers.roster)
    }
}

unsafe fn count(us: *mut ngx_http_upstream_srv_conf_t, conf: &UpstreamConf) -> Option<Servers> {
    let hash = conf.policy.as_ref()?.hash;
    // SAFETY: as in `servers`. The groups are read under their locks, one at a time as nginx does; a
    // change between the two shows in the generation.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        let mut roster = Roster::default();

        let generation = exclusively(primary, || {
            roster.reserve((*primary).number);
            enroll(primary, false, conf, hash, &mut roster);
            generation(primary)
        });
        let backups = (*primary).next;
        if !backups.is_null() {
            exclusively(backups, || enroll(backups, true, conf, hash, &mut roster));
        }
        Some(Servers { generation, roster })
    }
}

unsafe fn enroll(
    peers: Peers,
    backup: bool,
    conf: &UpstreamConf,
    hash: Hash,
    roster: &mut Roster<Peer>,
) {
    for (index, peer) in (0..).zip(
        // SAFETY: the group is live and locked.
        unsafe { group(peers) },
    ) {
        // SAFETY: as above.
        let said = unsafe { said_of(peer, backup, conf) };
        let member = Member {
            peer,
            index,
            backup,
            // SAFETY: as above.
            draining: said.is_some_and(|said| said.draining) || unsafe { is_draining(peer) },
        };
        // SAFETY: as above; names change only under the lock.
        let name = unsafe { bytes((*peer).name) };
        // SAFETY: as above.
        let given = unsafe { given_id(peer, said) };
        match given.or(may_be_id(name).then_some(name)) {
            Some(id) if hash == Hash::Plain => roster.insert(id, member),
            _ => roster.insert(&md5_hex(name), member),
        }
    }
}

/// Can a server's name stand in a cookie as it is? The path of a socket may not.
fn may_be_id(name: &[u8]) -> bool {
    is_cookie_value(name) && name.iter().copied().all(may_stand_in_id)
}

/// What the operator said to us of a server.
unsafe fn said_of(peer: Peer, backup: bool, conf: &UpstreamConf) -> Option<&ServerConf> {
    if conf.server_confs.is_empty() {
        return None;
    }
    // SAFETY: the peer is live.
    let key = unsafe { (Box::from(bytes((*peer).server)), backup) };
    conf.server_confs.get(&key)
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
