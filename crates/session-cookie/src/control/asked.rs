//! The time for which a server drains after it has requested it with a response.

/// The latest second in which a state may end. Not all JSON parsers support greater numbers.
pub const LATEST: u64 = 1 << 53;

/// Returns the second up to which a server drains if it requests that now.
pub fn end_of(now: u64, time: u64) -> u64 {
    now.saturating_add(time).clamp(1, LATEST)
}

/// Returns whether `until` is the end that a request made now would set. The server has then already requested draining
/// in this second, and the end need not be changed.
pub fn is_renewed(until: u64, now: u64, time: u64) -> bool {
    until == end_of(now, time)
}

/// Counts how often the servers of an upstream begin or stop requesting draining in one second. After each change, all
/// workers apply the recorded states again, which must not happen with every response of a server that alternates.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    second: u64,
    changes: u32,
}

impl Pace {
    /// The number of changes in one second that take effect at once.
    const MOST: u32 = 16;

    /// Counts a change.
    pub fn count(&mut self, now: u64) {
        if self.second != now {
            *self = Pace {
                second: now,
                changes: 0,
            };
        }
        self.changes = self.changes.saturating_add(1);
    }

    /// Returns whether there were so many changes in this second that a server that stops requesting continues to drain
    /// until the second is over.
    pub fn is_hasty(self, now: u64) -> bool {
        self.second == now && self.changes >= Self::MOST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_renewed_once_a_second() {
        for time in [1, 4, 60] {
            let until = end_of(1000, time);
            assert_eq!(until, 1000 + time);
            assert!(is_renewed(until, 1000, time));
            assert!(!is_renewed(until, 1001, time));
        }
    }

    #[test]
    fn a_time_that_has_become_shorter_counts_from_the_next_response() {
        assert!(!is_renewed(1100, 1000, 60));
    }

    #[test]
    fn a_pace_is_that_of_one_second() {
        let mut pace = Pace::default();
        for _ in 0..Pace::MOST {
            assert!(!pace.is_hasty(1000));
            pace.count(1000);
        }
        assert!(pace.is_hasty(1000) && !pace.is_hasty(1001));
        pace.count(1001);
        assert!(!pace.is_hasty(1001));
    }

    #[test]
    fn no_time_is_too_long() {
        let until = end_of(1000, u64::MAX);
        assert_eq!(until, LATEST);
        assert!(is_renewed(until, 1000, u64::MAX));
    }
}
