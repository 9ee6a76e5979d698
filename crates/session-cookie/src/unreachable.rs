//! Servers that did not accept the most recent connection.
//!
//! A session that must not move has no other server to use. Its requests are refused without a try only while its
//! server is known not to accept connections; a late response or another error does not show that. The rules are those
//! of nginx's `max_fails` and `fail_timeout` (`ngx_http_upstream_get_peer`, `ngx_http_upstream_free_round_robin_peer`),
//! applied to connection failures only.

use alloc::boxed::Box;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

use crate::memory::{self, OutOfMemory};

/// The parameters of a `server` directive that specify how many failures are tolerated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tolerance {
    /// The number of failures that make a server unavailable; 0 disables this.
    pub max_fails: u64,
    /// The time in seconds for which the server is then unavailable.
    pub fail_timeout: u64,
}

/// The failures of a server that did not accept its most recent connection. `T` identifies a request that tries it again.
#[derive(Clone, Copy, Debug)]
#[allow(clippy::disallowed_methods)] // a copy allocates nothing
struct Failures<T> {
    tolerance: Tolerance,
    count: u64,
    /// The time of the last failure, in seconds.
    at: u64,
    /// The request that tries the server again, and the time at which it began.
    trial: Option<(T, u64)>,
}

impl<T: Copy> Failures<T> {
    /// Returns the last second in which the server is not tried, unless that has passed. While one request tries the
    /// server again, other requests are held off for another `fail_timeout`, or until that request is connected.
    fn until(&self, now: u64, is_connected: impl Fn(T) -> bool) -> Option<u64> {
        let Tolerance {
            max_fails,
            fail_timeout,
        } = self.tolerance;
        if max_fails == 0 || self.count < max_fails {
            return None;
        }
        match self.trial {
            Some((trial, since)) => {
                let until = since.saturating_add(fail_timeout);
                (now <= until && !is_connected(trial)).then_some(until)
            }
            None => {
                let until = self.at.saturating_add(fail_timeout);
                (now <= until).then_some(until)
            }
        }
    }
}

/// The servers that did not accept their most recent connection, by address.
///
/// ```
/// use session_cookie::unreachable::{Tolerance, Unreachable};
///
/// let mut servers = Unreachable::<()>::default();
/// servers.fail(b"192.0.2.1:80", Tolerance { max_fails: 1, fail_timeout: 10 }, 1_600_000_000)?;
///
/// let is_connected = |()| false;
/// let until = servers.refused_until(b"192.0.2.1:80", 1_600_000_005, is_connected);
/// assert_eq!(until, Some(1_600_000_010));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
pub struct Unreachable<T>(HashMap<Box<[u8]>, Failures<T>, FxBuildHasher>);

impl<T> Default for Unreachable<T> {
    fn default() -> Self {
        Unreachable(HashMap::default())
    }
}

impl<T: Copy> Unreachable<T> {
    /// Returns whether every server accepted its most recent connection.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Records that a server did not accept a connection.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails; nothing is recorded then.
    pub fn fail(
        &mut self,
        address: &[u8],
        tolerance: Tolerance,
        now: u64,
    ) -> Result<(), OutOfMemory> {
        if let Some(failures) = self.0.get_mut(address) {
            // Failures within `fail_timeout` of each other add up; so does a failure of a server that is tried again.
            let lately = now <= failures.at.saturating_add(tolerance.fail_timeout);
            let adds_up = lately || failures.count >= tolerance.max_fails;
            *failures = Failures {
                tolerance,
                count: if adds_up {
                    failures.count.saturating_add(1)
                } else {
                    1
                },
                at: now,
                trial: None,
            };
            return Ok(());
        }
        // Servers that have been removed from the upstream are never looked up again, so old entries are dropped here.
        self.0.retain(|_, failures| {
            failures.trial.is_some()
                || now
                    <= failures
                        .at
                        .saturating_add(failures.tolerance.fail_timeout)
                        .saturating_add(FORGET_AFTER)
        });
        let failures = Failures {
            tolerance,
            count: 1,
            at: now,
            trial: None,
        };
        memory::insert(&mut self.0, memory::boxed(address)?, failures)
    }

    /// Records that a server has accepted a connection.
    pub fn succeed(&mut self, address: &[u8]) {
        self.0.remove(address);
    }

    /// Returns the last second in which a server must not be tried, if it must not be tried now.
    pub fn refused_until(
        &self,
        address: &[u8],
        now: u64,
        is_connected: impl Fn(T) -> bool,
    ) -> Option<u64> {
        self.0.get(address)?.until(now, is_connected)
    }

    /// Records that a request tries a server again.
    pub fn begin_trial(&mut self, address: &[u8], trial: T, now: u64) {
        if let Some(failures) = self.0.get_mut(address) {
            let is_over = |since: u64| now > since.saturating_add(failures.tolerance.fail_timeout);
            if failures.trial.is_none_or(|(_, since)| is_over(since)) {
                failures.trial = Some((trial, now));
            }
        }
    }

    /// Records that a request has finished with its server, whichever that was.
    pub fn end_trial(&mut self, is_it: impl Fn(T) -> bool) {
        for failures in self.0.values_mut() {
            failures.trial = failures.trial.filter(|(trial, _)| !is_it(*trial));
        }
    }
}

/// The time in seconds for which an entry is kept after its `fail_timeout`.
const FORGET_AFTER: u64 = 3_600;

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_600_000_000;

    fn tolerance(max_fails: u64) -> Tolerance {
        Tolerance {
            max_fails,
            fail_timeout: 10,
        }
    }

    /// A request that tries a server, and whether it is connected.
    type Trial = (u32, bool);

    fn until(servers: &Unreachable<Trial>, address: &[u8], now: u64) -> Option<u64> {
        servers.refused_until(address, now, |(_, is_connected)| is_connected)
    }

    #[test]
    fn a_server_is_refused_for_its_fail_timeout() {
        let mut servers = Unreachable::default();
        assert_eq!(until(&servers, b"a", NOW), None);
        servers.fail(b"a", tolerance(1), NOW).unwrap();
        assert!(!servers.is_empty());
        assert_eq!(until(&servers, b"a", NOW), Some(NOW + 10));
        assert_eq!(until(&servers, b"a", NOW + 10), Some(NOW + 10));
        assert_eq!(until(&servers, b"a", NOW + 11), None);
        assert_eq!(until(&servers, b"b", NOW), None);
    }

    #[test]
    fn it_takes_as_many_failures_as_max_fails() {
        let mut servers = Unreachable::default();
        for failures in 1..3 {
            servers.fail(b"a", tolerance(3), NOW + failures).unwrap();
            assert_eq!(until(&servers, b"a", NOW + failures), None);
        }
        servers.fail(b"a", tolerance(3), NOW + 9).unwrap();
        assert_eq!(until(&servers, b"a", NOW + 9), Some(NOW + 19));

        servers.fail(b"b", tolerance(0), NOW).unwrap();
        assert_eq!(until(&servers, b"b", NOW), None);

        for failures in 0..9 {
            let now = NOW + 11 * failures;
            servers.fail(b"c", tolerance(2), now).unwrap();
            assert_eq!(until(&servers, b"c", now), None);
        }
    }

    #[test]
    fn one_request_tries_it_again() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(2), NOW).unwrap();
        servers.fail(b"a", tolerance(2), NOW).unwrap();
        let now = NOW + 11;
        assert_eq!(until(&servers, b"a", now), None);
        servers.begin_trial(b"a", (1, false), now);
        assert_eq!(until(&servers, b"a", now), Some(now + 10));
        servers.begin_trial(b"a", (2, true), now);
        assert_eq!(until(&servers, b"a", now), Some(now + 10));
        servers.fail(b"a", tolerance(2), now).unwrap();
        assert_eq!(until(&servers, b"a", now), Some(now + 10));
    }

    #[test]
    fn who_tries_it_holds_off_nobody_once_it_is_connected() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(1), NOW).unwrap();
        servers.begin_trial(b"a", (1, true), NOW + 11);
        assert_eq!(until(&servers, b"a", NOW + 11), None);
    }

    #[test]
    fn who_tries_it_for_too_long_is_followed_by_another() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(1), NOW).unwrap();
        servers.begin_trial(b"a", (1, false), NOW + 11);
        assert_eq!(until(&servers, b"a", NOW + 21), Some(NOW + 21));
        assert_eq!(until(&servers, b"a", NOW + 22), None);
        servers.begin_trial(b"a", (2, false), NOW + 22);
        assert_eq!(until(&servers, b"a", NOW + 22), Some(NOW + 32));
        servers.end_trial(|trial| trial.0 == 1);
        assert_eq!(until(&servers, b"a", NOW + 22), Some(NOW + 32));
    }

    #[test]
    fn who_gives_up_leaves_the_trial_to_another() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(1), NOW).unwrap();
        servers.begin_trial(b"a", (1, false), NOW + 11);
        servers.end_trial(|trial| trial.0 == 2);
        assert_eq!(until(&servers, b"a", NOW + 11), Some(NOW + 21));
        servers.end_trial(|trial| trial.0 == 1);
        assert_eq!(until(&servers, b"a", NOW + 11), None);
    }

    #[test]
    fn a_connection_clears_the_server() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(1), NOW).unwrap();
        servers.succeed(b"b");
        assert!(!servers.is_empty());
        servers.succeed(b"a");
        assert!(servers.is_empty());
        assert_eq!(until(&servers, b"a", NOW), None);
    }

    #[test]
    fn what_is_never_asked_again_is_forgotten() {
        let mut servers = Unreachable::<Trial>::default();
        servers.fail(b"a", tolerance(1), NOW).unwrap();
        servers
            .fail(b"b", tolerance(1), NOW + 10 + FORGET_AFTER)
            .unwrap();
        assert_eq!(servers.0.len(), 2);
        servers
            .fail(b"c", tolerance(1), NOW + 11 + FORGET_AFTER)
            .unwrap();
        assert_eq!(servers.0.len(), 2);
    }
}
