//! What a table keeps of itself.

use core::sync::atomic::{AtomicU32, AtomicU64};

use crate::word::Word;

/// What a table keeps of itself in shared memory.
#[derive(Default)]
#[repr(C, align(64))]
pub struct Header {
    pub(super) secret: [AtomicU64; 2],
    returned: AtomicU64,
    /// The number of slots that were ever taken, from the first on.
    pub(super) taken: AtomicU32,
    /// The slot to which the hand of the clock points.
    pub(super) hand: AtomicU32,
    /// The sessions that were dropped while they were alive.
    pub(super) dropped: AtomicU32,
    /// When somebody was told of these; 0 if nobody was.
    pub(super) told: AtomicU32,
}

const _: () = assert!(size_of::<Header>() == 64);

/// The list of slots that were given back: its first (index + 1, or 0) and their number. One word has both, so the
/// number is always that of the list.
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
