//! The servers of an upstream by ID, and their IDs by server. Both lookups take constant time.

mod draining;

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};
use core::num::NonZeroU32;
use hashbrown::HashTable;
use rustc_hash::{FxBuildHasher, FxHasher};

use crate::id::MD5_HEX;
use crate::memory::{self, OutOfMemory};

/// A server and its position in its upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[allow(clippy::disallowed_methods)] // a copy allocates nothing
pub struct Member<P> {
    /// The owner's handle for the server.
    pub peer: P,
    /// Its position in its group, counted from 0.
    pub index: u32,
    /// Whether it belongs to the backup servers.
    pub backup: bool,
    /// Whether it is draining: it keeps its sessions and gets no new ones.
    pub draining: bool,
}

/// The number of a server in a roster, counted from 1. It is meaningless in another roster.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EntryId(NonZeroU32);

impl EntryId {
    /// Returns the index of the server in [`Roster::members`].
    #[inline]
    pub fn index(self) -> usize {
        index(self).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Entry<P> {
    member: Member<P>,
    /// The start and end of its ID in [`Roster::ids`].
    id: (u32, u32),
    /// The next server with the same ID.
    next: Option<EntryId>,
    /// The last server with the same ID; set only in the first of these servers.
    last: Option<EntryId>,
}

/// The number of random choices made before all servers are tried in order.
const CHOICES: u64 = 32;

/// The servers of an upstream. Several servers may share an ID; they keep the order in which they were added.
///
/// ```
/// use session_cookie::roster::{Member, Roster};
///
/// let mut roster = Roster::default();
/// let member = Member { peer: "192.0.2.1:80", index: 0, backup: false, draining: false };
/// roster.insert(b"a", member)?;
///
/// let entry = roster.find(b"a");
/// assert_eq!(entry.and_then(|entry| roster.member(entry)), Some(&member));
/// assert_eq!(roster.id("192.0.2.1:80"), Some(&b"a"[..]));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub struct Roster<P> {
    entries: Vec<Entry<P>>,
    ids: Vec<u8>,
    /// The length of the longest ID.
    longest: usize,
    /// The first entry of each ID.
    by_id: HashTable<EntryId>,
    by_peer: HashTable<EntryId>,
}

impl<P> Default for Roster<P> {
    fn default() -> Self {
        Roster {
            entries: Vec::new(),
            ids: Vec::new(),
            longest: 0,
            by_id: HashTable::new(),
            by_peer: HashTable::new(),
        }
    }
}

#[inline]
fn entry<P>(entries: &[Entry<P>], named: EntryId) -> Option<&Entry<P>> {
    entries.get(index(named)?)
}

fn entry_mut<P>(entries: &mut [Entry<P>], named: EntryId) -> Option<&mut Entry<P>> {
    entries.get_mut(index(named)?)
}

#[inline]
fn index(named: EntryId) -> Option<usize> {
    usize::try_from(named.0.get()).ok()?.checked_sub(1)
}

#[inline]
fn text<'a, P>(ids: &'a [u8], entry: &Entry<P>) -> &'a [u8] {
    let (start, end) = entry.id;
    usize::try_from(start)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(start, end)| ids.get(start..end))
        .unwrap_or_default()
}

/// Returns the hash of an ID. It is not keyed: the IDs in the table come from the configuration, never from a client.
#[inline(always)]
fn hash_id(id: &[u8]) -> u64 {
    match id.try_into() {
        Ok(id) => hash_md5(id),
        Err(_) => hash_any(id),
    }
}

/// Returns the hash of an ID that has the length of a digest. Parts of a digest are as distinctive as the whole.
#[inline(always)]
fn hash_md5(id: &[u8; MD5_HEX]) -> u64 {
    let mut hasher = FxHasher::default();
    for block in [id.first_chunk(), id.last_chunk()] {
        hasher.write_u64(block.map_or(0, |block| u64::from_le_bytes(*block)));
    }
    hasher.finish()
}

fn hash_any(id: &[u8]) -> u64 {
    let mut hasher = FxHasher::default();
    let mut rest = id;
    while let Some((block, after)) = rest.split_first_chunk() {
        hasher.write_u64(u64::from_le_bytes(*block));
        rest = after;
    }
    rest.iter().for_each(|byte| hasher.write_u8(*byte));
    hasher.finish()
}

#[inline]
fn hash_peer<P: Hash>(peer: P) -> u64 {
    FxBuildHasher.hash_one(peer)
}

impl<P: Copy + Eq + Hash> Roster<P> {
    /// Reserves memory for a number of servers.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfMemory`] if memory allocation fails.
    pub fn reserve(&mut self, servers: usize) -> Result<(), OutOfMemory> {
        self.entries.try_reserve_exact(servers)?;
        self.ids
            .try_reserve_exact(servers.saturating_mul(MD5_HEX))?;
        let (entries, ids) = (&self.entries, &self.ids);
        self.by_id.try_reserve(servers, rehash_id(entries, ids))?;
        self.by_peer.try_reserve(servers, rehash_peer(entries))?;
        Ok(())
    }

    /// Adds a server. A roster holds at most `u32::MAX` servers and bytes of IDs; servers that exceed these limits are ignored.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfMemory`] if memory allocation fails; the roster is then unchanged.
    pub fn insert(&mut self, id: &[u8], member: Member<P>) -> Result<(), OutOfMemory> {
        let number = self.entries.len().saturating_add(1);
        let (Ok(number), Ok(start), Ok(end)) = (
            u32::try_from(number).and_then(NonZeroU32::try_from),
            u32::try_from(self.ids.len()),
            u32::try_from(self.ids.len().saturating_add(id.len())),
        ) else {
            return Ok(());
        };
        let number = EntryId(number);
        self.reserve_one(id)?;

        // Servers that share an ID also share its text, and are chained.
        let first = self.find(id);
        let id_at = match first.and_then(|first| entry(&self.entries, first)) {
            Some(same) => same.id,
            None => {
                memory::append(&mut self.ids, id)?;
                self.longest = self.longest.max(id.len());
                (start, end)
            }
        };
        let new = Entry {
            member,
            id: id_at,
            next: None,
            last: None,
        };
        memory::push(&mut self.entries, new)?;

        match first {
            Some(first) => append(&mut self.entries, first, number),
            None => {
                let rehash = rehash_id(&self.entries, &self.ids);
                memory::insert_unique(&mut self.by_id, hash_id(id), number, rehash)?;
            }
        }
        let rehash = rehash_peer(&self.entries);
        memory::insert_unique(&mut self.by_peer, hash_peer(member.peer), number, rehash)
    }

    /// Reserves memory for one more server, so that adding it succeeds or fails as a whole.
    fn reserve_one(&mut self, id: &[u8]) -> Result<(), OutOfMemory> {
        self.entries.try_reserve(1)?;
        self.ids.try_reserve(id.len())?;
        let (entries, ids) = (&self.entries, &self.ids);
        self.by_id.try_reserve(1, rehash_id(entries, ids))?;
        self.by_peer.try_reserve(1, rehash_peer(entries))?;
        Ok(())
    }

    /// Returns the first server with this ID.
    #[inline(always)]
    pub fn find(&self, id: &[u8]) -> Option<EntryId> {
        // Most IDs have this length, for which the compiler generates neither loops nor calls.
        match id.try_into() {
            Ok(id) => self.find_md5(id),
            Err(_) => self.find_any(id),
        }
    }

    #[inline(never)]
    fn find_md5(&self, id: &[u8; MD5_HEX]) -> Option<EntryId> {
        self.look_up(hash_md5(id), |text| {
            text.try_into().is_ok_and(|text: &[u8; MD5_HEX]| text == id)
        })
    }

    #[inline(never)]
    fn find_any(&self, id: &[u8]) -> Option<EntryId> {
        // Skip hashing: a value sent by a client may be as long as nginx accepts.
        if id.len() > self.longest {
            return None;
        }
        self.look_up(hash_any(id), |text| text == id)
    }

    #[inline(always)]
    fn look_up(&self, hash: u64, is_it: impl Fn(&[u8]) -> bool) -> Option<EntryId> {
        self.by_id
            .find(hash, |number| {
                entry(&self.entries, *number).is_some_and(|entry| is_it(text(&self.ids, entry)))
            })
            .copied()
    }

    /// Returns the server with this number.
    #[inline]
    pub fn member(&self, named: EntryId) -> Option<&Member<P>> {
        Some(&entry(&self.entries, named)?.member)
    }

    /// Returns the next server with the same ID.
    #[inline]
    pub fn next(&self, named: EntryId) -> Option<EntryId> {
        entry(&self.entries, named)?.next
    }

    /// Returns the number of servers.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns `true` if there are no servers.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the servers in a pseudorandom order that depends only on a text; some servers occur more than once. Each server is
    /// first about equally often. The same holds for the remaining servers if some are skipped.
    pub fn in_order_of<'a>(&'a self, text: [&'a [u8]; 2]) -> impl Iterator<Item = &'a Member<P>> {
        let servers = self.entries.len();
        let mut hasher = FxHasher::default();
        text.iter().for_each(|part| hasher.write(part));
        let seed = hasher.finish();
        let place = move |choice: u64| {
            let number = splitmix(seed, choice);
            (u128::from(number).wrapping_mul(servers as u128) >> 64) as usize
        };
        let choices = (0..CHOICES).filter_map(move |choice| self.entries.get(place(choice)));
        choices.chain(&self.entries).map(|entry| &entry.member)
    }

    /// Returns the ID of this server.
    pub fn id(&self, peer: P) -> Option<&[u8]> {
        self.id_of(self.entry(peer)?)
    }

    /// Returns the ID of the server with this number.
    #[inline]
    pub fn id_of(&self, number: EntryId) -> Option<&[u8]> {
        Some(text(&self.ids, entry(&self.entries, number)?))
    }

    /// Returns the number of this server.
    #[inline]
    pub fn entry(&self, peer: P) -> Option<EntryId> {
        let is_it = |number: &EntryId| {
            entry(&self.entries, *number).is_some_and(|entry| entry.member.peer == peer)
        };
        self.by_peer.find(hash_peer(peer), is_it).copied()
    }

    /// Returns all servers in the order of their numbers.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member<P>> {
        self.entries.iter().map(|entry| &entry.member)
    }
}

/// Returns a number of the SplitMix64 sequence of a seed (Steele, Lea, Flood, OOPSLA 2014).
fn splitmix(seed: u64, number: u64) -> u64 {
    let step = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut mixed = seed.wrapping_add(step);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

fn rehash_id<'a, P>(entries: &'a [Entry<P>], ids: &'a [u8]) -> impl Fn(&EntryId) -> u64 + 'a {
    |number| hash_id(entry(entries, *number).map_or(&[], |entry| text(ids, entry)))
}

fn rehash_peer<P: Copy + Hash>(entries: &[Entry<P>]) -> impl Fn(&EntryId) -> u64 + '_ {
    |number| entry(entries, *number).map_or(0, |entry| hash_peer(entry.member.peer))
}

/// Appends an entry to the chain that begins with entry `first`.
fn append<P>(entries: &mut [Entry<P>], first: EntryId, new: EntryId) {
    let last = entry_mut(entries, first).and_then(|entry| entry.last.replace(new));
    if let Some(entry) = entry_mut(entries, last.unwrap_or(first)) {
        entry.next = Some(new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(super) fn member(peer: u32) -> Member<u32> {
        Member {
            peer,
            index: peer,
            backup: false,
            draining: false,
        }
    }

    pub(super) fn peers(roster: &Roster<u32>, id: &str) -> Vec<u32> {
        core::iter::successors(roster.find(id.as_bytes()), |named| roster.next(*named))
            .map(|named| roster.member(named).unwrap().peer)
            .collect()
    }

    #[test]
    fn servers_that_share_an_id_come_in_order() {
        let mut roster = Roster::default();
        for (id, peer) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
            roster.insert(id.as_bytes(), member(peer)).unwrap();
        }
        assert_eq!(peers(&roster, "a"), [1, 3, 4]);
        assert_eq!(roster.id(3), Some(&b"a"[..]));
        assert_eq!(roster.id(2), Some(&b"b"[..]));
    }

    #[test]
    fn a_text_chooses_one_server_and_texts_choose_all_alike() {
        let mut roster = Roster::default();
        for peer in 0..5 {
            roster.insert(&[b'a', peer], member(peer.into())).unwrap();
        }
        for missing in [&[][..], &[2], &[0, 1], &[1, 2, 4]] {
            let chosen = |text: &[u8]| {
                let mut servers = roster.in_order_of([text, b"1"]).map(|member| member.peer);
                servers.find(|peer| !missing.contains(peer)).unwrap() as usize
            };
            let mut counts = [0; 5];
            for number in 0..10_000u32 {
                let text = alloc::format!("ID~session-{number}");
                assert_eq!(chosen(text.as_bytes()), chosen(text.as_bytes()));
                counts[chosen(text.as_bytes())] += 1;
            }
            let share = 10_000 / (5 - missing.len());
            for (peer, count) in counts.iter().enumerate() {
                let is_fair = (share * 9 / 10..share * 11 / 10).contains(count);
                assert!(is_fair || missing.contains(&(peer as u32)), "{counts:?}");
            }
        }
        let all: Vec<_> = roster.in_order_of([b"a", b""]).map(|m| m.peer).collect();
        assert!((0..5).all(|peer| all.contains(&peer)));
        assert_eq!(Roster::<u32>::default().in_order_of([b"a", b""]).count(), 0);
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
            roster.reserve(ids.len() / 2).unwrap();
            for (peer, id) in (0..).zip(&ids) {
                roster.insert(id.as_bytes(), member(peer)).unwrap();
            }
            for (peer, id) in (0..).zip(&ids) {
                prop_assert_eq!(roster.id(peer), Some(id.as_bytes()));
                prop_assert!(peers(&roster, id).contains(&peer));
            }
        }
    }
}
