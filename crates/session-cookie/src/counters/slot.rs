//! The structures in shared memory.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::counts::{Count, COUNTERS};
use super::leaving::Buckets;
use crate::key::Key;
use crate::word::Word;

/// The header of a table.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    pub(super) secret: [AtomicU64; 2],
    /// The second in which counting began.
    pub(super) since: AtomicU64,
    /// The number of slots that have ever been used. Slots are used in order.
    pub(super) taken: AtomicU32,
    /// The index at which the search for a freed slot begins.
    pub(super) hand: AtomicU32,
    /// Whether there was no room for a server.
    pub(super) incomplete: AtomicU32,
}

const _: () = assert!(size_of::<Header>() == 64);

/// The index of the slot of a server, or of a part of an upstream's group.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct SlotId(pub(super) u32);

impl SlotId {
    /// No slot. Counts added to it are discarded.
    pub const NONE: Self = SlotId(u32::MAX);

    #[inline(always)]
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }

    /// Returns the link to the slot: its index + 1.
    pub(super) fn link(self) -> u32 {
        self.0.wrapping_add(1)
    }

    pub(super) fn of_link(link: u32) -> Option<Self> {
        link.checked_sub(1).map(SlotId)
    }
}

/// The slots of an upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Group {
    /// Requests by status. The list of servers begins in this slot.
    pub(super) requests: SlotId,
    pub(super) verdicts: SlotId,
    pub(super) actions: SlotId,
}

impl Group {
    /// The group of an upstream that is not counted.
    pub const NONE: Self = Group {
        requests: SlotId::NONE,
        verdicts: SlotId::NONE,
        actions: SlotId::NONE,
    };

    /// Returns the keys of the slots of a group.
    pub fn keys(key: Key) -> [Key; 3] {
        let Key([first, second]) = key;
        [0, 1, 2].map(|part| Key([first, second ^ part]))
    }
}

/// The link that ends a chain or a list.
pub(super) const END: u32 = 0;

/// The slot of a server, or of a part of a group.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Slot {
    key: [AtomicU64; 2],
    /// The next slot in the same bucket.
    pub(super) next: AtomicU32,
    /// The first slot of the server's group; none in the slots of the group itself.
    pub(super) group: AtomicU32,
    /// The next server of the group or, in the first slot of the group, the first server.
    pub(super) member: AtomicU32,
    /// The second in which the slot was last registered, never 0; 0 if the slot is free.
    pub(super) wanted: AtomicU32,
    /// The requests of the remaining sessions of a draining server.
    pub(super) leaving: Buckets,
    /// Whether the configuration drains the server, as it was last recorded: 0 or 1.
    pub(super) configured: AtomicU32,
}

const _: () = assert!(size_of::<Slot>() == 128);

impl Slot {
    pub(super) fn key(&self) -> Key {
        Key(self.key.each_ref().map(Word::get))
    }

    pub(super) fn set_key(&self, key: Key) {
        for (word, value) in self.key.iter().zip(key.0) {
            word.set(value);
        }
    }

    pub(super) fn is_free(&self) -> bool {
        self.wanted.get() == 0
    }

    /// Returns the group of a server.
    pub(super) fn group(&self) -> Option<SlotId> {
        SlotId::of_link(self.group.get())
    }
}

/// The counts of one worker.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Line([AtomicU64; COUNTERS]);

const _: () = assert!(size_of::<Line>() == 64);

impl Line {
    /// Counts a request.
    #[inline(always)]
    pub fn count(&self, count: Count) {
        self.add(count as usize, 1);
    }

    #[inline(always)]
    pub(super) fn add(&self, counter: usize, number: u64) {
        if let Some(counter) = self.0.get(counter) {
            counter.fetch_add(number, Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self) -> [u64; COUNTERS] {
        self.0.each_ref().map(Word::get)
    }

    /// Returns the counts and resets them to 0.
    pub(super) fn take(&self) -> [u64; COUNTERS] {
        self.0
            .each_ref()
            .map(|counter| counter.swap(0, Ordering::Relaxed))
    }
}
