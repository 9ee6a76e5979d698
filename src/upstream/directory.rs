//! Looks up IDs, and reads values that may have been written in one of several schemes.

use session_cookie::policy::Policy;
use session_cookie::verdict::{Judge, Reading};

use crate::nginx::time::now;

/// Returns the judge of cookies that name these servers.
#[inline(always)]
pub(super) fn judge<L: Copy>(policy: &Policy, servers: L) -> Judge<'_, L, impl Fn() -> u64 + Copy> {
    Judge {
        policy,
        servers,
        clock: now,
    }
}

/// Looks up the servers of IDs. Results live as long as the request.
pub(super) trait Directory<'r> {
    /// The result of a look-up.
    type Found;

    /// Returns the policy of the upstream.
    fn policy(&self) -> &'r Policy;

    /// Looks up an ID in the policy's scheme.
    fn own_server(&self, id: &[u8]) -> Option<Self::Found>;

    /// Looks up an ID in an accepted scheme. Also returns the server's ID in the policy's scheme.
    fn accepted_server(&self, id: &[u8]) -> Option<(Self::Found, &'r [u8])>;

    /// Judges a value in the policy's scheme and in the accepted schemes.
    fn read_one(&self, value: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let find = |id: &[u8]| self.own_server(id);
        let found = judge(self.policy(), find).read_value(value, reading);
        found.or_else(|| self.read_others(value, reading))
    }

    /// Judges a value in other schemes than the policy's, in which it was already judged.
    fn read_others(&self, value: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let found = self.policy().transfer.as_ref().and_then(|delimiter| {
            let find = |id: &[u8]| self.own_server(id);
            judge(self.policy(), find).read_transferred(value, delimiter, reading)
        });
        found.or_else(|| self.read_accepted(value, reading))
    }

    /// Judges an ID that is not in a cookie, in the policy's scheme and in the accepted schemes.
    fn read_id(&self, id: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let find = |id: &[u8]| self.own_server(id);
        let found = judge(self.policy(), find).read_id(id, reading);
        found.or_else(|| self.read_accepted(id, reading))
    }

    /// Judges a value in the accepted schemes.
    fn read_accepted(&self, value: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let find = |id: &[u8]| self.accepted_server(id);
        let (found, own) = judge(self.policy(), find).read_accepted(value, false, reading)?;
        reading.session.id = own;
        Some(found)
    }

    /// Sets the verdict for a value that names no server in any scheme.
    fn tell(&self, value: &'r [u8], reading: &mut Reading<'r>) {
        let find = |id: &[u8]| self.accepted_server(id);
        judge(self.policy(), find).read_accepted(value, true, reading);
    }
}
