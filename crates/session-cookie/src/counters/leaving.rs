//! Counts the requests of a draining server's remaining sessions in the last minute.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::word::Word;

/// The time that a bucket covers, in seconds, and the number of buckets.
const SPAN: u64 = 6;
const BUCKETS: usize = 10;

/// The bits of a bucket that hold the count; the bits above hold its time.
const COUNT_BITS: u32 = 32;
const COUNT: u64 = u32::MAX as u64;

/// The time of the last request, and the number of requests in each part of a minute.
#[derive(Default)]
#[repr(C)]
pub(super) struct Buckets {
    last: AtomicU64,
    counts: [AtomicU64; BUCKETS],
}

/// The requests of a draining server's remaining sessions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Leaving {
    /// The number of requests in the last minute.
    pub last_minute: u64,
    /// The second of the last request.
    pub last: Option<u64>,
}

impl Leaving {
    /// No requests.
    pub const NONE: Self = Leaving {
        last_minute: 0,
        last: None,
    };
}

impl Buckets {
    /// Records a request in this second. Several workers may call this at the same time.
    pub(super) fn note(&self, now: u64) {
        self.last.fetch_max(now, Ordering::Relaxed);
        let span = now / SPAN;
        let place = span
            .checked_rem(BUCKETS as u64)
            .and_then(|at| usize::try_from(at).ok());
        let Some(bucket) = place.and_then(|at| self.counts.get(at)) else {
            return;
        };
        // This cannot fail: the closure always returns a value.
        let _ = bucket.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
            let count = if old >> COUNT_BITS == span & COUNT {
                (old & COUNT).saturating_add(1).min(COUNT)
            } else {
                1
            };
            Some(span << COUNT_BITS | count)
        });
    }

    pub(super) fn get(&self, now: u64) -> Leaving {
        let span = now / SPAN;
        let is_recent = |count: &u64| {
            let age = (span & COUNT).wrapping_sub(count >> COUNT_BITS) & COUNT;
            age < BUCKETS as u64
        };
        let counts = self.counts.each_ref().map(Word::get);
        let last = self.last.get();
        Leaving {
            last_minute: counts
                .iter()
                .filter(|count| is_recent(count))
                .fold(0u64, |sum, count| sum.saturating_add(count & COUNT)),
            last: (last != 0).then_some(last),
        }
    }

    pub(super) fn clear(&self) {
        self.last.set(0);
        self.counts.iter().for_each(|count| count.set(0));
    }

    pub(super) fn copy(&self, other: &Buckets) {
        self.last.set(other.last.get());
        for (count, other) in self.counts.iter().zip(&other.counts) {
            count.set(other.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_600_000_000;

    #[test]
    fn the_last_minute_slides() {
        let buckets = Buckets::default();
        assert_eq!(buckets.get(NOW).last, None);
        for second in 0..120 {
            buckets.note(NOW + second);
            let leaving = buckets.get(NOW + second);
            assert_eq!(leaving.last, Some(NOW + second));
            // A part of the oldest span may be more than a minute ago.
            assert!((second + 1).min(55) <= leaving.last_minute && leaving.last_minute <= 60);
        }
        assert_eq!(buckets.get(NOW + 119 + 60).last_minute, 0);
        assert_eq!(buckets.get(NOW + 1_000_000).last, Some(NOW + 119));
        // The clock is set back.
        buckets.note(NOW - 1_000);
        assert_eq!(buckets.get(NOW - 1_000).last_minute, 1);
        buckets.clear();
        assert_eq!(buckets.get(NOW), Leaving::NONE);
    }
}
