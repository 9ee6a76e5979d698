//! Which session a new session replaces.

use std::vec::Vec;

use super::*;

fn learn(table: &Table<'_>, session: u32, now: Tick) -> Learned {
    table.learn(key(session), &server(session % 99), now, timeout())
}

/// Learns one session per slot, numbered from 0.
fn fill(table: &Table<'_>) {
    for session in 0..table.capacity() as u32 {
        assert_eq!(learn(table, session, Tick(0)), Learned::New);
    }
}

fn alive(table: &Table<'_>, sessions: impl Iterator<Item = u32>, now: Tick) -> Vec<u32> {
    sessions
        .filter(|session| peek(table, *session, now).is_some())
        .collect()
}

#[test]
fn a_session_that_was_used_outlives_those_that_were_not() {
    let memory = Memory::new(64);
    let table = memory.table();
    fill(&table);
    for session in (0..64).step_by(2) {
        table
            .find_and_use(key(session), Tick(1), timeout())
            .unwrap();
    }
    for session in 100..132 {
        assert_eq!(learn(&table, session, Tick(2)), Learned::Replaced);
    }
    let even: Vec<u32> = (0..64).step_by(2).collect();
    assert_eq!(alive(&table, 0..64, Tick(2)), even);
    assert_eq!(alive(&table, 100..132, Tick(2)).len(), 32);
    assert_eq!(table.take_dropped(), 32);
}

#[test]
fn among_those_that_were_used_the_oldest_goes() {
    let memory = Memory::new(64);
    let table = memory.table();
    fill(&table);
    for session in 0..64 {
        let used = Tick(if session == 9 { 3 } else { 5 });
        table.find_and_use(key(session), used, timeout()).unwrap();
    }
    assert_eq!(learn(&table, 100, Tick(6)), Learned::Replaced);
    let left: Vec<u32> = (0..64).filter(|session| *session != 9).collect();
    assert_eq!(alive(&table, 0..64, Tick(6)), left);
}

#[test]
fn a_flood_drives_out_no_session_in_use() {
    let forever = Timeout::from_millis(u64::MAX);
    for (slots, in_use) in [(64, 40), (400, 100), (400, 300), (1_000, 900)] {
        let memory = Memory::new(slots);
        let table = memory.table();
        let key = |session: u32| Key::new(&SECRET, &session.to_le_bytes());
        // These were learned in a row, so they are adjacent.
        for session in 0..in_use {
            table.learn(key(session), &server(1), Tick(0), forever);
        }
        for number in 0..10 * slots as u32 {
            let now = Tick(number / 8);
            if number % 8 == 0 {
                for session in 0..in_use {
                    table.renew(key(session), &server(1), now, forever);
                }
            }
            table.learn(key(10_000 + number), &server(2), now, forever);
        }
        let is_alive = |session: &u32| table.find(key(*session), Tick(0), forever).is_some();
        let left = (0..in_use).filter(is_alive).count();
        assert_eq!(left, in_use as usize, "of {slots}");
    }
}

#[test]
fn an_expired_session_is_replaced_before_one_that_is_alive() {
    let memory = Memory::new(8);
    let table = memory.table();
    fill(&table);
    let now = Tick(TIMEOUT_TICKS + 1);
    for session in (0..8).filter(|session| *session != 5) {
        table
            .find_and_use(key(session), Tick(50), timeout())
            .unwrap();
    }
    // in use, but expired
    table.find_and_use(key(5), Tick(0), timeout()).unwrap();
    assert_eq!(learn(&table, 100, now), Learned::New);
    assert_eq!(alive(&table, 0..8, now), [0, 1, 2, 3, 4, 6, 7]);
    assert_eq!(table.take_dropped(), 0);
}

#[test]
fn a_session_that_is_only_looked_up_is_not_used() {
    let memory = Memory::new(4);
    let table = memory.table();
    fill(&table);
    let last = Tick(TIMEOUT_TICKS);
    for session in 0..4 {
        assert!(table.find(key(session), last, timeout()).is_some());
    }
    let renewed = table.renew(key(1), &server(7), last, timeout());
    assert_eq!(renewed, Some(Learned::Moved));
    assert_eq!(table.renew(key(9), &server(7), last, timeout()), None);
    let after = Tick(TIMEOUT_TICKS + 1);
    assert_eq!(alive(&table, 0..4, after), [1]);
    assert_eq!(table.renew(key(2), &server(7), after, timeout()), None);
}

#[test]
fn a_flood_within_one_tick_drives_out_no_session_in_use() {
    let memory = Memory::new(256);
    let table = memory.table();
    let now = Tick(1);
    let key = |session: u32| Key::new(&SECRET, &session.to_le_bytes());
    let learn = |session| table.learn(key(session), &server(session % 99), now, timeout());
    let in_use = 0..60;
    for session in in_use.clone() {
        learn(session);
    }
    for flood in 0..10_000 {
        if flood % 40 == 0 {
            for session in in_use.clone() {
                let found = table.find_and_use(key(session), now, timeout());
                assert!(found.is_some(), "{session} after {flood}");
            }
        }
        learn(1_000 + flood);
    }
}

#[test]
fn somebody_is_told_once_a_minute() {
    let memory = Memory::new(1);
    let table = memory.table();
    fill(&table);
    assert_eq!(learn(&table, 1, Tick(0)), Learned::Replaced);
    assert_eq!(table.tell_dropped(Tick(0)), Some(1));
    assert_eq!(learn(&table, 2, Tick(0)), Learned::Replaced);
    assert_eq!(learn(&table, 3, Tick(0)), Learned::Replaced);
    assert_eq!(table.tell_dropped(Tick(601)), None);
    assert_eq!(table.tell_dropped(Tick(602)), Some(2));
}

#[test]
fn a_slot_that_was_given_back_is_used_first() {
    let memory = Memory::new(4);
    let table = memory.table();
    fill(&table);
    assert!(table.forget(key(0)) && table.forget(key(1)));
    assert!(!table.forget(key(1)));
    assert_eq!(table.len(), 2);
    assert_eq!(learn(&table, 10, Tick(0)), Learned::New);
    assert_eq!(learn(&table, 11, Tick(0)), Learned::New);
    assert_eq!(table.len(), 4);
    // The hand passes 10 and 11, which were not used since, but are newer than 2.
    assert_eq!(learn(&table, 12, Tick(0)), Learned::Replaced);
    assert_eq!(alive(&table, 0..13, Tick(0)), [3, 10, 11, 12]);
}

/// Returns a fixed sequence of sessions, some of them much more frequent than others.
fn sessions() -> impl Iterator<Item = u32> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    core::iter::from_fn(move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let uniform = (random >> 11) as f64 / (1_u64 << 53) as f64;
        Some((5_000_f64.powf(uniform)) as u32)
    })
    .take(60_000)
}

#[test]
fn nearly_as_many_sessions_are_found_as_with_a_list_by_use() {
    const SLOTS: usize = 256;
    let memory = Memory::new(SLOTS);
    let table = memory.table();
    let mut list: Vec<u32> = Vec::new();
    let (mut found, mut found_by_list) = (0, 0);
    for (number, session) in sessions().enumerate() {
        let now = Tick(number as u32);
        let forever = Timeout::from_millis(u64::MAX);
        // evenly distributed: `key` fills few chains
        let key = Key::new(&SECRET, &session.to_le_bytes());
        if table.find_and_use(key, now, forever).is_some() {
            found += 1;
        } else {
            table.learn(key, &server(1), now, forever);
        }
        if let Some(place) = list.iter().position(|other| *other == session) {
            found_by_list += 1;
            list.remove(place);
        } else if list.len() == SLOTS {
            list.remove(0);
        }
        list.push(session);
    }
    std::println!("found: {found}, with a list {found_by_list}");
    assert!(found_by_list > 30_000);
    assert!(found * 100 > found_by_list * 97);
}
