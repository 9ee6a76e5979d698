//! For how long a server drains that asks for it with its responses.

/// The latest second in which something may end: JSON has no greater numbers for all its readers.
pub const LATEST: u64 = 1 << 53;

/// Returns the second up to which a server drains that asks for it now.
pub fn end_of(now: u64, time: u64) -> u64 {
    now.saturating_add(time).clamp(1, LATEST)
}

/// Returns whether a server that asks now has asked in this second before, up to `until`: then the end stays.
pub fn is_renewed(until: u64, now: u64, time: u64) -> bool {
    until == end_of(now, time)
}

/// How many servers of an upstream have begun or ceased to ask in one second. Each time all workers apply what is known anew,
/// which they must not with each response of a server that cannot decide.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    second: u64,
    changes: u32,
}

impl Pace {
    /// The most changes for which everybody is told at once.
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

    /// Returns whether there were so many in this second that a server which ceases to ask drains for the rest of it.
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
