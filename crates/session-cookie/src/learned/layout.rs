//! The memory layout of a table.

use core::sync::atomic::AtomicU32;

use super::header::Header;
use super::slot::Slot;

/// The memory layout of a table: header, buckets, slots.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Layout {
    /// The number of slots, at least 1.
    pub slots: usize,
    /// The number of buckets: the smallest power of two that is not less than the number of slots, so most chains have one or
    /// two slots.
    pub buckets: usize,
    /// The offset of the buckets, in bytes.
    pub buckets_at: usize,
    /// The offset of the slots, in bytes.
    pub slots_at: usize,
}

/// The binary logarithm of the maximum number of buckets. An index + 1 must fit in 32 bits.
const MOST_BUCKETS: u32 = 31;

impl Layout {
    /// Returns the layout with the most slots for this number of bytes, aligned to 64, or `None` if not even one slot fits.
    pub fn of(bytes: usize) -> Option<Self> {
        (0..=MOST_BUCKETS)
            .rev()
            .filter_map(|exponent| Self::with_buckets(1_usize.checked_shl(exponent)?, bytes))
            .max_by_key(|layout| layout.slots)
    }

    fn with_buckets(buckets: usize, bytes: usize) -> Option<Self> {
        let buckets_at = size_of::<Header>();
        let slots_at = buckets
            .checked_mul(size_of::<AtomicU32>())?
            .checked_add(buckets_at)?
            .checked_next_multiple_of(align_of::<Slot>())?;
        let slots = bytes
            .checked_sub(slots_at)?
            .checked_div(size_of::<Slot>())?
            .min(buckets);
        (slots > 0).then_some(Layout {
            slots,
            buckets,
            buckets_at,
            slots_at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: usize) {
        let Some(layout) = Layout::of(bytes) else {
            assert!(bytes < 64 + 64 + 64, "{bytes}");
            return;
        };
        let Layout {
            slots,
            buckets,
            buckets_at,
            slots_at,
        } = layout;
        assert!(slots > 0 && slots <= buckets);
        assert!(buckets.is_power_of_two() && buckets <= 1 << MOST_BUCKETS);
        assert!(buckets_at >= size_of::<Header>() && buckets_at % align_of::<AtomicU32>() == 0);
        assert!(slots_at >= buckets_at + buckets * size_of::<AtomicU32>());
        assert!(slots_at % align_of::<Slot>() == 0);
        assert!(slots_at + slots * size_of::<Slot>() <= bytes);
        let session = 64 + 8;
        let sessions = (bytes - 64 - 64) / session;
        assert!(
            slots >= sessions.min(1 << MOST_BUCKETS),
            "{bytes}: {layout:?}"
        );
    }

    #[test]
    fn memory_of_every_size_is_divided() {
        (0..=65_536).for_each(check);
        for exponent in 16..usize::BITS {
            for bytes in [(1 << exponent) - 1, 1 << exponent, (1 << exponent) + 4_097] {
                check(bytes);
            }
        }
        check(usize::MAX);
    }

    #[test]
    fn a_megabyte_has_room_for_15_000_sessions() {
        assert!(Layout::of(1 << 20).unwrap().slots > 15_000);
    }
}
