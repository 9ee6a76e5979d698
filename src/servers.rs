//! The servers of an upstream as this worker knows them: id → server, and server → id.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_uint_t};
use session_cookie::id::{md5_hex, of_address};
use session_cookie::policy::{Accepted, Hash, Policy};
use session_cookie::roster::{Member, Roster};
use session_cookie::session::may_stand_in_id;
use session_cookie::text::{is_cookie_value, Sink};

use crate::conf::{upstream_conf, ServerConf, UpstreamConf};
use crate::nginx::bytes;
use crate::nginx::peers::{
    address_of, current_generation, exclusively, group, is_draining, line_of, Peer, Peers,
};

/// The servers of one generation.
pub(crate) struct Servers {
    generation: ngx_uint_t,
    pub(crate) roster: Roster<Peer>,
    /// The server of each id in a form that `accept=` lists; the first, where several have it.
    accepted: BTreeMap<Box<[u8]>, Peer>,
}

/// The id of the server that an id in an accepted form names.
///
/// # Safety
///
/// As for [`servers`].
pub(crate) unsafe fn accepted<'a>(
    us: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
    id: &[u8],
) -> Option<&'a [u8]> {
    // SAFETY: the caller's promise.
    unsafe {
        let roster = servers(us, generation)?;
        let servers = (*upstream_conf(us).servers.get()).as_ref()?;
        roster.id(*servers.accepted.get(id)?)
    }
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
            policy: conf.policy.as_ref()?,
            roster: Roster::default(),
            draining: Vec::new(),
            accepted: BTreeMap::new(),
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
            accepted: core::mem::take(&mut census.accepted),
            roster: census.finish(),
        })
    }
}

/// Servers being counted.
struct Census<'a> {
    primary: Peers,
    conf: &'a UpstreamConf,
    policy: &'a Policy,
    roster: Roster<Peer>,
    /// Those that come last: of several servers with one id, none that drains gets the next session.
    draining: Vec<(Box<[u8]>, Member<Peer>)>,
    accepted: BTreeMap<Box<[u8]>, Peer>,
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
                let id = self.id(self.policy.hash, &member, said);
                self.insert(&id, member);
                for form in &self.policy.accept {
                    if let Some(id) = self.accepted_id(*form, &member, said) {
                        self.accepted.entry(id.into()).or_insert(peer);
                    }
                }
            }
        }
    }

    /// What else names a server, which is live.
    unsafe fn accepted_id<'p>(
        &self,
        form: Accepted,
        member: &Member<Peer>,
        said: Option<&'p ServerConf>,
    ) -> Option<Cow<'p, [u8]>> {
        // SAFETY: the caller's promise.
        unsafe {
            match form {
                Accepted::Id(hash) => Some(self.id(hash, member, said)),
                Accepted::Address(digest) => {
                    let address = address_of(member.peer);
                    Some(of_address(address, digest, &self.policy.hmac_key).into())
                }
                Accepted::Nginx => given_id(member.peer, None)
                    .map(Cow::from)
                    .or_else(|| Some(self.id(Hash::Md5, member, said))),
                Accepted::Haproxy => said?.id.as_deref().map(Cow::from),
            }
        }
    }

    /// What the cookie names a server by, which is live.
    unsafe fn id<'p>(
        &self,
        hash: Hash,
        member: &Member<Peer>,
        said: Option<&'p ServerConf>,
    ) -> Cow<'p, [u8]> {
        // SAFETY: the caller's promise.
        unsafe {
            let peer = member.peer;
            let name = bytes((*peer).name);
            let md5 = |text| Cow::from(Vec::from(md5_hex(text)));
            match hash {
                Hash::Md5 => md5(name),
                Hash::Plain => given_id(peer, said)
                    .or(may_be_id(name).then_some(name))
                    .map_or_else(|| md5(name), Cow::from),
                Hash::Index => {
                    let primaries = if member.backup {
                        (*self.primary).number
                    } else {
                        0
                    };
                    let mut digits = Vec::new();
                    digits.put_decimal((primaries as u64).saturating_add(member.index.into()));
                    Cow::from(digits)
                }
                Hash::Line(digest) => {
                    let (line, _) = line_of(self.primary, peer, member.backup);
                    let id = of_address(line, digest, &self.policy.hmac_key);
                    if may_be_id(&id) {
                        Cow::from(id)
                    } else {
                        md5(line)
                    }
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
