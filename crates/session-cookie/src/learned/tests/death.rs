//! A process is killed at each store of each operation while it holds the lock.

use proptest::prelude::*;

use super::*;
use crate::word::death;

const SLOTS: usize = 4;

/// More stores than any operation makes in a table of this size.
const MOST_STORES: u32 = 200;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Find(u32),
    Learn(u32, u32),
    Forget(u32),
}

impl Operation {
    fn session(self) -> u32 {
        let (Operation::Find(session) | Operation::Learn(session, _) | Operation::Forget(session)) =
            self;
        session
    }

    fn run(self, table: &Table<'_>, now: Tick) {
        match self {
            Operation::Find(session) => {
                table.find_and_use(key(session), now, timeout());
            }
            Operation::Learn(session, number) => {
                table.learn(key(session), &server(number), now, timeout());
            }
            Operation::Forget(session) => {
                table.forget(key(session));
            }
        }
    }
}

/// Returns the servers of all sessions.
fn servers(table: &Table<'_>, now: Tick) -> Vec<Option<ServerId>> {
    (0..20).map(|session| peek(table, session, now)).collect()
}

/// Returns the memory of a table after these operations.
fn after(operations: &[Operation], now: Tick) -> Memory {
    let memory = Memory::new(SLOTS);
    for operation in operations {
        operation.run(&memory.table(), now);
    }
    memory
}

/// Checks a table whose last operation was killed. Every session has its previous server or the one it would have after the
/// operation. Only the session of the operation may have lost its server, in addition to the session that the operation drops.
fn check_sessions(table: &Table<'_>, before: &[Option<ServerId>], operations: &[Operation]) {
    let now = Tick(7);
    let done = servers(&after(operations, now).table(), now);
    let last = operations[operations.len() - 1];
    for (session, server) in servers(table, now).into_iter().enumerate() {
        let is_own = session as u32 == last.session();
        let expected = [
            before[session],
            done[session],
            if is_own { None } else { done[session] },
        ];
        assert!(expected.contains(&server), "{session}: {server:?}");
    }
}

/// Checks that the table remains usable: all slots can hold a session, and none of these is lost.
fn check_future(table: &Table<'_>) {
    let now = Tick(9);
    for session in 1_000..1_000 + 3 * SLOTS as u32 {
        table.learn(key(session), &server(session % 7), now, timeout());
        let found = table.find_and_use(key(session), now, timeout());
        assert_eq!(found, Some(server(session % 7)));
        linked(table);
        returned(table);
    }
    assert_eq!(linked(table).len(), SLOTS);
    assert_eq!(table.len(), SLOTS);
    for session in 1_000..1_000 + 3 * SLOTS as u32 {
        table.forget(key(session));
    }
    assert_eq!(returned(table).len(), SLOTS);
    assert!(table.is_empty());
}

fn die_at_each_store(operations: &[Operation]) -> u32 {
    let now = Tick(7);
    let (last, first) = operations.split_last().unwrap();
    for stores in 0..MOST_STORES {
        let memory = after(first, now);
        let table = memory.table();
        let before = servers(&table, now);
        let survived = death::after(stores, || last.run(&table, now)).is_some();
        linked(&table);
        returned(&table);
        check_sessions(&table, &before, operations);
        check_future(&table);
        if survived {
            return stores;
        }
    }
    unreachable!("an operation without end");
}

#[test]
fn who_dies_with_the_lock_leaves_a_table() {
    use Operation::{Find, Forget, Learn};

    let full = [Learn(1, 1), Learn(2, 2), Learn(4, 3), Learn(7, 4)];
    for last in [
        Find(1),
        Learn(1, 1),
        Learn(1, 2),
        Learn(9, 1),
        Learn(10, 1),
        Forget(1),
        Forget(4),
    ] {
        for length in 0..=full.len() {
            let mut operations = full[..length].to_vec();
            operations.push(last);
            die_at_each_store(&operations);
            operations.insert(length, Find(1));
            operations.insert(length, Find(4));
            die_at_each_store(&operations);
            operations.insert(length, Forget(2));
            die_at_each_store(&operations);
        }
    }
    // key, server, state twice, chain, number of used slots
    assert_eq!(die_at_each_store(&[Learn(1, 1)]), 2 + 4 + 2 + 2 + 1);
    assert_eq!(die_at_each_store(&[Learn(1, 1), Find(1)]), 1);
}

#[test]
fn who_dies_often_leaves_a_table() {
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    let now = Tick(7);
    for round in 0..20_000_u32 {
        let random = round.wrapping_mul(2_654_435_769) >> 8;
        let session = random % 20;
        // each server belongs to one session, so a wrong one is noticed
        let operation = match random / 20 % 4 {
            0 => Operation::Forget(session),
            1 => Operation::Find(session),
            _ => Operation::Learn(session, session + 20 * (random / 80 % 2)),
        };
        let _ = death::after(random / 160 % 16, || operation.run(&table, now));
        linked(&table);
        returned(&table);
        for session in 0..20 {
            if let Some(found) = peek(&table, session, now) {
                assert!([server(session), server(session + 20)].contains(&found));
            }
        }
    }
    check_future(&table);
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        (0..20_u32).prop_map(Operation::Find),
        (0..20_u32, 0..5_u32).prop_map(|(session, server)| Operation::Learn(session, server)),
        (0..20_u32).prop_map(Operation::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_was_before(operations in proptest::collection::vec(operation(), 1..24)) {
        die_at_each_store(&operations);
    }
}
