//! Compares a table with a map that never drops an entry.

use std::collections::HashMap;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Operation {
    Find(u32),
    Learn(u32, u32),
    Forget(u32),
    /// This number of ticks passes. It may be slightly negative.
    Wait(i32),
}

fn operation(sessions: u32) -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => (0..sessions).prop_map(Operation::Find),
        4 => (0..sessions, 0..5_u32).prop_map(|(session, server)| Operation::Learn(session, server)),
        1 => (0..sessions).prop_map(Operation::Forget),
        1 => (-3..60_i32).prop_map(Operation::Wait),
    ]
}

/// The sessions that the table was given, with the time of last use, except those that it reports as dropped.
#[derive(Default)]
struct Model(HashMap<u32, (u32, Tick)>);

impl Model {
    fn server(&self, session: u32, now: Tick) -> Option<u32> {
        let (server, used) = *self.0.get(&session)?;
        (now.since(used) <= TIMEOUT_TICKS as i32).then_some(server)
    }

    fn missing(&self, table: &Table<'_>, now: Tick) -> Vec<u32> {
        let sessions = self.0.keys().copied();
        sessions
            .filter(|session| {
                peek(table, *session, now) != self.server(*session, now).map(super::server)
            })
            .collect()
    }
}

fn check(slots: usize, start: u32, operations: Vec<Operation>) {
    let memory = Memory::new(slots);
    let table = memory.table();
    let mut model = Model::default();
    let mut now = Tick(start);
    let mut dropped = 0;
    for operation in operations {
        match operation {
            Operation::Find(session) => {
                let found = model.server(session, now);
                assert_eq!(
                    table.find_and_use(key(session), now, timeout()),
                    found.map(super::server)
                );
                if let Some(server) = found {
                    model.0.insert(session, (server, now));
                }
            }
            Operation::Learn(session, server) => {
                let known = model.server(session, now);
                let is_full = table.len() == slots;
                let learned = table.learn(key(session), &super::server(server), now, timeout());
                model.0.insert(session, (server, now));
                match (known, learned) {
                    (Some(known), Learned::Kept) => assert_eq!(known, server),
                    (Some(known), Learned::Moved) => assert_ne!(known, server),
                    (None, Learned::New) => {}
                    (None, Learned::Replaced) => {
                        assert!(is_full);
                        dropped += 1;
                        let [lost] = model.missing(&table, now)[..] else {
                            unreachable!("other than one session was dropped");
                        };
                        assert_ne!(lost, session);
                        model.0.remove(&lost);
                    }
                    what => unreachable!("{what:?}"),
                }
            }
            Operation::Forget(session) => {
                let was_alive = model.server(session, now).is_some();
                assert!(table.forget(key(session)) || !was_alive);
                model.0.remove(&session);
            }
            Operation::Wait(ticks) => now = Tick(now.0.wrapping_add_signed(ticks)),
        }
        assert!(model.missing(&table, now).is_empty());
        // An expired session whose slot was reused stays expired even if the clock goes back.
        model.0.retain(|session, (_, used)| {
            !timeout().is_over(*used, now) || table.chains.find(key(*session)).is_some()
        });
        let returned = returned(&table).len();
        assert_eq!(linked(&table).len(), table.len());
        assert_eq!(table.len() + returned, table.header.taken.get() as usize);
    }
    assert_eq!(table.take_dropped(), dropped);
    assert_eq!(table.take_dropped(), 0);
}

proptest! {
    #[test]
    fn a_table_does_what_a_map_does(
        slots in 1..24_usize,
        start in prop_oneof![any::<u32>(), Just(0_u32.wrapping_sub(50)), Just(i32::MAX as u32 - 50)],
        operations in proptest::collection::vec(operation(40), 0..200),
    ) {
        check(slots, start, operations);
    }
}

#[test]
fn a_table_tells_how_full_it_is() {
    let memory = Memory::new(10);
    let table = memory.table();
    assert!(table.is_empty());
    assert_eq!(table.capacity(), 10);
    assert_eq!(table.secret().0, SECRET.0);
    table.learn(key(1), &server(1), Tick(0), timeout());
    assert_eq!(table.len(), 1);
    assert!(!table.is_empty());

    table.clear(Secret([3, 4]));
    assert!(table.is_empty());
    assert_eq!(table.secret().0, [3, 4]);
    assert_eq!(table.find_and_use(key(1), Tick(0), timeout()), None);
}

#[test]
fn a_table_without_memory_learns_nothing() {
    let header = Header::default();
    let slots = [Slot::default()];
    for table in [
        Table::new(&header, &[], &slots),
        Table::new(&header, &[AtomicU32::default()], &[]),
    ] {
        table.clear(SECRET);
        table.learn(key(1), &server(1), Tick(0), timeout());
        assert_eq!(table.find_and_use(key(1), Tick(0), timeout()), None);
        assert!(!table.forget(key(1)));
    }
}
