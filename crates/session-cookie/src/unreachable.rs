//! The servers that did not accept a connection when they were last asked for one.
//!
//! A strict session has no other server to go to. It is refused without a try only while its server is known
//! not to accept connections; a response that was late or an error says nothing of that kind. The rules are those
//! of nginx's `max_fails` and `fail_timeout` (`ngx_http_upstream_get_peer`,
//! `ngx_http_upstream_free_round_robin_peer`), applied to failures of connections alone.

use alloc::vec::Vec;

use hashbrown::HashMap;
use rustc_hash::FxBuildHasher;

/// What a `server` line says of failures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tolerance {
    /// So many failures make a server unavailable; 0: none do.
    pub max_fails: u64,
    /// For so many seconds.
    pub fail_timeout: u64,
}

/// What is known of a server that did not accept its last connection.
#[derive(Clone, Copy, Debug)]
struct Failures {
    tolerance: Tolerance,
    count: u64,
    /// When it was last tried, in seconds.
    checked: u64,
}

impl Failures {
    /// Returns the second up to which the server is not tried again, if that has not passed.
    fn until(&self, now: u64) -> Option<u64> {
        let Tolerance {
            max_fails,
            fail_timeout,
        } = self.tolerance;
        let until = self.checked.saturating_add(fail_timeout);
        (max_fails != 0 && self.count >= max_fails && now <= until).then_some(until)
    }
}

/// Those servers, by address.
#[derive(Default)]
pub struct Unreachable(HashMap<Vec<u8>, Failures, FxBuildHasher>);

impl Unreachable {
    /// Returns whether every server accepted its last connection.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that a server did not accept a connection.
    pub fn fail(&mut self, address: &[u8], tolerance: Tolerance, now: u64) {
        if let Some(failures) = self.0.get_mut(address) {
            *failures = Failures {
                tolerance,
                count: failures.count.saturating_add(1),
                checked: now,
            };
            return;
        }
        // What left the upstream is never asked again, so it must be forgotten some time.
        self.0.retain(|_, failures| {
            now <= failures
                .checked
                .saturating_add(failures.tolerance.fail_timeout)
                .saturating_add(FORGET_AFTER)
        });
        let mut key = Vec::new();
        if key.try_reserve_exact(address.len()).is_err() || self.0.try_reserve(1).is_err() {
            return;
        }
        key.extend_from_slice(address);
        let failures = Failures {
            tolerance,
            count: 1,
            checked: now,
        };
        self.0.insert(key, failures);
    }

    /// Notes that a server has accepted a connection.
    pub fn succeed(&mut self, address: &[u8]) {
        self.0.remove(address);
    }

    /// Returns the second up to which a server is not to be tried, if it is not.
    pub fn refused_until(&self, address: &[u8], now: u64) -> Option<u64> {
        self.0.get(address)?.until(now)
    }

    /// Notes that a server is tried: until it is known how that ended, others need not try it too.
    pub fn check(&mut self, address: &[u8], now: u64) {
        if let Some(failures) = self.0.get_mut(address) {
            failures.checked = now;
        }
    }
}

/// How long a server is remembered beyond its `fail_timeout`, in seconds.
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

    #[test]
    fn a_server_is_refused_for_the_time_that_its_line_says() {
        let mut servers = Unreachable::default();
        assert_eq!(servers.refused_until(b"a", NOW), None);
        servers.fail(b"a", tolerance(1), NOW);
        assert!(!servers.is_empty());
        assert_eq!(servers.refused_until(b"a", NOW), Some(NOW + 10));
        assert_eq!(servers.refused_until(b"a", NOW + 10), Some(NOW + 10));
        assert_eq!(servers.refused_until(b"a", NOW + 11), None);
        assert_eq!(servers.refused_until(b"b", NOW), None);
    }

    #[test]
    fn it_takes_as_many_failures_as_its_line_says() {
        let mut servers = Unreachable::default();
        for failures in 1..3 {
            servers.fail(b"a", tolerance(3), NOW + failures);
            assert_eq!(servers.refused_until(b"a", NOW + failures), None);
        }
        servers.fail(b"a", tolerance(3), NOW + 9);
        assert_eq!(servers.refused_until(b"a", NOW + 9), Some(NOW + 19));

        servers.fail(b"b", tolerance(0), NOW);
        assert_eq!(servers.refused_until(b"b", NOW), None);
    }

    #[test]
    fn one_request_tries_it_again() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(2), NOW);
        servers.fail(b"a", tolerance(2), NOW);
        assert_eq!(servers.refused_until(b"a", NOW + 11), None);
        servers.check(b"a", NOW + 11);
        assert_eq!(servers.refused_until(b"a", NOW + 11), Some(NOW + 21));
        servers.fail(b"a", tolerance(2), NOW + 12);
        assert_eq!(servers.refused_until(b"a", NOW + 12), Some(NOW + 22));
    }

    #[test]
    fn a_connection_clears_the_server() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(1), NOW);
        servers.succeed(b"b");
        assert!(!servers.is_empty());
        servers.succeed(b"a");
        assert!(servers.is_empty());
        assert_eq!(servers.refused_until(b"a", NOW), None);
    }

    #[test]
    fn what_is_never_asked_again_is_forgotten() {
        let mut servers = Unreachable::default();
        servers.fail(b"a", tolerance(1), NOW);
        servers.fail(b"b", tolerance(1), NOW + 10 + FORGET_AFTER);
        assert_eq!(servers.0.len(), 2);
        servers.fail(b"c", tolerance(1), NOW + 11 + FORGET_AFTER);
        assert_eq!(servers.0.len(), 2);
    }
}
