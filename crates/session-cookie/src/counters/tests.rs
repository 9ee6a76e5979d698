//! Tests of whole tables: sums, room, and the state after a process has died.

extern crate std;

use alloc::vec::Vec;
use core::sync::atomic::AtomicU32;

use proptest::prelude::*;

use super::slot::END;
use super::*;
use crate::status::{ActionTaken, Status};
use crate::verdict::Verdict;
use crate::word::{death, Word};

const SECRET: Secret = Secret([1, 2]);

struct Memory {
    header: Header,
    buckets: Vec<AtomicU32>,
    slots: Vec<Slot>,
    lines: Vec<Line>,
}

impl Memory {
    fn new(slots: usize, workers: usize) -> Self {
        let layout = Layout::new(slots, workers).unwrap();
        let memory = Memory {
            header: Header::default(),
            buckets: (0..layout.buckets).map(|_| AtomicU32::default()).collect(),
            slots: (0..layout.slots).map(|_| Slot::default()).collect(),
            lines: (0..layout.lines).map(|_| Line::default()).collect(),
        };
        memory.table().clear(SECRET, 7);
        memory
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.header, &self.buckets, &self.slots, &self.lines)
    }
}

fn upstream(number: u32) -> Key {
    Key([u64::from(number % 3), u64::from(number) << 8])
}

/// The key of a server. Few of its bits select the bucket, so chains become long.
fn server(upstream: u32, number: u32) -> Key {
    Key([
        u64::from(number % 3),
        u64::from(upstream) << 32 | u64::from(number) | 1 << 63,
    ])
}

/// Checks that each slot in use is in the chain of its bucket once, and each server in the list of its group once.
fn check(table: &Table<'_>) {
    let mut found = Vec::new();
    for bucket in table.buckets {
        for (id, slot) in table.walk(bucket.get(), |slot| slot.next.get()) {
            assert!(!slot.is_free() && !found.contains(&id.0));
            assert_eq!(table.find(slot.key()), Some(id));
            if let Some(first) = slot.group() {
                assert_eq!(
                    table.members(first).filter(|member| member.0 == id).count(),
                    1
                );
            }
            found.push(id.0);
        }
    }
    let (_, used) = table.usage();
    assert!(found.len() <= used);
}

#[test]
fn each_count_is_that_of_its_server() {
    let memory = Memory::new(16, 3);
    let table = memory.table();
    let one = table.register_group(upstream(1), 1).unwrap();
    let two = table.register_group(upstream(2), 1).unwrap();
    let a = table.register(server(1, 1), one, 1).unwrap();
    let b = table.register(server(1, 2), one, 1).unwrap();
    let other = table.register(server(2, 1), two, 1).unwrap();
    check(&table);

    for worker in 0..9 {
        table.add(a, worker, Count::Settled);
        table.line(b, worker).unwrap().count(Count::Opened);
    }
    let counts = [
        Count::New,
        Count::Bound,
        Count::Moved,
        Count::Lent,
        Count::Refused,
        Count::Away,
    ];
    for (times, count) in counts.into_iter().enumerate() {
        (0..=times).for_each(|_| table.add(a, 1, count));
    }
    table.add(SlotId::NONE, 0, Count::Bound);
    let counted = ServerCounts {
        new: 1,
        bound: 9 + 2,
        moved: 3,
        lent: 4,
        refused: 5,
        moved_away: 6,
    };
    assert_eq!(table.server(a), counted);
    assert_eq!(
        table.server(b),
        ServerCounts {
            new: 9,
            ..ServerCounts::default()
        }
    );
    assert_eq!(table.server(other), ServerCounts::default());
    assert_eq!(table.upstream(two), UpstreamCounts::default());
    let counts = table.upstream(one);
    assert_eq!(
        counts.requests,
        RequestCounts {
            new: 10,
            bound: 11,
            moved: 3,
            lent: 4,
            refused: 5,
            off: 0
        }
    );
    assert_eq!((counts.verdicts.valid, counts.verdicts.none), (9, 9));
    assert_eq!((counts.actions.none, counts.actions.inserted), (9, 9));
}

#[test]
fn requests_without_a_server_are_those_of_their_upstream() {
    let memory = Memory::new(16, 3);
    let table = memory.table();
    let group = table.register_group(upstream(1), 1).unwrap();
    let statuses = [
        Status::New,
        Status::Bound,
        Status::Moved,
        Status::Lent,
        Status::Refused,
    ];
    for (times, status) in statuses.into_iter().enumerate() {
        (0..=times).for_each(|_| table.add_without_server(group, 0, status));
    }
    table.add_off(group, 2);
    table.add_over_limit(group, 1);
    table.add_over_limit(group, 2);
    let counts = table.upstream(group);
    assert_eq!(counts.over_limit, 2);
    assert_eq!(counts.requests, counts.without_server);
    assert_eq!(
        counts.requests,
        RequestCounts {
            new: 1,
            bound: 2,
            moved: 3,
            lent: 4,
            refused: 5,
            off: 1
        }
    );
}

#[test]
fn each_verdict_and_each_action_has_a_counter() {
    let memory = Memory::new(16, 3);
    let table = memory.table();
    let group = table.register_group(upstream(1), 1).unwrap();
    let verdicts = [
        Verdict::None,
        Verdict::Accepted,
        Verdict::Expired,
        Verdict::Old,
        Verdict::Unknown,
        Verdict::Down,
        Verdict::Invalid,
        Verdict::Forged,
    ];
    for (times, verdict) in verdicts.into_iter().enumerate() {
        (0..=times).for_each(|_| table.add_verdict(group, 5, verdict, ActionTaken::Updated));
    }
    for action in [
        ActionTaken::Rewritten,
        ActionTaken::Prefixed,
        ActionTaken::Preserved,
        ActionTaken::Deleted,
    ] {
        table.add_verdict(group, 5, Verdict::None, action);
    }
    table.add_off(group, 5);
    table.add_off(group, 6);
    let UpstreamCounts {
        verdicts, actions, ..
    } = table.upstream(group);
    let expected = VerdictCounts {
        none: 5,
        valid: 2,
        expired: 3,
        old: 4,
        unknown: 5,
        down: 6,
        invalid: 7,
        forged: 8,
        unused: 2,
    };
    assert_eq!(verdicts, expected);
    let expected = ActionCounts {
        none: 2,
        inserted: 0,
        updated: 36,
        rewritten: 1,
        prefixed: 1,
        preserved: 1,
        deleted: 1,
    };
    assert_eq!(actions, expected);
}

#[test]
fn what_was_registered_is_found() {
    let memory = Memory::new(16, 3);
    let table = memory.table();
    let group = table.register_group(upstream(1), 1).unwrap();
    let slot = table.register(server(1, 1), group, 1);
    assert_eq!(table.register(server(1, 1), group, 2), slot);
    assert_eq!(table.find(server(1, 1)), slot);
    assert_eq!(table.find(server(1, 2)), None);
    assert_eq!(table.find_group(upstream(1)), Some(group));
    assert_eq!(table.find_group(upstream(2)), None);
}

#[test]
fn workers_lose_nothing() {
    let memory = Memory::new(4, 2);
    let table = memory.table();
    let group = table.register_group(upstream(1), 1).unwrap();
    let slot = table.register(server(1, 1), group, 1).unwrap();
    std::thread::scope(|threads| {
        for worker in 0..4 {
            threads.spawn(move || {
                for _ in 0..50_000 {
                    table.add(slot, worker, Count::Bound);
                    table.note_leaving(slot, 100);
                }
            });
        }
    });
    assert_eq!(table.server(slot).bound, 200_000);
    assert_eq!(table.leaving(slot, 101).last_minute, 200_000);
    assert_eq!(table.leaving(slot, 101).last, Some(100));
    table.begin_leaving(slot);
    assert_eq!(table.leaving(slot, 101), Leaving::NONE);
}

#[test]
fn requests_are_recorded_from_the_beginning_of_a_drain() {
    let memory = Memory::new(4, 2);
    let table = memory.table();
    let group = table.register_group(upstream(1), 1).unwrap();
    let slot = table.register(server(1, 1), group, 1).unwrap();
    let noted = |drains, already| {
        table.note_configuration(slot, drains, already);
        table.leaving(slot, 101).last
    };
    assert_eq!(noted(true, false), None);
    table.note_leaving(slot, 100);
    assert_eq!(noted(true, false), Some(100));
    assert_eq!(noted(false, false), Some(100));
    assert_eq!(noted(true, true), Some(100));
    assert_eq!(noted(false, true), Some(100));
    assert_eq!(noted(true, false), None);

    table.note_leaving(slot, 100);
    table.begin_leaving(slot);
    table.note_leaving(slot, 101);
    assert_eq!(noted(true, false), Some(101));

    let other = Memory::new(4, 2);
    let other = other.table();
    other.take_over(&table);
    let copy = other.find(server(1, 1)).unwrap();
    other.note_configuration(copy, true, false);
    assert_eq!(other.leaving(copy, 102).last, Some(101));
}

#[test]
fn a_slot_is_given_back_and_its_upstream_keeps_what_was_counted() {
    let memory = Memory::new(5, 2);
    let table = memory.table();
    let group = table.register_group(upstream(1), 1).unwrap();
    let a = table.register(server(1, 1), group, 10).unwrap();
    let b = table.register(server(1, 2), group, 20).unwrap();
    assert_eq!(table.register(server(1, 3), group, 20), None);
    table.add(a, 0, Count::Settled);
    table.add(a, 1, Count::Opened);
    table.add(a, 1, Count::Away);
    table.note_leaving(a, 5);
    table.add(b, 1, Count::Moved);
    let before = table.upstream(group);

    // Only the upstream itself is wanted. It has servers, and recently registered ones are kept.
    let keys = Group::keys(upstream(1));
    let is_wanted = |key| keys.contains(&key);
    assert_eq!(table.sweep(0, 3, 15, is_wanted), Some(3));
    assert_eq!(table.sweep(3, 3, 15, is_wanted), None);
    check(&table);
    assert_eq!(table.find(server(1, 1)), None);
    assert_eq!(table.find(server(1, 2)), Some(b));
    let after = table.upstream(group);
    assert_eq!(
        (after.requests, after.verdicts, after.actions),
        (before.requests, before.verdicts, before.actions)
    );
    assert_eq!(
        (after.without_server.bound, after.without_server.new),
        (1, 1)
    );

    let c = table.register(server(1, 3), group, 30).unwrap();
    assert_eq!(table.server(c), ServerCounts::default());
    assert_eq!(table.leaving(c, 5), Leaving::NONE);
    assert_eq!(table.upstream(group).requests, before.requests);

    // A removed upstream is freed after its servers.
    for _ in 0..2 {
        table.sweep(0, 100, 100, |_| false);
        check(&table);
    }
    assert_eq!(table.usage(), (5, 0));
}

#[test]
fn another_table_takes_over_what_was_counted() {
    let memory = Memory::new(10, 2);
    let table = memory.table();
    let one = table.register_group(upstream(1), 1).unwrap();
    let a = table.register(server(1, 1), one, 1).unwrap();
    let two = table.register_group(upstream(2), 1).unwrap();
    let b = table.register(server(2, 1), two, 1).unwrap();
    table.add(a, 0, Count::Settled);
    table.add(a, 1, Count::Settled);
    table.note_leaving(a, 50);
    table.add(b, 1, Count::Away);
    table.add_off(two, 1);
    table.note_incomplete();

    for (slots, workers) in [(10, 2), (20, 8), (8, 1), (4, 1)] {
        let other = Memory::new(slots, workers);
        let other = other.table();
        other.take_over(&table);
        check(&other);
        assert!(!other.is_complete());
        let slot = other.find(server(1, 1));
        assert_eq!(slot.is_some(), slots >= 8);
        if let (Some(slot), Some(group)) = (slot, other.find_group(upstream(2))) {
            assert_eq!(other.server(slot).bound, 2);
            assert_eq!(other.leaving(slot, 51), table.leaving(a, 51));
            assert_eq!(other.upstream(group), table.upstream(two));
        }
    }
    assert_eq!(table.since(), 7);
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Group(u32),
    Register(u32, u32),
    Sweep(u32),
}

impl Operation {
    fn run(self, table: &Table<'_>) {
        match self {
            Operation::Group(number) => drop(table.register_group(upstream(number), 1)),
            Operation::Register(number, at) => {
                if let Some(group) = table.register_group(upstream(number), 1) {
                    if let Some(slot) = table.register(server(number, at), group, 1) {
                        table.add(slot, 0, Count::Bound);
                    }
                }
            }
            Operation::Sweep(number) => {
                let is_wanted = |Key([_, second])| (second >> 32 & 0xff) != u64::from(number);
                table.sweep(0, 100, 1, is_wanted);
            }
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0..3_u32).prop_map(Operation::Group),
        (0..3_u32, 0..6_u32).prop_map(|(upstream, number)| Operation::Register(upstream, number)),
        (0..3_u32).prop_map(Operation::Sweep),
    ]
}

/// Checks that the table can still be used: freed slots make room for the same number of servers.
fn check_future(table: &Table<'_>) {
    for _ in 0..3 {
        table.sweep(0, 100, 1, |_| false);
        check(table);
    }
    assert_eq!(table.usage().1, 0);
    let group = table.register_group(upstream(9), 2).unwrap();
    let room = table.usage().0 - 3;
    for number in 0..room as u32 {
        let slot = table.register(server(9, number), group, 2).unwrap();
        assert_eq!(table.server(slot), ServerCounts::default());
        check(table);
    }
    assert_eq!(table.register(server(9, 99), group, 2), None);
    assert_eq!(table.upstream(group), UpstreamCounts::default());
    assert_eq!(table.members(group.requests).count(), room);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn who_dies_with_the_lock_leaves_a_table(operations in proptest::collection::vec(operation(), 1..16)) {
        let (last, first) = operations.split_last().unwrap();
        for stores in 0..1_000 {
            let memory = Memory::new(12, 2);
            let table = memory.table();
            first.iter().for_each(|operation| operation.run(&table));
            let survived = death::after(stores, || last.run(&table)).is_some();
            check(&table);
            check_future(&table);
            if survived {
                break;
            }
        }
    }

    #[test]
    fn nothing_is_trusted(
        writes in proptest::collection::vec((0..6_usize, 0..64_usize, prop_oneof![0..14_u32, any::<u32>()], operation()), 1..40),
    ) {
        let memory = Memory::new(9, 2);
        let table = memory.table();
        for (place, index, value, operation) in writes {
            let slot = &memory.slots[index % memory.slots.len()];
            match place {
                0 => memory.buckets[index % memory.buckets.len()].set(value),
                1 => slot.next.set(value),
                2 => slot.member.set(value),
                3 => slot.group.set(value),
                4 => memory.header.taken.set(value),
                _ => memory.header.hand.set(value),
            }
            operation.run(&table);
            let _ = table.find_group(upstream(1)).map(|group| table.upstream(group));
            Memory::new(5, 1).table().take_over(&table);
        }
    }
}

#[test]
fn a_table_is_made_of_any_memory() {
    let memory = Memory::new(4, 1);
    memory.buckets.iter().for_each(|bucket| bucket.set(3));
    memory.table().clear(SECRET, 7);
    assert!(memory.buckets.iter().all(|bucket| bucket.get() == END));
    assert_eq!(memory.table().usage(), (4, 0));
}
