//! Compares the table with a map, and kills processes at each of their stores.

extern crate std;

use alloc::vec::Vec;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::table::WINDOW;
use super::*;
use crate::word::death;

struct Memory {
    header: Header,
    slots: Vec<Slot>,
}

impl Memory {
    fn new(slots: usize) -> Self {
        let memory = Memory {
            header: Header::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
        };
        memory.table().clear();
        memory
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.header, &self.slots)
    }
}

fn server(number: u32) -> Server {
    let line = Line::new(b"u", b"app.test:80", number % 2 == 1);
    let address = [&b"address "[..], &number.to_be_bytes()].concat();
    let address = Address::new(&address).unwrap();
    Server { line, address }
}

/// Returns the lingering servers and the times at which they started lingering.
fn all(table: Table<'_>) -> BTreeMap<Server, u64> {
    let mut all = BTreeMap::new();
    let mut from = 0;
    loop {
        let goes_on = table.show(from, 3, |place, server, since| {
            assert_eq!(table.find(place), Some((server, since)));
            assert_eq!(all.insert(server, since), None, "twice");
        });
        from += 3;
        if !goes_on {
            return all;
        }
    }
}

#[test]
fn lines_and_addresses_are_told_apart() {
    let line = Line::new(b"u", b"app.test:80", false);
    assert_eq!(line, Line::new(b"u", b"app.test:80", false));
    for (upstream, text, is_backup) in [
        (&b"v"[..], &b"app.test:80"[..], false),
        (b"u", b"app.test:8", false),
        (b"u", b"app.test:80", true),
    ] {
        assert_ne!(line, Line::new(upstream, text, is_backup));
    }
    assert_eq!(Address::new(&[1; MAX_ADDRESS + 1]), None);
    let address = Address::new(&[1; MAX_ADDRESS]).unwrap();
    assert_eq!(address.as_bytes(), [1; MAX_ADDRESS]);
    assert_ne!(Address::new(b"a"), Address::new(b"a\0"));
}

#[test]
fn the_time_is_over_after_so_many_seconds() {
    assert_eq!(seconds_left(10, 10, 5), Some(5));
    assert_eq!(seconds_left(10, 14, 5), Some(1));
    assert_eq!(seconds_left(10, 15, 5), None);
    assert_eq!(seconds_left(10, 9, 5), Some(5));
    assert_eq!(seconds_left(10, 10, 0), None);
}

#[test]
fn who_lingers_already_goes_on_as_before() {
    let memory = Memory::new(128);
    let table = memory.table();
    assert!(table.is_untouched());
    let add = |now| table.add([server(1), server(2)].iter(), now, now, 5);
    assert_eq!(add(10), Added { new: 2, dropped: 0 });
    assert!(!table.is_untouched());
    assert_eq!(add(14), Added { new: 0, dropped: 0 });
    assert_eq!(all(table)[&server(1)], 10);
    assert_eq!(add(15), Added { new: 2, dropped: 0 });
    assert_eq!(all(table)[&server(1)], 15);
}

#[test]
fn who_has_ended_does_not_begin_anew_before_its_time_is_over() {
    let memory = Memory::new(128);
    let table = memory.table();
    let add = |now| table.add([server(1)].iter(), now, now, 5).new;
    assert!(!table.end(&server(1)));
    assert_eq!(add(10), 1);
    assert!(table.end(&server(1)) && !table.end(&server(1)));
    assert!(all(table).is_empty());
    assert_eq!(add(14), 0);
    assert!(all(table).is_empty());
    assert_eq!(add(15), 1);
    assert_eq!(all(table)[&server(1)], 15);
    assert!(table.end(&server(1)));
    // The address was in DNS again.
    assert_eq!(table.remove([server(1)].iter()), 1);
    assert_eq!(add(16), 1);
}

/// A delayed worker process adds a server whose disappearance another has noticed in the meantime.
#[test]
fn what_is_told_late_begins_nothing_anew() {
    let memory = Memory::new(128);
    let table = memory.table();
    let add = |seen, now| table.add([server(1)].iter(), seen, now, 5).new;
    assert_eq!(add(9, 10), 1);
    assert_eq!(add(10, 20), 0);
    assert_eq!(all(table)[&server(1)], 10);
    // It was seen again since.
    assert_eq!(add(11, 20), 1);
    assert_eq!(all(table)[&server(1)], 20);
    assert!(table.end(&server(1)));
    assert_eq!(add(20, 30), 0);
    assert!(all(table).is_empty());
}

#[test]
fn where_there_is_no_room_the_oldest_goes() {
    let memory = Memory::new(WINDOW);
    let table = memory.table();
    let most = u32::try_from(WINDOW).unwrap();
    for number in 0..most {
        let added = table.add([server(number)].iter(), number.into(), number.into(), 100);
        assert_eq!(added, Added { new: 1, dropped: 0 });
    }
    let added = table.add([server(most), server(most + 1)].iter(), 100, 100, 100);
    // The time of the first server was over.
    assert_eq!(added, Added { new: 2, dropped: 1 });
    let left: BTreeSet<_> = all(table).into_keys().collect();
    assert_eq!(left, (2..most + 2).map(server).collect());
}

/// A table can hold half as many servers as it has slots.
#[test]
fn each_of_many_finds_a_place() {
    let memory = Memory::new(32_768);
    let table = memory.table();
    let many: Vec<_> = (0..16_384).map(server).collect();
    let added = table.add(many.iter(), 7, 7, 5);
    assert_eq!(
        added,
        Added {
            new: many.len(),
            dropped: 0
        }
    );
    assert_eq!(all(table).len(), many.len());
    assert_eq!(table.remove(many.iter().step_by(2)), many.len() / 2);
    assert_eq!(table.remove(many.iter().step_by(2)), 0);
    assert_eq!(all(table).len(), many.len() / 2);
}

#[derive(Clone, Debug)]
enum Operation {
    Add(Vec<u32>, u64),
    Remove(Vec<u32>),
}

const TIME: u64 = 3;

impl Operation {
    fn run(&self, table: Table<'_>) {
        match self {
            Operation::Add(numbers, now) => {
                let servers: Vec<_> = numbers.iter().copied().map(server).collect();
                table.add(servers.iter(), *now, *now, TIME);
            }
            Operation::Remove(numbers) => {
                let servers: Vec<_> = numbers.iter().copied().map(server).collect();
                table.remove(servers.iter());
            }
        }
    }

    fn run_on(&self, servers: &mut BTreeMap<Server, u64>) {
        match self {
            Operation::Add(numbers, now) => {
                for number in numbers {
                    let since = servers.entry(server(*number)).or_insert(*now);
                    if seconds_left(*since, *now, TIME).is_none() {
                        *since = *now;
                    }
                }
            }
            Operation::Remove(numbers) => {
                for number in numbers {
                    servers.remove(&server(*number));
                }
            }
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let numbers = || proptest::collection::vec(0..20_u32, 0..4);
    prop_oneof![
        (numbers(), 0..9_u64).prop_map(|(numbers, now)| Operation::Add(numbers, now)),
        numbers().prop_map(Operation::Remove),
    ]
}

/// Kills the last operation at each of its stores. Every server must have its previous or its intended state, the generation must
/// change if a server was added, and the table must remain usable.
fn die_at_each_store(operations: &[Operation]) {
    let (last, first) = operations.split_last().unwrap();
    for stores in 0..64 {
        let memory = Memory::new(WINDOW);
        let table = memory.table();
        first.iter().for_each(|operation| operation.run(table));
        let (before, generation) = (all(table), table.generation());
        let mut done = before.clone();
        last.run_on(&mut done);
        let survived = death::after(stores, || last.run(table)).is_some();

        let is_told = table.generation() != generation;
        table.repair();
        assert_eq!(table.generation() % 2, 0);
        let left = all(table);
        for server in before.keys().chain(done.keys()).chain(left.keys()) {
            let since = left.get(server);
            assert!([before.get(server), done.get(server)].contains(&since));
            assert!(is_told || since.is_none() || before.contains_key(server));
        }

        let more = Operation::Add(Vec::from([1, 30]), 10);
        let mut then = left;
        more.run(table);
        more.run_on(&mut then);
        assert_eq!(all(table), then);
        if survived {
            return;
        }
    }
    unreachable!("an operation without end");
}

proptest! {
    #[test]
    fn it_is_a_map(operations in proptest::collection::vec(operation(), 1..40)) {
        let memory = Memory::new(WINDOW);
        let table = memory.table();
        let mut expected = BTreeMap::new();
        for operation in &operations {
            let (before, generation) = (all(table), table.generation());
            operation.run(table);
            operation.run_on(&mut expected);
            let now = all(table);
            prop_assert_eq!(&now, &expected);
            let has_new = now.keys().any(|server| !before.contains_key(server));
            prop_assert!(!has_new || table.generation() != generation);
        }
    }

    #[test]
    fn who_dies_leaves_a_table(operations in proptest::collection::vec(operation(), 1..12)) {
        die_at_each_store(&operations);
    }

    /// There is no panic, and a server that is added is found, unless the random memory contents mark it as ended early.
    #[test]
    fn nothing_is_trusted(words in proptest::collection::vec((0..WINDOW, 0..8_usize, any::<u64>()), 1..60)) {
        let memory = Memory::new(WINDOW);
        let table = memory.table();
        for (slot, word, value) in words {
            memory.slots[slot].set_word(word, value);
            table.show(0, WINDOW, |_, server, _| assert!(server.address.as_bytes().len() <= MAX_ADDRESS));
            table.add([server(1)].iter(), u64::MAX, 5, 5);
            let mut found = false;
            table.show(0, WINDOW, |_, other, _| found |= other == server(1));
            let has_ended = |slot: &Slot| slot.holds(&server(1)) && slot.has_ended();
            prop_assert!(found || memory.slots.iter().any(has_ended));
        }
    }

    #[test]
    fn who_has_left_was_there(before in proptest::collection::btree_set(0..40_u32, 0..20), now in proptest::collection::btree_set(0..40_u32, 0..20)) {
        let sorted = |numbers: &BTreeSet<u32>| numbers.iter().copied().map(server).collect::<BTreeSet<_>>();
        let (before, now) = (sorted(&before), sorted(&now));
        let lists = [&before, &now].map(|servers| servers.iter().copied().collect::<Vec<_>>());
        let gone: BTreeSet<_> = left(&lists[0], &lists[1]).copied().collect();
        prop_assert_eq!(gone, before.difference(&now).copied().collect::<BTreeSet<_>>());
    }
}
