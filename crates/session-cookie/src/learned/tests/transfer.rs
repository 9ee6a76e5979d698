//! Copying to a table of another size.

use std::vec::Vec;

use super::*;

fn copy(from: &Table<'_>, to: &Table<'_>, number: usize, now: Tick) -> usize {
    let mut start = 0;
    let mut slices = 1;
    while let Some(next) = to.copy_slice(from, start, number, now, timeout()) {
        assert!(next > start && (next - start <= number.max(1) || next == from.capacity()));
        start = next;
        slices += 1;
    }
    slices
}

/// Returns the number at this position of a shuffled order: 0, 7, 14, …
fn shuffled(number: u32, all: u32) -> u32 {
    number * 7 % all
}

fn of_ages(sessions: u32, slots: usize) -> Memory {
    let memory = Memory::new(slots);
    for number in 0..sessions {
        let age = shuffled(number, sessions);
        let used = Tick(0_u32.wrapping_sub(age));
        memory
            .table()
            .learn(key(age), &server(age % 99), used, timeout());
    }
    memory
}

#[test]
fn the_most_recently_used_sessions_are_copied() {
    // none is older than the timeout
    for (sessions, slots) in [
        (100, 1),
        (100, 7),
        (100, 99),
        (100, 100),
        (100, 101),
        (3, 2),
    ] {
        for number in [0, 1, 3, 1_000] {
            let from = of_ages(sessions, 100);
            let to = Memory::new(slots);
            let slices = copy(&from.table(), &to.table(), number, Tick(0));
            let rest = (sessions as usize).min(slots);
            assert!(slices <= (sessions as usize + rest) / number.max(1) + 3);
            assert_eq!(linked(&to.table()).len(), rest);
            assert_eq!(to.table().len(), rest);
            for age in 0..sessions {
                let found = peek(&to.table(), age, Tick(0));
                let expected = ((age as usize) < rest).then(|| server(age % 99));
                assert_eq!(found, expected, "{age} of {sessions} in {slots}");
            }
        }
    }
}

#[test]
fn the_oldest_are_replaced_first_in_the_copy() {
    let from = of_ages(100, 100);
    let to = Memory::new(64);
    copy(&from.table(), &to.table(), 10, Tick(0));
    for session in 1_000..1_008 {
        let learned = to
            .table()
            .learn(key(session), &server(1), Tick(0), timeout());
        assert_eq!(learned, Learned::Replaced);
    }
    let kept: Vec<u32> = (0..100)
        .filter(|age| peek(&to.table(), *age, Tick(0)).is_some())
        .collect();
    assert_eq!(kept.len(), 56);
    assert!((0..32).all(|age| kept.contains(&age)), "{kept:?}");
}

#[test]
fn what_is_over_or_was_forgotten_is_not_copied() {
    let from = of_ages(20, 20);
    from.table().forget(key(3));
    let to = Memory::new(20);
    let now = Tick(TIMEOUT_TICKS - 9);
    copy(&from.table(), &to.table(), 4, now);
    for age in 0..20 {
        let expected = (age <= 9 && age != 3).then(|| server(age % 99));
        assert_eq!(peek(&to.table(), age, now), expected);
    }
}

/// A slot whose process was killed before the slot was linked still contains its session.
#[test]
fn what_no_chain_leads_to_is_not_copied() {
    let from = of_ages(6, 6);
    let table = from.table();
    table.chains.entry(key(4)).unwrap().unlink();
    // The session is learned again in the same tick, in a slot before the other one.
    table.forget(key(1));
    table.learn(key(4), &server(50), Tick(0_u32.wrapping_sub(4)), timeout());
    assert_eq!(table.chains.entry(key(4)).unwrap().index, 1);
    table.chains.entry(key(3)).unwrap().unlink();
    let to = Memory::new(6);
    copy(&table, &to.table(), 2, Tick(0));
    assert_eq!(peek(&to.table(), 4, Tick(0)), Some(server(50)));
    assert_eq!(peek(&to.table(), 3, Tick(0)), None);
    assert_eq!(linked(&to.table()).len(), 4);
}

#[test]
fn a_session_that_changes_slots_while_it_is_copied_is_copied_once() {
    for is_newer_first in [false, true] {
        let from = of_ages(8, 8);
        let table = from.table();
        let to = Memory::new(8);
        let start = to
            .table()
            .copy_slice(&table, 0, 4, Tick(0), timeout())
            .unwrap();
        // from the first half to the second
        let session = shuffled(1, 8);
        let other = shuffled(6, 8);
        table.forget(key(session));
        table.forget(key(other));
        let used = Tick(if is_newer_first {
            0_u32.wrapping_sub(50)
        } else {
            1
        });
        table.learn(key(session), &server(60), used, timeout());
        let index = table.chains.entry(key(session)).unwrap().index;
        assert!(index as usize >= start);

        let mut next = Some(start);
        while let Some(start) = next {
            next = to.table().copy_slice(&table, start, 4, Tick(1), timeout());
        }
        let expected = if is_newer_first { session } else { 60 };
        assert_eq!(peek(&to.table(), session, Tick(1)), Some(server(expected)));
        assert_eq!(linked(&to.table()).len(), to.table().len());
        returned(&to.table());
    }
}
