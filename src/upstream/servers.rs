//! The servers of an upstream as a worker knows them, by ID, and the IDs by server.

use core::cell::Cell;
use core::hash::Hash;

use ngx::ffi::{ngx_uint_t, time_t};
use session_cookie::counters::{Line, SlotId};
use session_cookie::foreign::{Ring, System};
use session_cookie::keys::ids_in;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Accepted, Hash as IdHash, Policy};
use session_cookie::roster::{EntryId, Member, Roster};

use crate::nginx::peers::Peer;
use crate::nginx::server_names::Shape;

/// Identifies one reading of an upstream's servers. What a request remembers of one edition is invalid in another.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Edition(pub(super) u64);

impl Default for Edition {
    fn default() -> Self {
        Edition::NONE
    }
}

impl Edition {
    /// No servers were read yet.
    pub(crate) const NONE: Self = Edition(0);
}

/// The servers of one generation, each identified by a `P`.
pub(crate) struct Servers<P = Peer> {
    /// Compared with a request's generation. None matches in a [watched](crate::conf::UpstreamConf::watched) upstream.
    pub(super) generation: ngx_uint_t,
    /// The generation in which the servers were read.
    pub(super) counted: ngx_uint_t,
    /// The shape of the list of primary servers.
    pub(super) shape: Shape,
    pub(super) edition: Edition,
    /// By ID, in the scheme of the module's own cookies.
    pub(crate) own: Roster<P>,
    /// By ID, in each of the schemes that `accept=` lists.
    pub(super) accepted: Vec<Roster<P>>,
    /// By the session keys of ingress-nginx, if those are accepted.
    pub(super) ring: Option<Ring<P>>,
    /// Where the requests of each server are counted, in the order of `own`; empty if they are not counted.
    pub(super) tallies: Vec<Tally>,
    /// The last time at which a request needed them, in an upstream that is watched.
    pub(super) asked: Cell<time_t>,
}

impl<P> Default for Servers<P> {
    /// Returns servers of no generation.
    fn default() -> Self {
        Servers {
            generation: ngx_uint_t::MAX,
            counted: ngx_uint_t::MAX,
            shape: Shape::NONE,
            edition: Edition::NONE,
            own: Roster::default(),
            accepted: Vec::new(),
            ring: None,
            tallies: Vec::new(),
            asked: Cell::new(0),
        }
    }
}

/// Where the requests of a server are counted.
#[derive(Clone, Copy)]
pub(super) struct Tally {
    pub(super) slot: SlotId,
    /// The cache line in which this worker counts them.
    pub(super) line: Option<&'static Line>,
}

impl Tally {
    /// Not counted.
    pub(super) const NONE: Self = Tally {
        slot: SlotId::NONE,
        line: None,
    };
}

/// A scheme of IDs: the policy's, or the accepted one with this number.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum IdScheme {
    Own,
    Accepted(u16),
}

impl Servers {
    /// Returns whether a request of this generation may use the servers without further checks.
    #[inline(always)]
    pub(super) fn are_known_of(&self, generation: ngx_uint_t, shape: Shape) -> bool {
        self.generation == generation && self.shape == shape
    }

    /// Returns whether the servers were read in this generation, from a list of this shape.
    pub(super) fn is_of(&self, generation: ngx_uint_t, shape: Shape) -> bool {
        self.counted == generation && self.shape == shape
    }

    /// Returns the edition of the servers.
    #[inline(always)]
    pub(crate) fn edition(&self) -> Edition {
        self.edition
    }

    /// Sets whether a server drains. Returns whether that has changed, in which case
    /// [`put_draining_last`](Self::put_draining_last) has to be called.
    pub(crate) fn set_draining(&mut self, peer: Peer, draining: bool) -> bool {
        let mut has_changed = false;
        for roster in self.rosters() {
            has_changed |= roster.set_draining(peer, draining);
        }
        has_changed
    }

    /// Moves draining servers behind others with the same ID.
    pub(crate) fn put_draining_last(&mut self) {
        self.rosters().for_each(Roster::put_draining_last);
    }

    fn rosters(&mut self) -> impl Iterator<Item = &mut Roster<Peer>> {
        self.accepted.iter_mut().chain([&mut self.own])
    }
}

impl<P: Copy + Eq + Hash> Servers<P> {
    /// Returns the servers by ID in this scheme.
    #[inline]
    pub(crate) fn by(&self, scheme: IdScheme) -> Option<&Roster<P>> {
        match scheme {
            IdScheme::Own => Some(&self.own),
            IdScheme::Accepted(number) => self.accepted.get(usize::from(number)),
        }
    }

    /// Returns the servers that an ID in any accepted scheme names; the scheme that is listed first wins. An ID with two
    /// keys, from a proxy with another key file, names the servers that either of its IDs names.
    pub(crate) fn find_accepted(&self, id: &[u8], policy: &Policy) -> Option<Found<'_, P>> {
        let find = |(number, roster)| find(IdScheme::Accepted(number), roster, id);
        let found = (0..).zip(&self.accepted).find_map(find);
        found.or_else(|| ids_in(id).find_map(|id| self.find_by_key(id, policy)))
    }

    /// Returns the servers that a value names as a session key of ingress-nginx.
    pub(crate) fn find_on_ring(
        &self,
        value: &[u8],
        policy: &Policy,
    ) -> Result<Option<Found<'_, P>>, OutOfMemory> {
        let key = policy
            .foreign
            .ingress
            .as_ref()
            .and_then(|backend| backend.key(value));
        let (Some(ring), Some(key)) = (&self.ring, key) else {
            return Ok(None);
        };
        let Some(peer) = ring.find(key)? else {
            return Ok(None);
        };
        let is_it = |scheme: &Accepted| *scheme == Accepted::Foreign(System::Ingress);
        let mut all = (0..).zip(policy.accept.iter().zip(&self.accepted));
        Ok(all.find_map(|(number, (scheme, roster))| {
            let first = roster.entry(peer).filter(|_| is_it(scheme))?;
            Some((IdScheme::Accepted(number), first, roster.member(first)?))
        }))
    }

    /// Returns the servers that an ID with a single key names.
    fn find_by_key(&self, id: &[u8], policy: &Policy) -> Option<Found<'_, P>> {
        let own = (policy.hash == IdHash::Hmac).then_some((IdScheme::Own, &self.own));
        let accepted = (0..).zip(policy.accept.iter().zip(&self.accepted));
        let by_key = accepted
            .filter(|(_, (scheme, _))| matches!(scheme, Accepted::Key(_)))
            .map(|(number, (_, roster))| (IdScheme::Accepted(number), roster));
        own.into_iter()
            .chain(by_key)
            .find_map(|(scheme, roster)| find(scheme, roster, id))
    }
}

/// The scheme in which an ID names servers, and the first of those servers.
pub(crate) type Found<'s, P> = (IdScheme, EntryId, &'s Member<P>);

fn find<'s, P: Copy + Eq + Hash>(
    scheme: IdScheme,
    roster: &'s Roster<P>,
    id: &[u8],
) -> Option<Found<'s, P>> {
    let first = roster.find(id)?;
    Some((scheme, first, roster.member(first)?))
}
