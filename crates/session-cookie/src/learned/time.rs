//! Time in ticks of 100 milliseconds. It wraps around after 13 years.

const MILLIS: u64 = 100;

/// A point in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tick(pub(super) u32);

impl Tick {
    /// Converts from milliseconds since an arbitrary reference point, which must be the same for all users of a table.
    #[inline]
    pub fn from_millis(ms: u64) -> Self {
        #[allow(clippy::cast_possible_truncation)] // it wraps around
        Tick((ms / MILLIS) as u32)
    }

    /// Returns the number of ticks since `earlier`. It is negative if `earlier` is in the future, as clocks of processes may
    /// differ slightly.
    #[inline(always)]
    pub(super) fn since(self, earlier: Tick) -> i32 {
        #[allow(clippy::cast_possible_wrap)] // more than half the range is in the future
        let ticks = self.0.wrapping_sub(earlier.0) as i32;
        ticks
    }
}

/// The time after which an unused session expires.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeout(i32);

impl Timeout {
    /// One minute.
    pub(super) const MINUTE: Self = Timeout(600);

    /// Converts from milliseconds, rounding up. The maximum is half the range of ticks; longer ages cannot be distinguished.
    #[inline]
    pub fn from_millis(ms: u64) -> Self {
        Timeout(i32::try_from(ms.div_ceil(MILLIS)).unwrap_or(i32::MAX))
    }

    /// Returns `true` if a session that was last used at `used` has expired at `now`.
    #[inline(always)]
    pub(super) fn is_over(self, used: Tick, now: Tick) -> bool {
        now.since(used) > self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_become_ticks() {
        assert_eq!(Tick::from_millis(99), Tick(0));
        assert_eq!(Tick::from_millis(100), Tick(1));
        assert_eq!(Tick::from_millis((1 << 32) * 100 + 700), Tick(7));
        assert_eq!(Timeout::from_millis(0), Timeout(0));
        assert_eq!(Timeout::from_millis(1), Timeout(1));
        assert_eq!(Timeout::from_millis(100), Timeout(1));
        assert_eq!(Timeout::from_millis(u64::MAX), Timeout(i32::MAX));
    }

    #[test]
    fn a_session_is_over_after_its_timeout() {
        let timeout = Timeout::from_millis(1_000);
        for used in [0, 1_000, u32::MAX - 20, u32::MAX - 5, u32::MAX] {
            let at = |ticks: u32| Tick(used.wrapping_add(ticks));
            assert!(!timeout.is_over(Tick(used), at(0)));
            assert!(!timeout.is_over(Tick(used), at(10)));
            assert!(timeout.is_over(Tick(used), at(11)));
            assert!(!timeout.is_over(at(3), Tick(used)), "used in the future");
        }
        let longest = Timeout::from_millis(u64::MAX);
        assert!(!longest.is_over(Tick(0), Tick(i32::MAX as u32)));
    }
}
