//! Time in ticks of a tenth of a second, which wraps around after 13 years.

const MILLIS: u64 = 100;

/// A point of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tick(pub(super) u32);

impl Tick {
    /// Milliseconds since any event; which one, all who use a table must agree on.
    #[inline]
    pub fn from_millis(ms: u64) -> Self {
        #[allow(clippy::cast_possible_truncation)] // it wraps around
        Tick((ms / MILLIS) as u32)
    }

    /// Returns how long ago `earlier` was; negative if it is to come, as the clocks of two processes differ a little.
    #[inline(always)]
    pub(super) fn since(self, earlier: Tick) -> i32 {
        #[allow(clippy::cast_possible_wrap)] // more than half a turn is the future
        let ticks = self.0.wrapping_sub(earlier.0) as i32;
        ticks
    }
}

/// How long a session lives without being used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeout(i32);

impl Timeout {
    /// A minute.
    pub(super) const MINUTE: Self = Timeout(600);

    /// Rounded up, and no longer than half the time in which ticks wrap around: beyond it an age cannot be told.
    #[inline]
    pub fn from_millis(ms: u64) -> Self {
        Timeout(i32::try_from(ms.div_ceil(MILLIS)).unwrap_or(i32::MAX))
    }

    /// Returns whether a session that was used then is over now.
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
