//! The table of learned sessions, in memory that may be overwritten.

#![cfg_attr(feature = "libfuzzer", no_main)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use arbitrary::Arbitrary;
use session_cookie::learned::{Header, Key, Learned, Secret, ServerId, Slot, Table, Tick, Timeout};
use session_cookie_fuzz::fuzz_target;

const TIMEOUT: u64 = 100;

#[derive(Arbitrary, Debug)]
enum Operation {
    Find(u8),
    Learn(u8, u8),
    Forget(u8),
    Wait(u8),
    /// Overwrites a bucket, which may lose sessions or bring some back.
    Overwrite(u8, u32),
    Copy(u8, u8),
}

#[derive(Arbitrary, Debug)]
struct Input {
    slots: u8,
    start: u32,
    operations: Vec<Operation>,
}

struct Memory {
    header: Header,
    buckets: Vec<AtomicU32>,
    slots: Vec<Slot>,
}

impl Memory {
    fn new(slots: u8, secret: Secret) -> Self {
        let slots = usize::from(slots % 32) + 1;
        let memory = Memory {
            header: Header::default(),
            buckets: (0..slots.next_power_of_two())
                .map(|_| AtomicU32::default())
                .collect(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
        };
        memory.table().clear(secret);
        memory
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.header, &self.buckets, &self.slots)
    }
}

fn server(number: u8) -> ServerId {
    let text = [b'a' + number % 26; 32];
    ServerId::new(&text[..usize::from(number % 32) + 1]).unwrap()
}

/// Copies the live sessions in slices. The copy must not contain sessions that cannot be found in the table.
fn copy(from: &Table<'_>, slots: u8, number: u8, now: Tick, timeout: Timeout) -> Memory {
    let memory = Memory::new(slots, from.secret());
    let mut start = 0;
    let mut slices = 0;
    while let Some(next) = memory
        .table()
        .copy_slice(from, start, usize::from(number), now, timeout)
    {
        assert!(next > start);
        start = next;
        slices += 1;
        assert!(slices < 100);
    }
    memory
}

fuzz_target!(|input: Input| {
    let memory = Memory::new(input.slots, Secret([1, 2]));
    let table = memory.table();
    let key = |session: u8| Key::new(&table.secret(), &[session]);
    let timeout = Timeout::from_millis(TIMEOUT * 100);
    // Ticks wrap around; milliseconds do not.
    let mut millis = u64::from(input.start) * 100;
    let mut known = HashMap::new();
    let mut is_whole = true;
    let mut dropped = 0;

    for operation in input.operations {
        let now = Tick::from_millis(millis);
        match operation {
            Operation::Find(session) => {
                let found = table.find(key(session), now, timeout);
                if let Some(server) = &found {
                    let kept = table.renew(key(session), server, now, timeout);
                    assert_eq!(kept, Some(Learned::Kept));
                }
                match known.get_mut(&session) {
                    Some((number, used)) if found.is_some() => {
                        let is_it = found == Some(server(*number));
                        assert!(is_it && millis - *used <= TIMEOUT * 100 || !is_whole);
                        *used = millis;
                    }
                    _ => assert!(found.is_none() || !is_whole),
                }
            }
            Operation::Learn(session, number) => {
                let is_full = table.len() == table.capacity();
                let learned = table.learn(key(session), &server(number), now, timeout);
                if learned == Learned::Replaced {
                    assert!(is_full || !is_whole);
                    dropped += 1;
                }
                known.insert(session, (number, millis));
                assert_eq!(table.find(key(session), now, timeout), Some(server(number)));
            }
            Operation::Forget(session) => {
                table.forget(key(session));
                assert!(!is_whole || table.find(key(session), now, timeout).is_none());
                known.remove(&session);
            }
            Operation::Wait(ticks) => millis += u64::from(ticks) * 100,
            Operation::Overwrite(bucket, value) => {
                let bucket = usize::from(bucket) % memory.buckets.len();
                memory.buckets[bucket].store(value, Ordering::Relaxed);
                is_whole = false;
            }
            Operation::Copy(slots, number) => {
                let copy = copy(&table, slots, number, now, timeout);
                assert!(copy.table().len() <= table.capacity());
                for session in 0..=u8::MAX {
                    if let Some(found) = copy.table().find(key(session), now, timeout) {
                        assert_eq!(table.find(key(session), now, timeout), Some(found));
                        assert!(known.contains_key(&session) || !is_whole);
                    }
                }
            }
        }
        assert!(table.len() <= table.capacity());
    }
    assert_eq!(table.take_dropped(), dropped);
});
