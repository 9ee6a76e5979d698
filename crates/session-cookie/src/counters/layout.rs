//! The layout of the memory.

use core::sync::atomic::AtomicU32;

use super::slot::{Header, Line, Slot};

/// The layout of the memory: header, slots, lines, buckets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Layout {
    /// The number of slots.
    pub slots: usize,
    /// The number of lines: the number of slots times a power of two.
    pub lines: usize,
    /// The number of buckets, a power of two.
    pub buckets: usize,
    /// The offset of the slots in bytes.
    pub slots_at: usize,
    /// The offset of the lines in bytes.
    pub lines_at: usize,
    /// The offset of the buckets in bytes.
    pub buckets_at: usize,
    /// The total size in bytes.
    pub bytes: usize,
}

/// The index of a slot + 1 must fit in 32 bits, and no slot has the greatest index, [`SlotId::NONE`](super::SlotId::NONE).
const MOST_SLOTS: usize = 1 << 31;

impl Layout {
    /// Returns the layout for this number of slots, each with one line per worker, rounded up to a power of two.
    /// Returns `None` if there are too many.
    pub fn new(slots: usize, workers: usize) -> Option<Self> {
        if slots > MOST_SLOTS {
            return None;
        }
        let buckets = slots.checked_next_power_of_two()?;
        let lines = workers.checked_next_power_of_two()?.checked_mul(slots)?;
        let slots_at = size_of::<Header>();
        let lines_at = slots
            .checked_mul(size_of::<Slot>())?
            .checked_add(slots_at)?;
        let buckets_at = lines
            .checked_mul(size_of::<Line>())?
            .checked_add(lines_at)?;
        let bytes = buckets
            .checked_mul(size_of::<AtomicU32>())?
            .checked_add(buckets_at)?;
        Some(Layout {
            slots,
            lines,
            buckets,
            slots_at,
            lines_at,
            buckets_at,
            bytes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_apart_and_aligned() {
        for slots in [1, 2, 3, 1_000, 25_003] {
            for workers in [0, 1, 3, 16] {
                let layout = Layout::new(slots, workers).unwrap();
                assert_eq!(layout.lines, slots * workers.max(1).next_power_of_two());
                assert!(layout.buckets.is_power_of_two() && layout.buckets >= slots);
                assert_eq!(layout.slots_at % align_of::<Slot>(), 0);
                assert_eq!(layout.lines_at % align_of::<Line>(), 0);
                assert_eq!(layout.lines_at - layout.slots_at, slots * 128);
                assert_eq!(layout.buckets_at - layout.lines_at, layout.lines * 64);
                assert_eq!(layout.bytes - layout.buckets_at, layout.buckets * 4);
            }
        }
        assert_eq!(Layout::new(usize::MAX, 1), None);
        assert_eq!(Layout::new(1 << 31, usize::MAX), None);
    }
}
