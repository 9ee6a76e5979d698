//! Corrupt memory.

use core::sync::atomic::Ordering;

use proptest::prelude::*;

use super::*;
use crate::learned::slot::State;

/// Any value, often one that is meaningful.
fn word() -> impl Strategy<Value = u32> {
    prop_oneof![0..12_u32, any::<u32>(), Just(u32::MAX), Just(u32::MAX - 1)]
}

/// Overwrites one word of a table.
fn overwrite(memory: &Memory, place: usize, index: usize, value: u32) {
    let header = &memory.header;
    let slot = &memory.slots[index % memory.slots.len()];
    let wide = u64::from(value) << 32 | u64::from(value.rotate_left(16));
    match place {
        0 | 1 => memory.buckets[index % memory.buckets.len()].set(value),
        2 | 3 => slot.next.set(value),
        4 => slot.set_state(State::new(Tick(value), value as u8)),
        5 => slot.set_state(State::new(Tick(value), value as u8).touched()),
        6 => slot.fill(
            key(value % 20),
            &server(value % 99),
            State::new(Tick(value), 32),
        ),
        7 => header.hand.set(value),
        8 => header.taken.set(value),
        9 => header.set_returned(header::Returned {
            first: value,
            number: index as u32,
        }),
        _ => header.secret[index % 2].set(wide),
    }
}

fn copy(from: &Table<'_>, to: &Table<'_>, now: Tick) {
    let mut start = 0;
    for _ in 0..200 {
        match to.copy_slice(from, start, 3, now, timeout()) {
            Some(next) => start = next,
            None => return,
        }
    }
    unreachable!("a copy without end");
}

proptest! {
    /// There is no panic and no endless loop, and a session that was learned is found.
    #[test]
    fn nothing_is_trusted(
        slots in 1..20_usize,
        writes in proptest::collection::vec((0..11_usize, 0..64_usize, word(), 0..20_u32), 1..60),
    ) {
        let memory = Memory::new(slots);
        let table = memory.table();
        let now = Tick(7);
        for (place, index, value, session) in writes {
            overwrite(&memory, place, index, value);
            let _ = (table.len(), table.take_dropped());
            assert!(table.len() <= slots);
            table.find(key(index as u32), now, timeout());
            table.learn(key(session), &server(value % 99), now, timeout());
            let found = table.find(key(session), now, timeout());
            assert_eq!(found, Some(server(value % 99)));
            if value % 3 == 0 {
                table.forget(key(index as u32));
            }
            let other = Memory::new(1 + index % 9);
            copy(&table, &other.table(), now);
            linked(&other.table());
            overwrite(&other, place, index, value);
            copy(&Memory::new(3).table(), &other.table(), now);
        }
    }
}

#[test]
fn a_circle_is_cut() {
    let memory = Memory::new(8);
    let table = memory.table();
    for session in [1, 4, 7] {
        table.learn(key(session), &server(1), Tick(0), timeout());
    }
    // 7 → 4 → 1 → 7
    memory.slots[0].next.set(3);
    assert_eq!(table.find(key(10), Tick(0), timeout()), None);
    table.learn(key(10), &server(2), Tick(0), timeout());
    assert_eq!(table.find(key(10), Tick(0), timeout()), Some(server(2)));
    // The clock hand recovers the slots that were cut off.
    assert!(linked(&table).len() < 4);
    for session in 100..116 {
        table.learn(key(session), &server(1), Tick(0), timeout());
    }
    assert_eq!(linked(&table).len(), 8);
}

#[test]
fn a_length_that_is_too_long_is_no_server() {
    let memory = Memory::new(1);
    let table = memory.table();
    table.learn(key(1), &server(1), Tick(0), timeout());
    memory.slots[0].set_state(State::new(Tick(0), 33));
    assert_eq!(table.find(key(1), Tick(0), timeout()), None);
}

#[test]
fn a_table_is_made_of_any_memory() {
    let memory = Memory::new(4);
    for bucket in &memory.buckets {
        bucket.store(0x5a5a_5a5a, Ordering::Relaxed);
    }
    memory.table().clear(SECRET);
    assert!(linked(&memory.table()).is_empty());
}
