//! Tests of whole tables: their contents, and their state after a process is killed.

extern crate std;

mod clock;
mod corruption;
mod death;
mod model;
mod transfer;

use alloc::vec::Vec;
use core::sync::atomic::AtomicU32;
use std::collections::HashSet;

use super::chain::END;
use super::*;
use crate::word::Word;

const SECRET: Secret = Secret([1, 2]);

const TIMEOUT_TICKS: u32 = 100;

fn timeout() -> Timeout {
    Timeout::from_millis(u64::from(TIMEOUT_TICKS) * 100)
}

/// Returns the key of a session. The keys share few buckets, so chains are long.
fn key(session: u32) -> Key {
    Key([u64::from(session % 3), u64::from(session)])
}

fn server(number: u32) -> ServerId {
    // of varying length, and different in each word
    let text = std::format!("{number:02}").repeat(16);
    ServerId::new(&text.as_bytes()[..32 - number as usize % 31]).unwrap()
}

struct Memory {
    header: Header,
    buckets: Vec<AtomicU32>,
    slots: Vec<Slot>,
}

impl Memory {
    fn new(slots: usize) -> Self {
        let memory = Memory {
            header: Header::default(),
            buckets: (0..slots.next_power_of_two())
                .map(|_| AtomicU32::default())
                .collect(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
        };
        memory.table().clear(SECRET);
        memory
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.header, &self.buckets, &self.slots)
    }
}

/// Returns the slots in chains. Unless the memory is corrupt, each is in one chain, that of its key, and no other slot has its
/// key.
fn linked(table: &Table<'_>) -> HashSet<u32> {
    let mut linked = HashSet::new();
    let mut keys = HashSet::new();
    for (number, bucket) in table.chains.buckets.iter().enumerate() {
        let mut link = bucket.get();
        while link != END {
            let (index, slot) = table.chains.follow(link).unwrap();
            assert!(linked.insert(index), "in two chains, or a circle");
            let Key([hash, rest]) = slot.key();
            assert_eq!(hash as usize % table.chains.buckets.len(), number);
            assert!(keys.insert((hash, rest)), "twice the same session");
            assert!(index < table.header.taken.get());
            link = slot.next.get();
        }
    }
    linked
}

/// Returns the freed slots. They are in no chain, and their number is the recorded one.
fn returned(table: &Table<'_>) -> HashSet<u32> {
    let mut returned = HashSet::new();
    let mut link = table.header.returned().first;
    while link != END {
        let (index, slot) = table.chains.follow(link).unwrap();
        assert!(returned.insert(index), "a circle");
        assert!(slot.state().is_empty());
        link = slot.next.get();
    }
    assert_eq!(returned.len(), table.header.returned().number as usize);
    assert!(returned.is_disjoint(&linked(table)));
    returned
}

impl Table<'_> {
    /// Returns the server of a session and records the use of the session.
    fn find_and_use(&self, key: Key, now: Tick, timeout: Timeout) -> Option<ServerId> {
        let server = self.find(key, now, timeout)?;
        assert_eq!(self.renew(key, &server, now, timeout), Some(Learned::Kept));
        Some(server)
    }
}

/// Returns the server of a session without recording a use.
fn peek(table: &Table<'_>, session: u32, now: Tick) -> Option<ServerId> {
    let slot = table.chains.find(key(session))?;
    let state = slot.state();
    slot.server(state)
        .filter(|_| state.is_alive(now, timeout()))
}
