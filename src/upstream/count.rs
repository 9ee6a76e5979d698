//! Collects the servers of an upstream, and their IDs in each scheme.

use core::hash::Hash;

use ngx::ffi::ngx_uint_t;
use session_cookie::bytes::is_cookie_value;
use session_cookie::foreign::{self, Ring, System};
use session_cookie::id::Id;
use session_cookie::keys::Keys;
use session_cookie::memory::{self, OutOfMemory};
use session_cookie::policy::{Accepted, Digest, Hash as IdHash, Policy};
use session_cookie::roster::{Member, Roster};
use session_cookie::session::may_stand_in_id;

use super::servers::Servers;
use super::slots::Unplaced;
use crate::conf::{ServerConf, UpstreamConf};
use crate::nginx::peers::{Peer, Peers};
use crate::nginx::server_names::{each, Known, Shape, Uncounted};
use crate::nginx::upstream::Upstream;

/// Collects the servers of this generation.
///
/// The groups are read one at a time; a change in between shows in the generation.
pub(super) fn count(
    upstream: Upstream<'_>,
    conf: &UpstreamConf,
    policy: &Policy,
    generation: ngx_uint_t,
) -> Result<Servers, Uncounted> {
    let primary = upstream.primary().ok_or(Uncounted::Changed)?;
    let mut count = Count::new(ServerIds::of(upstream, conf, policy)?)?;
    count.ring = policy.accepts(System::Ingress).then(Ring::default);
    let mut unplaced = Unplaced::new(upstream, conf)?;

    let shape = count.add_group(&mut unplaced, upstream, primary, generation, 0)?;
    if let Some(backups) = primary.next() {
        let primaries = shape.number;
        count.add_group(&mut unplaced, upstream, backups, generation, primaries)?;
    }
    let servers = count.finish()?;
    let tallies = match unplaced {
        Some(unplaced) => unplaced.place(conf, upstream, &servers.own)?,
        None => Vec::new(),
    };
    Ok(Servers {
        counted: generation,
        shape,
        tallies,
        ..servers
    })
}

/// Returns the static `server` lines with several addresses, each by its text and whether it has `backup`; sorted.
fn of_several(upstream: Upstream<'_>) -> Result<Vec<(&[u8], bool)>, OutOfMemory> {
    let several = (upstream.lines()).filter(|line| line.addresses().len() > 1);
    let mut lines = memory::collect(several.map(|line| (line.name, line.is_backup)))?;
    lines.sort_unstable();
    Ok(lines)
}

/// What determines the IDs of an upstream's servers.
pub(crate) struct ServerIds<'a> {
    conf: &'a UpstreamConf,
    policy: &'a Policy,
    of_several: Vec<(&'a [u8], bool)>,
}

impl<'a> ServerIds<'a> {
    /// Reads the `server` lines of an upstream.
    pub(crate) fn of(
        upstream: Upstream<'a>,
        conf: &'a UpstreamConf,
        policy: &'a Policy,
    ) -> Result<Self, OutOfMemory> {
        Ok(ServerIds {
            conf,
            policy,
            of_several: of_several(upstream)?,
        })
    }

    /// Returns the ID of the server at this place in the upstream.
    pub(crate) fn id<'k>(&'k self, known: &'k Known<'k>, place: usize) -> Id<'k> {
        self.server(known, place).id(self.policy.hash)
    }

    /// Returns whether the configuration drains a server, so that it keeps its sessions and gets no new ones.
    pub(crate) fn drains(&self, known: &Known<'_>) -> bool {
        known.draining || line_of(self.conf, known).is_some_and(|line| line.draining)
    }

    fn server<'k>(&'k self, known: &'k Known<'k>, place: usize) -> Server<'k> {
        Server {
            known,
            line: line_of(self.conf, known),
            place,
            is_one_of_several: known.resolved || self.of_several.binary_search(&known.line).is_ok(),
            key: &self.policy.hmac_key,
            keys: &self.policy.keys,
        }
    }
}

/// Servers being collected, each identified by a `P`.
pub(super) struct Count<'a, P> {
    names: ServerIds<'a>,
    own: RosterBuilder<P>,
    accepted: Vec<RosterBuilder<P>>,
    /// The primary servers as ingress-nginx orders them, if its cookies are accepted.
    ring: Option<Ring<P>>,
}

impl Count<'_, Peer> {
    /// Adds the servers of a group, which follow this number of primary servers.
    fn add_group(
        &mut self,
        unplaced: &mut Option<Unplaced>,
        upstream: Upstream<'_>,
        peers: Peers<'_>,
        generation: ngx_uint_t,
        primaries: usize,
    ) -> Result<Shape, Uncounted> {
        let backup = upstream.primary() != Some(peers);
        // Read without a lock: only an estimate for the reservation.
        self.reserve(Shape::of(peers).number)?;
        let mut index = 0;
        each(upstream, peers, generation, |known| {
            let index_of_all = usize::try_from(index).unwrap_or(usize::MAX);
            let member = Member {
                peer: known.peer,
                index,
                backup,
                draining: known.look.control.drains() || self.names.drains(&known),
            };
            self.add(&known, member, primaries.saturating_add(index_of_all))?;
            if let Some(unplaced) = unplaced {
                let drains = self.names.drains(&known);
                unplaced.add(upstream, known.peer, known.name, drains)?;
            }
            index = index.saturating_add(1);
            Ok(())
        })
    }

    /// Reserves memory for the servers of a group.
    fn reserve(&mut self, number: usize) -> Result<(), OutOfMemory> {
        let accepted = self.accepted.iter_mut();
        for builder in accepted.chain([&mut self.own]) {
            builder.roster.reserve(number)?;
        }
        Ok(())
    }
}

impl<'a, P: Copy + Eq + Hash> Count<'a, P> {
    /// Returns an empty collection.
    pub(super) fn new(names: ServerIds<'a>) -> Result<Self, OutOfMemory> {
        let accept = names.policy.accept.iter();
        Ok(Count {
            own: RosterBuilder::default(),
            accepted: memory::collect(accept.map(|_| RosterBuilder::default()))?,
            ring: None,
            names,
        })
    }

    /// Adds a server at its place in the upstream.
    pub(super) fn add(
        &mut self,
        known: &Known<'_>,
        member: Member<P>,
        place: usize,
    ) -> Result<(), OutOfMemory> {
        let server = self.names.server(known, place);
        let policy = self.names.policy;
        self.own.insert(&server.id(policy.hash), member)?;
        for (scheme, builder) in policy.accept.iter().zip(&mut self.accepted) {
            for id in server.accepted(*scheme).into_iter().flatten() {
                builder.insert(&id, member)?;
            }
            if let Accepted::Foreign(system) = scheme {
                system.each_id(&server.to_others(), &policy.foreign, &mut |id| {
                    builder.insert(id, member)
                })?;
            }
        }
        if let Some(ring) = self.ring.as_mut().filter(|_| !member.backup) {
            ring.add(known.name, member.peer)?;
        }
        Ok(())
    }

    /// Returns the servers that were added.
    pub(super) fn finish(self) -> Result<Servers<P>, OutOfMemory> {
        Ok(Servers {
            own: self.own.finish()?,
            accepted: finish_all(self.accepted)?,
            ring: self.ring,
            ..Servers::default()
        })
    }
}

/// Returns the module's parameters in the line of a server.
fn line_of(conf: &UpstreamConf, known: &Known<'_>) -> Option<ServerConf> {
    if conf.server_confs.is_empty() {
        return None;
    }
    let (address, backup) = known.line;
    conf.server_confs.get(address, backup)
}

/// A server whose IDs are determined.
struct Server<'a> {
    known: &'a Known<'a>,
    /// The module's parameters in its line.
    line: Option<ServerConf>,
    /// Its place in the upstream, from 0.
    place: usize,
    /// Whether its line can stand for several servers.
    is_one_of_several: bool,
    key: &'a [u8],
    keys: &'a Keys,
}

impl<'a> Server<'a> {
    /// Returns its ID.
    fn id(&self, hash: IdHash) -> Id<'a> {
        let name = self.known.name;
        match hash {
            IdHash::Md5 => Id::md5(name),
            IdHash::Sha1 => Id::of_address(name, Digest::Sha1, &[]),
            IdHash::Plain => (self.given_id())
                .or(may_be_id(name).then_some(name))
                .map_or_else(|| Id::md5(name), Id::from),
            IdHash::Given => (self.given_id()).map_or_else(|| Id::md5(name), Id::from),
            IdHash::Index => Id::number(self.place as u64),
            IdHash::Hmac => self.keys.own_id(name),
            // Servers of one line must not share an ID.
            IdHash::Line(digest) if self.is_one_of_several => self.digest(name, digest),
            IdHash::Line(digest) => self.digest(self.known.line.0, digest),
        }
    }

    /// Returns its IDs in an accepted scheme.
    fn accepted(&self, scheme: Accepted) -> [Option<Id<'a>>; 2] {
        match scheme {
            // The line may have had another number of addresses when the cookie was set.
            Accepted::Id(IdHash::Line(digest)) => {
                let (line, name) = (self.known.line.0, self.known.name);
                let other = (line != name).then(|| self.digest(name, digest));
                [Some(self.digest(line, digest)), other]
            }
            Accepted::Id(hash) => [Some(self.id(hash)), None],
            Accepted::Key(number) => [Some(self.keys.id(number, self.known.name)), None],
            Accepted::Address(digest) => {
                let id = Id::of_address(self.known.address, digest, self.key);
                [Some(id), None]
            }
            Accepted::Nginx => {
                let id = self.route().map(Id::from);
                [id.or_else(|| Some(self.id(IdHash::Md5))), None]
            }
            Accepted::Haproxy => [self.line.and_then(|line| line.id).map(Id::from), None],
            Accepted::Foreign(_) => [None, None],
        }
    }

    /// Returns what other systems derive its ID from.
    fn to_others(&self) -> foreign::Server<'a> {
        foreign::Server {
            address: self.known.name,
            line: Some(self.known.line.0).filter(|line| *line != self.known.name),
            given: self.given_id(),
        }
    }

    /// Returns a digest of an address that can be in a cookie.
    fn digest(&self, address: &'a [u8], digest: Digest) -> Id<'a> {
        match digest {
            Digest::Raw if !may_be_id(address) => Id::md5(address),
            _ => Id::of_address(address, digest, self.key),
        }
    }

    /// Returns the ID that the operator has assigned to it: `id=` or, without it, `route=`.
    fn given_id(&self) -> Option<&'a [u8]> {
        let id = self.line.and_then(|line| line.id);
        id.or_else(|| self.route())
    }

    /// Returns its `route=`: nginx's own, or the module's.
    fn route(&self) -> Option<&'a [u8]> {
        let route = self.line.and_then(|line| line.route);
        self.known.route.or(route)
    }
}

/// Returns whether a server's name is valid in a cookie as it is. The path of a UNIX-domain socket may not be.
fn may_be_id(name: &[u8]) -> bool {
    is_cookie_value(name) && name.iter().copied().all(may_stand_in_id)
}

fn finish_all<P: Copy + Eq + Hash>(
    builders: Vec<RosterBuilder<P>>,
) -> Result<Vec<Roster<P>>, OutOfMemory> {
    let mut rosters = memory::with_capacity(builders.len())?;
    for builder in builders {
        memory::push(&mut rosters, builder.finish()?)?;
    }
    Ok(rosters)
}

/// The servers by ID in one scheme, being collected.
struct RosterBuilder<P> {
    roster: Roster<P>,
    /// Draining servers, which are added last: of several servers with one ID, one that drains must not get the next session.
    draining: Vec<(Box<[u8]>, Member<P>)>,
}

impl<P> Default for RosterBuilder<P> {
    fn default() -> Self {
        RosterBuilder {
            roster: Roster::default(),
            draining: Vec::new(),
        }
    }
}

impl<P: Copy + Eq + Hash> RosterBuilder<P> {
    fn insert(&mut self, id: &[u8], member: Member<P>) -> Result<(), OutOfMemory> {
        if member.draining {
            memory::push(&mut self.draining, (memory::boxed(id)?, member))
        } else {
            self.roster.insert(id, member)
        }
    }

    fn finish(mut self) -> Result<Roster<P>, OutOfMemory> {
        for (id, member) in self.draining {
            self.roster.insert(&id, member)?;
        }
        Ok(self.roster)
    }
}
