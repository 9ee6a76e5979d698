//! Compares the table with a map, and kills processes at each store.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::word::death;

const SLOTS: usize = 4;

/// More stores than any operation on a table of this size makes.
const MOST_STORES: u32 = 600;

type Servers = BTreeMap<(Vec<u8>, Vec<u8>), Standing>;

fn servers(table: Table<'_>) -> Servers {
    let mut servers = Servers::new();
    for name in (0..3).map(upstream) {
        table.each_known(&name, |place, address, standing| {
            let names = (name.clone(), address.to_vec());
            assert!(servers.insert(names, standing).is_none(), "twice");
            assert_eq!(table.asked_at(place), standing.asked);
        });
    }
    let mut said = 0;
    table.each(|entry| {
        let names = (entry.upstream.to_vec(), entry.address.to_vec());
        assert_eq!(servers[&names].over, Some(entry.over));
        said += 1;
    });
    assert_eq!(said, table.len());
    for ((upstream, address), standing) in &servers {
        assert_eq!(table.find(upstream, address), standing.over);
        assert_eq!(table.find_asked(upstream, address), standing.asked);
    }
    servers
}

#[derive(Clone, Debug)]
enum Operation {
    Change(u8, Vec<u8>, Option<Override>),
    Ask(u8, u8, Option<u64>),
    End(u64),
}

fn upstream(number: u8) -> Vec<u8> {
    [
        b"app".repeat(usize::from(number) * 20),
        [b'a' + number].to_vec(),
    ]
    .concat()
}

/// Each address is a prefix of the one before.
fn address(number: u8) -> Vec<u8> {
    b"127.0.0.1:8081"[..14 - usize::from(number)].to_vec()
}

impl Operation {
    fn run(&self, table: Table<'_>) -> Result<bool, Full> {
        match self {
            Operation::Change(name, addresses, to) => {
                let addresses: Vec<_> = addresses.iter().map(|number| address(*number)).collect();
                table.change(&upstream(*name), addresses.iter().map(Vec::as_slice), *to)
            }
            Operation::Ask(name, number, until) => {
                table.ask(&upstream(*name), &address(*number), *until)
            }
            Operation::End(now) => {
                let mut shown = 0;
                while let Some(ended) = table.end_one(*now) {
                    assert!(ended.over.is_none_or(|over| over.is_over(*now)));
                    shown += 1;
                }
                Ok(shown != 0)
            }
        }
    }

    /// Does the same with a map. Entries that the table has dropped to make room are removed from the map as well.
    fn run_on(&self, servers: &mut Servers, table: Table<'_>) -> Result<bool, Full> {
        let before = servers.clone();
        let mut tells = true;
        match self {
            Operation::Change(name, addresses, to) => {
                for number in addresses {
                    let names = (upstream(*name), address(*number));
                    match to {
                        Some(over) => servers.entry(names).or_default().over = Some(*over),
                        None => drop(servers.remove(&names)),
                    }
                }
                if servers
                    .values()
                    .filter(|server| server.over.is_some())
                    .count()
                    > SLOTS
                {
                    *servers = before;
                    return Err(Full);
                }
                if servers.len() > SLOTS {
                    servers.retain(|(name, address), standing| {
                        standing.over.is_some() || table.find_asked(name, address).is_some()
                    });
                }
            }
            Operation::Ask(name, number, until) => {
                let names = (upstream(*name), address(*number));
                let standing = servers.entry(names).or_default();
                tells = standing.asked.is_some() != until.is_some();
                standing.asked = *until;
                servers.retain(|_, standing| !standing.is_empty());
                if servers.len() > SLOTS {
                    *servers = before;
                    return Err(Full);
                }
            }
            Operation::End(now) => {
                for standing in servers.values_mut() {
                    if let Some(over) = standing.over.filter(|over| over.is_over(*now)) {
                        standing.over = over.after();
                    }
                    standing.asked = standing.asked.filter(|until| until > now);
                }
                servers.retain(|_, standing| !standing.is_empty());
            }
        }
        Ok(tells && *servers != before)
    }
}

fn next_end(servers: &Servers) -> u64 {
    let ends = servers.values().filter_map(|standing| standing.end());
    ends.min().unwrap_or(u64::MAX)
}

fn any_over() -> impl Strategy<Value = Option<Override>> {
    prop_oneof![
        Just(None),
        (0..9_u64).prop_map(|until| over(State::Drain, until)),
        (0..9_u64).prop_map(|until| over(State::Down, until)),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    let addresses = proptest::collection::btree_set(0..4_u8, 1..4);
    prop_oneof![
        4 => (0..3_u8, addresses, any_over())
            .prop_map(|(name, addresses, to)| Operation::Change(name, addresses.into_iter().collect(), to)),
        4 => (0..3_u8, 0..4_u8, proptest::option::of(1..9_u64))
            .prop_map(|(name, number, until)| Operation::Ask(name, number, until)),
        1 => (0..10_u64).prop_map(Operation::End),
    ]
}

/// The last operation dies at each of its stores. Afterwards both words of every server have their old or their new
/// value, workers are notified of a possible change, and the table can still be used.
fn die_at_each_store(operations: &[Operation]) {
    let (last, first) = operations.split_last().unwrap();
    let undisturbed = Memory::new(SLOTS);
    for operation in operations {
        let _ = operation.run(undisturbed.table());
    }
    let done = servers(undisturbed.table());
    for stores in 0..MOST_STORES {
        let memory = Memory::new(SLOTS);
        let table = memory.table();
        for operation in first {
            let _ = operation.run(table);
        }
        let (before, generation) = (servers(table), table.generation());
        let survived = death::after(stores, || last.run(table)).is_some();

        let is_told = table.generation() != generation;
        table.repair();
        let left = servers(table);
        let of = |servers: &Servers, names| servers.get(names).copied().unwrap_or_default();
        for names in before.keys().chain(done.keys()).chain(left.keys()) {
            let (before, done, left) = (of(&before, names), of(&done, names), of(&left, names));
            assert!([before.over, done.over].contains(&left.over), "{names:?}");
            assert!(
                [before.asked, done.asked].contains(&left.asked),
                "{names:?}"
            );
        }
        let is_renewed = matches!(last, Operation::Ask(..)) && left.len() == before.len();
        assert!(is_told || left == before || is_renewed);
        assert_eq!(table.generation() % 2, 0);
        assert!(table.next_end() <= next_end(&left));

        let change = Operation::Change(0, Vec::from([0]), over(State::Down, 0));
        let mut then = left;
        assert_eq!(change.run(table), change.run_on(&mut then, table));
        assert_eq!(servers(table), then);
        if survived {
            return;
        }
    }
    unreachable!("an operation without end");
}

proptest! {
    #[test]
    fn it_is_a_map(operations in proptest::collection::vec(operation(), 1..40)) {
        let memory = Memory::new(SLOTS);
        let table = memory.table();
        let mut expected = Servers::new();
        for operation in &operations {
            let generation = table.generation();
            let changed = operation.run(table);
            prop_assert_eq!(changed, operation.run_on(&mut expected, table));
            prop_assert_eq!(servers(table), expected.clone());
            // The recorded next end may be too early if a server has requested draining again.
            prop_assert!(table.next_end() <= next_end(&expected));
            if let Operation::End(_) = operation {
                prop_assert_eq!(table.next_end(), next_end(&expected));
            }
            prop_assert_eq!(table.generation() != generation, changed == Ok(true));
        }
    }

    #[test]
    fn who_dies_leaves_a_table(operations in proptest::collection::vec(operation(), 1..12)) {
        die_at_each_store(&operations);
    }

    /// Arbitrary memory causes no panic, and a state that was set is found if there is room for it.
    #[test]
    fn nothing_is_trusted(words in proptest::collection::vec((0..SLOTS, 0..48_usize, any::<u64>()), 1..60)) {
        let memory = Memory::new(SLOTS);
        let table = memory.table();
        for (slot, word, value) in words {
            let value = match word {
                0 => (value % 4) | (value >> 60 << 8),
                1 => value >> 60,
                _ => value,
            };
            memory.slots[slot].word(word).store(value, Ordering::Relaxed);
            table.each(|entry| assert!(entry.upstream.len() + entry.address.len() <= MAX_NAMES));
            for _ in 0..2 * SLOTS {
                let _ = table.end_one(5).map(|ended| ended.names().0.len());
            }
            assert!(table.end_one(5).is_none());
            if table.change(b"u", [&b"a"[..]].into_iter(), over(State::Drain, 7)).is_ok() {
                assert_eq!(table.find(b"u", b"a"), over(State::Drain, 7));
            }
        }
    }
}

#[test]
fn names_that_are_too_long_have_no_room() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    let down = over(State::Down, 0);
    let long = [b'a'; MAX_NAMES];
    let change =
        |upstream: &[u8], address: &[u8]| table.change(upstream, [address].into_iter(), down);
    assert_eq!(change(&long, b"1"), Err(Full));
    assert_eq!(change(&long[1..], b"1"), Ok(true));
    assert_eq!(table.find(&long[1..], b"1"), down);
    assert_eq!(table.find(&long[1..], b"2"), None);
    assert_eq!(table.find(&long[2..], b"a1"), None);
}

#[test]
fn what_has_ended_is_down_or_up() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    let change = |address: &'static [u8], to| table.change(b"u", [address].into_iter(), to);
    assert_eq!(change(b"a", over(State::Drain, 10)), Ok(true));
    assert_eq!(change(b"b", over(State::Down, 20)), Ok(true));
    assert_eq!(table.next_end(), 10);
    assert!(table.end_one(9).is_none());
    assert_eq!(table.end_one(10).unwrap().names(), (&b"u"[..], &b"a"[..]));
    assert!(table.end_one(10).is_none());
    assert_eq!(table.find(b"u", b"a"), over(State::Down, 0));
    assert_eq!(table.next_end(), 20);
    assert_eq!(table.end_one(21).unwrap().names(), (&b"u"[..], &b"b"[..]));
    assert_eq!(table.find(b"u", b"b"), None);
    assert_eq!(table.next_end(), u64::MAX);
}

#[test]
fn what_is_saved_is_newer_than_before() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    assert!(table.is_unsaved(4));
    table.note_saved(4);
    assert!(!table.is_unsaved(4) && !table.is_unsaved(2) && table.is_unsaved(6));
}

#[test]
fn a_server_that_asks_again_tells_nobody() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    let ask = |until| table.ask(b"u", b"a", until);
    assert_eq!(ask(Some(10)), Ok(true));
    let generation = table.generation();
    assert_eq!((ask(Some(10)), ask(Some(20))), (Ok(false), Ok(false)));
    assert_eq!(table.find_asked(b"u", b"a"), Some(20));
    assert_eq!(table.generation(), generation);
    // The recorded next end is too early once.
    assert_eq!(table.next_end(), 10);
    assert!(table.end_one(10).is_none());
    assert_eq!(table.next_end(), 20);
    let ended = table.end_one(20).unwrap();
    assert_eq!(ended.names(), (&b"u"[..], &b"a"[..]));
    assert_eq!(ended.over, None);
    assert_eq!(table.find_asked(b"u", b"a"), None);
    assert_eq!((ask(None), ask(Some(0))), (Ok(false), Ok(false)));
}

#[test]
fn what_servers_ask_takes_no_room_from_operators() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    for number in 0..4 {
        assert_eq!(table.ask(b"u", &address(number), Some(10)), Ok(true));
    }
    assert_eq!(table.ask(b"v", b"a", Some(10)), Err(Full));
    assert_eq!(table.ask(b"u", &[b'a'; MAX_NAMES], Some(10)), Err(Full));
    let said: Vec<_> = [3, 0].map(address).to_vec();
    let drain = over(State::Drain, 0);
    let change = |upstream: &[u8]| table.change(upstream, said.iter().map(Vec::as_slice), drain);
    assert_eq!(
        (change(b"u"), change(b"v"), change(b"w")),
        (Ok(true), Ok(true), Err(Full))
    );
    assert_eq!(table.len(), SLOTS);
    assert_eq!(table.find_asked(b"u", &address(3)), Some(10));
    assert_eq!(table.ask(b"u", &address(1), Some(10)), Err(Full));
}

#[test]
fn what_servers_ask_needs_not_be_saved() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    let is_unsaved = || table.is_unsaved(table.generation());
    assert_eq!(table.ask(b"u", b"a", Some(10)), Ok(true));
    assert!(!is_unsaved());
    table
        .change(b"u", [&b"b"[..]].into_iter(), over(State::Drain, 20))
        .unwrap();
    assert!(is_unsaved());
    assert!(table.end_one(10).is_some());
    assert!(is_unsaved());
    table.note_saved(table.generation());
    assert_eq!(table.ask(b"u", b"b", Some(15)), Ok(true));
    assert!(table.end_one(15).is_some() && !is_unsaved());
    assert!(table.end_one(20).is_some() && is_unsaved());
}

#[test]
fn what_was_said_is_forgotten_and_not_what_is_asked() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    assert!(!table.is_controlled());
    table.set_controlled(true);
    assert!(table.is_controlled());
    let drain = over(State::Drain, 0);
    (table.change(b"u", [&b"a"[..]].into_iter(), drain)).unwrap();
    table.ask(b"u", b"a", Some(10)).unwrap();
    table.forget_said();
    assert_eq!(table.find(b"u", b"a"), None);
    assert_eq!(table.find_asked(b"u", b"a"), Some(10));
}

impl Slot {
    /// Returns a word of the slot.
    fn word(&self, number: usize) -> &AtomicU64 {
        match number {
            0 => &self.state,
            1 => &self.asked,
            2 => &self.lengths,
            _ => &self.names[number - 3],
        }
    }
}
