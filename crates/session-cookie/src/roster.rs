//! The servers of one upstream by id, and their ids by server. Both look-ups take constant time.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};
use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;

/// Where a server stands in its upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Member<P> {
    /// The server, as the owner of the roster knows it.
    pub peer: P,
    /// Its place in its group, from 0.
    pub index: u32,
    /// Is it in the group of backup servers?
    pub backup: bool,
    /// Does it keep its sessions, and get no new ones?
    pub draining: bool,
}

/// The servers of one id, found in a roster; means nothing in another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Named(u32);

#[derive(Debug)]
struct Entry<P> {
    member: Member<P>,
    id: (u32, u32),
    /// The next server with the same id.
    next: Option<u32>,
}

/// The servers of one upstream. Several may share an id; they keep the order in which they came.
pub struct Roster<P> {
    entries: Vec<Entry<P>>,
    ids: Vec<u8>,
    /// The first entry of each id.
    by_id: HashTable<u32>,
    by_peer: HashTable<u32>,
    /// Not keyed: the ids and servers in the tables are the operator's, never a client's.
    hasher: FxBuildHasher,
}

impl<P> Default for Roster<P> {
    fn default() -> Self {
        Roster {
            entries: Vec::new(),
            ids: Vec::new(),
            by_id: HashTable::new(),
            by_peer: HashTable::new(),
            hasher: FxBuildHasher,
        }
    }
}

fn entry<P>(entries: &[Entry<P>], number: u32) -> Option<&Entry<P>> {
    entries.get(usize::try_from(number).ok()?)
}

fn text<'a, P>(ids: &'a [u8], entry: &Entry<P>) -> &'a [u8] {
    let (start, length) = entry.id;
    usize::try_from(start)
        .ok()
        .and_then(|start| ids.get(start..)?.get(..usize::try_from(length).ok()?))
        .unwrap_or_default()
}

impl<P: Copy + Eq + Hash> Roster<P> {
    /// Makes room for a number of servers at once.
    pub fn reserve(&mut self, servers: usize) {
        let Roster {
            entries,
            ids,
            hasher,
            ..
        } = self;
        entries.reserve_exact(servers);
        self.by_id.reserve(servers, |number| {
            hasher.hash_one(entry(entries, *number).map_or(&b""[..], |entry| text(ids, entry)))
        });
        self.by_peer.reserve(servers, |number| {
            hasher.hash_one(entry(entries, *number).map(|entry| entry.member.peer))
        });
    }

    /// Adds a server. The roster holds at most `u32::MAX` servers and bytes of ids; more are left out.
    pub fn insert(&mut self, id: &[u8], member: Member<P>) {
        let (Ok(number), Ok(start), Ok(length)) = (
            u32::try_from(self.entries.len()),
            u32::try_from(self.ids.len()),
            u32::try_from(id.len()),
        ) else {
            return;
        };

        // Servers that share an id share its text too, and stand in a chain.
        let first = self.find(id).map(|named| named.0);
        let id_at = match first.and_then(|first| entry(&self.entries, first)) {
            Some(same) => same.id,
            None => {
                self.ids.extend_from_slice(id);
                (start, length)
            }
        };
        self.entries.push(Entry {
            member,
            id: id_at,
            next: None,
        });

        let Roster {
            entries,
            ids,
            by_id,
            by_peer,
            hasher,
        } = self;
        match first {
            Some(first) => append(entries, first, number),
            None => {
                by_id.insert_unique(hasher.hash_one(id), number, |number| {
                    hasher.hash_one(
                        entry(entries, *number).map_or(&b""[..], |entry| text(ids, entry)),
                    )
                });
            }
        }
        by_peer.insert_unique(hasher.hash_one(Some(member.peer)), number, |number| {
            hasher.hash_one(entry(entries, *number).map(|entry| entry.member.peer))
        });
    }

    /// The servers with this id, if any has it.
    pub fn find(&self, id: &[u8]) -> Option<Named> {
        self.by_id
            .find(self.hasher.hash_one(id), |number| {
                entry(&self.entries, *number).is_some_and(|entry| text(&self.ids, entry) == id)
            })
            .map(|first| Named(*first))
    }

    /// These servers, in order.
    pub fn members(&self, named: Named) -> impl Iterator<Item = Member<P>> + '_ {
        let first = entry(&self.entries, named.0);
        core::iter::successors(first, |before| entry(&self.entries, before.next?))
            .map(|entry| entry.member)
    }

    /// The id of this server.
    pub fn id(&self, peer: P) -> Option<&[u8]> {
        let number = self
            .by_peer
            .find(self.hasher.hash_one(Some(peer)), |number| {
                entry(&self.entries, *number).is_some_and(|entry| entry.member.peer == peer)
            })?;
        Some(text(&self.ids, entry(&self.entries, *number)?))
    }
}

/// Puts entry `last` at the end of the chain that begins with entry `number`.
fn append<P>(entries: &mut [Entry<P>], mut number: u32, last: u32) {
    while let Some(entry) = usize::try_from(number)
        .ok()
        .and_then(|at| entries.get_mut(at))
    {
        match entry.next {
            Some(next) => number = next,
            None => {
                entry.next = Some(last);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn member(peer: u32) -> Member<u32> {
        Member {
            peer,
            index: peer,
            backup: false,
            draining: false,
        }
    }

    #[test]
    fn servers_that_share_an_id_come_in_order() {
        let mut roster = Roster::default();
        for (id, peer) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
            roster.insert(id.as_bytes(), member(peer));
        }
        let named = roster.find(b"a").unwrap();
        let peers: Vec<_> = roster.members(named).map(|member| member.peer).collect();
        assert_eq!(peers, [1, 3, 4]);
        assert_eq!(roster.id(3), Some(&b"a"[..]));
        assert_eq!(roster.id(2), Some(&b"b"[..]));
    }

    #[test]
    fn an_unknown_id_has_no_servers() {
        let roster = Roster::<u32>::default();
        assert_eq!(roster.find(b""), None);
        assert_eq!(roster.find(b"a"), None);
        assert_eq!(roster.id(1), None);
    }

    proptest! {
        #[test]
        fn every_server_is_found_by_its_id_and_its_id_by_it(ids in proptest::collection::vec("[a-c]{0,3}", 0..64)) {
            let mut roster = Roster::default();
            roster.reserve(ids.len() / 2);
            for (peer, id) in (0..).zip(&ids) {
                roster.insert(id.as_bytes(), member(peer));
            }
            for (peer, id) in (0..).zip(&ids) {
                prop_assert_eq!(roster.id(peer), Some(id.as_bytes()));
                let named = roster.find(id.as_bytes()).unwrap();
                prop_assert!(roster.members(named).any(|member| member.peer == peer));
            }
        }
    }
}
