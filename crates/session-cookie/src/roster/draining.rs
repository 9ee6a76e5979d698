//! Starting and stopping the draining of servers in a roster.

use core::hash::Hash;
use core::num::NonZeroU32;

use super::{append, entry, entry_mut, hash_id, hash_peer, text, EntryId, Roster};

impl<P: Copy + Eq + Hash> Roster<P> {
    /// Records whether a server is draining: it keeps its sessions and gets no new ones. Returns `true` if this is a change; the
    /// caller must then call [`put_draining_last`](Self::put_draining_last).
    pub fn set_draining(&mut self, peer: P, draining: bool) -> bool {
        let Roster {
            entries, by_peer, ..
        } = self;
        let mut has_changed = false;
        // A server with several IDs has several entries.
        for number in by_peer.iter_hash(hash_peer(peer)) {
            if let Some(entry) = entry_mut(entries, *number) {
                if entry.member.peer == peer && entry.member.draining != draining {
                    entry.member.draining = draining;
                    has_changed = true;
                }
            }
        }
        has_changed
    }

    /// Reorders the servers that share an ID: draining servers come last, otherwise the order in which they were added is kept.
    pub fn put_draining_last(&mut self) {
        for entry in &mut self.entries {
            (entry.next, entry.last) = (None, None);
        }
        for draining in [false, true] {
            for at in 0..self.entries.len() {
                self.link(at, draining);
            }
        }
    }

    /// Appends an entry to the chain of its ID if its draining state equals `draining`. The first entry appended becomes the head
    /// of the chain. A head without a last entry is left over from the previous order.
    fn link(&mut self, at: usize, draining: bool) {
        let number = u32::try_from(at.saturating_add(1)).and_then(NonZeroU32::try_from);
        let Ok(number) = number.map(EntryId) else {
            return;
        };
        let Roster {
            entries,
            ids,
            by_id,
            ..
        } = self;
        let Some(this) = entry(entries, number).filter(|entry| entry.member.draining == draining)
        else {
            return;
        };
        let id = text(ids, this);
        let is_it =
            |head: &EntryId| entry(entries, *head).is_some_and(|entry| text(ids, entry) == id);
        let Some(head) = by_id.find_mut(hash_id(id), is_it) else {
            return;
        };
        let has_begun = entry(entries, *head).is_some_and(|entry| entry.last.is_some());
        if has_begun {
            append(entries, *head, number);
        } else {
            *head = number;
            if let Some(entry) = entry_mut(entries, number) {
                entry.last = Some(number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::super::tests::{member, peers};
    use super::*;

    #[test]
    fn those_that_drain_come_last() {
        let mut roster = Roster::default();
        for (id, peer) in [("a", 1), ("b", 2), ("a", 3), ("a", 4)] {
            roster.insert(id.as_bytes(), member(peer)).unwrap();
        }
        let mut drain = |peer, draining| {
            let has_changed = roster.set_draining(peer, draining);
            roster.put_draining_last();
            (has_changed, peers(&roster, "a"), peers(&roster, "b"))
        };
        assert_eq!(drain(1, true), (true, vec![3, 4, 1], vec![2]));
        assert_eq!(drain(1, true), (false, vec![3, 4, 1], vec![2]));
        assert_eq!(drain(2, true), (true, vec![3, 4, 1], vec![2]));
        assert_eq!(drain(4, true), (true, vec![3, 1, 4], vec![2]));
        assert_eq!(drain(3, true), (true, vec![1, 3, 4], vec![2]));
        assert_eq!(drain(3, false), (true, vec![3, 1, 4], vec![2]));
        assert_eq!(drain(1, false), (true, vec![1, 3, 4], vec![2]));
        assert_eq!(drain(5, true), (false, vec![1, 3, 4], vec![2]));
    }

    proptest! {
        #[test]
        fn marks_put_servers_in_the_order_in_which_they_would_be_added(
            servers in proptest::collection::vec(("[a-c]{0,2}", any::<bool>()), 0..64),
            more in any::<bool>(),
        ) {
            let mut marked = Roster::default();
            for (peer, (id, _)) in (0..).zip(&servers) {
                marked.insert(id.as_bytes(), member(peer)).unwrap();
                if more {
                    // a second ID of the same server
                    marked.insert(b"d", member(peer)).unwrap();
                }
            }
            for (peer, (_, draining)) in (0..).zip(&servers) {
                marked.set_draining(peer, !draining);
                marked.put_draining_last();
                prop_assert_eq!(marked.set_draining(peer, *draining), true);
            }
            marked.put_draining_last();
            let mut added = Roster::default();
            for wanted in [false, true] {
                for (peer, (id, draining)) in (0..).zip(&servers) {
                    if *draining == wanted {
                        added.insert(id.as_bytes(), member(peer)).unwrap();
                        if more {
                            added.insert(b"d", member(peer)).unwrap();
                        }
                    }
                }
            }
            for id in servers.iter().map(|(id, _)| id.as_str()).chain(["d"]) {
                prop_assert_eq!(peers(&marked, id), peers(&added, id));
            }
            for (peer, (id, _)) in (0..).zip(&servers) {
                prop_assert!(more || marked.id(peer) == Some(id.as_bytes()));
            }
        }
    }
}
