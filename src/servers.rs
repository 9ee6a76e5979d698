//! The servers of an upstream as this worker knows them: id → server, and server → id.

use std::borrow::Cow;

use ngx::ffi::{ngx_http_upstream_srv_conf_t, ngx_uint_t};
use session_cookie::id::{md5_hex, of_address};
use session_cookie::policy::{Accepted, Hash, Policy};
use session_cookie::roster::{Member, Named, Roster};
use session_cookie::session::may_stand_in_id;
use session_cookie::text::{is_cookie_value, Sink};

use crate::conf::{ServerConf, UpstreamConf};
use crate::nginx::bytes;
use crate::nginx::peers::{
    address_of, current_generation, exclusively, group, is_draining, line_of, Peer, Peers,
};

/// The servers of one generation.
pub(crate) struct Servers {
    generation: ngx_uint_t,
    /// By the ids of our own cookies.
    pub(crate) own: Roster<Peer>,
    /// By their ids in each of the forms that `accept=` lists.
    accepted: Vec<Roster<Peer>>,
}

/// Which of the rosters: our own, or that of the accepted form of this number.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    Own,
    Accepted(u16),
}

impl Servers {
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

/// The servers of this generation, counted anew if it is another than the last one.
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
    // SAFETY: the caller's promise; a worker has one thread, and replaces them only in `recount`.
    unsafe {
        match &*conf.servers.get() {
            Some(servers) if servers.generation == generation => Some(servers),
            _ => recount(conf, us, generation),
        }
    }
}

/// Counts the servers, unless those of a newer generation than this are known.
#[cold]
#[inline(never)]
unsafe fn recount<'a>(
    conf: &UpstreamConf,
    us: *mut ngx_http_upstream_srv_conf_t,
    generation: ngx_uint_t,
) -> Option<&'a Servers> {
    // SAFETY: as in `servers`; nobody holds a roster of an older generation any more.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        let servers = conf.servers.get();
        let known = (*servers).as_ref().map(|servers| servers.generation);
        if known == Some(exclusively(primary, || current_generation(primary))) {
            return None;
        }
        *servers = count(us, conf);
        (*servers)
            .as_ref()
            .filter(|servers| servers.generation == generation)
    }
}

unsafe fn count(us: *mut ngx_http_upstream_srv_conf_t, conf: &UpstreamConf) -> Option<Servers> {
    // SAFETY: as in `servers`. The groups are read under their locks, one at a time as nginx does; a
    // change between the two shows in the generation.
    unsafe {
        let primary: Peers = (*us).peer.data.cast();
        let policy = conf.policy.as_ref()?;
        let mut census = Census {
            primary,
            conf,
            policy,
            own: Enrolled::default(),
            accepted: policy.accept.iter().map(|_| Enrolled::default()).collect(),
        };

        let generation = exclusively(primary, || {
            census.own.roster.reserve((*primary).number);
            census.enroll(primary, false);
            current_generation(primary)
        });
        let backups = (*primary).next;
        if !backups.is_null() {
            exclusively(backups, || census.enroll(backups, true));
        }
        Some(Servers {
            generation,
            own: census.own.finish(),
            accepted: census.accepted.into_iter().map(Enrolled::finish).collect(),
        })
    }
}

/// Servers being counted.
struct Census<'a> {
    primary: Peers,
    conf: &'a UpstreamConf,
    policy: &'a Policy,
    own: Enrolled,
    accepted: Vec<Enrolled>,
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
                self.own.insert(&id, member);
                for (number, form) in (0..).zip(&self.policy.accept) {
                    let id = self.accepted_id(*form, &member, said);
                    let roster = self.accepted.get_mut(number);
                    if let Some((id, roster)) = id.zip(roster) {
                        roster.insert(&id, member);
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
}

/// The servers by their ids in one form, being counted.
#[derive(Default)]
struct Enrolled {
    roster: Roster<Peer>,
    /// Those that come last: of several servers with one id, none that drains gets the next session.
    draining: Vec<(Box<[u8]>, Member<Peer>)>,
}

impl Enrolled {
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
