//! The table against a map, and with processes that die at each store.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::word::death;

const SLOTS: usize = 4;

/// More than any operation stores in a table of this size.
const MOST_STORES: u32 = 600;

type Servers = BTreeMap<(Vec<u8>, Vec<u8>), Override>;

fn servers(table: Table<'_>) -> Servers {
    let mut servers = Servers::new();
    table.each(|entry| {
        let names = (entry.upstream.to_vec(), entry.address.to_vec());
        assert!(servers.insert(names, entry.over).is_none(), "twice");
    });
    assert_eq!(servers.len(), table.len());
    for ((upstream, address), over) in &servers {
        assert_eq!(table.find(upstream, address), Some(*over));
    }
    servers
}

#[derive(Clone, Debug)]
enum Operation {
    Change(u8, Vec<u8>, Option<Override>),
    End(u64),
}

fn upstream(number: u8) -> Vec<u8> {
    [
        b"app".repeat(usize::from(number) * 20),
        [b'a' + number].to_vec(),
    ]
    .concat()
}

/// Several of these begin alike.
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
            Operation::End(now) => {
                let mut shown = 0;
                while let Some(said) = table.end_one(*now) {
                    assert!(said.entry().over.is_over(*now));
                    shown += 1;
                }
                Ok(shown != 0)
            }
        }
    }

    fn run_on(&self, servers: &mut Servers) -> Result<bool, Full> {
        let before = servers.clone();
        match self {
            Operation::Change(name, addresses, to) => {
                for number in addresses {
                    let names = (upstream(*name), address(*number));
                    match to {
                        Some(over) => servers.insert(names, *over),
                        None => servers.remove(&names),
                    };
                }
                if servers.len() > SLOTS {
                    *servers = before;
                    return Err(Full);
                }
            }
            Operation::End(now) => {
                for (names, over) in &before {
                    if over.is_over(*now) {
                        match over.after() {
                            Some(over) => servers.insert(names.clone(), over),
                            None => servers.remove(names),
                        };
                    }
                }
            }
        }
        Ok(*servers != before)
    }
}

fn next_end(servers: &Servers) -> u64 {
    let ends = servers.values().filter_map(|over| over.until);
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
        1 => (0..10_u64).prop_map(Operation::End),
    ]
}

/// The last operation dies at each of its stores. Every server is what it was or what it was to be, workers are told that
/// something may have changed, and the table goes on.
fn die_at_each_store(operations: &[Operation]) {
    let (last, first) = operations.split_last().unwrap();
    for stores in 0..MOST_STORES {
        let memory = Memory::new(SLOTS);
        let table = memory.table();
        for operation in first {
            let _ = operation.run(table);
        }
        let (before, generation) = (servers(table), table.generation());
        let mut done = before.clone();
        let _ = last.run_on(&mut done);
        let survived = death::after(stores, || last.run(table)).is_some();

        let is_told = table.generation() != generation;
        table.repair();
        let left = servers(table);
        for names in before.keys().chain(done.keys()) {
            let over = left.get(names);
            assert!(
                [before.get(names), done.get(names)].contains(&over),
                "{names:?}"
            );
        }
        assert!(left
            .keys()
            .all(|names| before.contains_key(names) || done.contains_key(names)));
        assert!(is_told || left == before);
        assert_eq!(table.generation() % 2, 0);
        assert_eq!(table.next_end(), next_end(&left));

        let change = Operation::Change(0, Vec::from([0]), over(State::Down, 0));
        let mut then = left;
        assert_eq!(change.run(table), change.run_on(&mut then));
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
            prop_assert_eq!(changed, operation.run_on(&mut expected));
            prop_assert_eq!(servers(table), expected.clone());
            prop_assert_eq!(table.next_end(), next_end(&expected));
            prop_assert_eq!(table.generation() != generation, changed == Ok(true));
        }
    }

    #[test]
    fn who_dies_leaves_a_table(operations in proptest::collection::vec(operation(), 1..12)) {
        die_at_each_store(&operations);
    }

    /// No panic, and what is said is found, if there is room for it.
    #[test]
    fn nothing_is_trusted(words in proptest::collection::vec((0..SLOTS, 0..48_usize, any::<u64>()), 1..60)) {
        let memory = Memory::new(SLOTS);
        let table = memory.table();
        for (slot, word, value) in words {
            let value = if word == 0 { (value % 4) | (value >> 60 << 8) } else { value };
            memory.slots[slot].word(word).store(value, Ordering::Relaxed);
            table.each(|entry| assert!(entry.upstream.len() + entry.address.len() <= MAX_NAMES));
            for _ in 0..2 * SLOTS {
                let _ = table.end_one(5).map(|said| said.entry().upstream.len());
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
    assert_eq!(table.end_one(10).unwrap().entry().address, b"a");
    assert!(table.end_one(10).is_none());
    assert_eq!(table.find(b"u", b"a"), over(State::Down, 0));
    assert_eq!(table.next_end(), 20);
    assert_eq!(table.end_one(21).unwrap().entry().address, b"b");
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

impl Slot {
    /// Returns a word of the slot.
    fn word(&self, number: usize) -> &AtomicU64 {
        match number {
            0 => &self.state,
            1 => &self.lengths,
            _ => &self.names[number - 2],
        }
    }
}
