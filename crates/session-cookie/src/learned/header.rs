//! The header of a table.

use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::word::Word;

/// The header of a table in shared memory.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    pub(super) secret: [AtomicU64; 2],
    returned: AtomicU64,
    /// The number of slots that were ever used; they are the first ones.
    pub(super) taken: AtomicU32,
    /// The index of the slot that the clock hand points to.
    pub(super) hand: AtomicU32,
    /// The number of live sessions that were dropped.
    pub(super) dropped: AtomicU32,
    /// The time at which that number was last reported; 0 if it never was.
    pub(super) told: AtomicU32,
}

const _: () = assert!(size_of::<Header>() == 64);

/// The list of freed slots: its first slot (index + 1, or 0) and its length. Both share one word and therefore always agree.
#[derive(Clone, Copy, Default)]
pub(super) struct Returned {
    pub(super) first: u32,
    pub(super) number: u32,
}

impl Header {
    pub(super) fn returned(&self) -> Returned {
        let [a, b, c, d, e, f, g, h] = self.returned.get().to_le_bytes();
        Returned {
            first: u32::from_le_bytes([a, b, c, d]),
            number: u32::from_le_bytes([e, f, g, h]),
        }
    }

    pub(super) fn set_returned(&self, list: Returned) {
        self.returned
            .set(u64::from(list.number) << u32::BITS | u64::from(list.first));
    }
}
