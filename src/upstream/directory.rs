//! Where ids are looked up, and how values are read that may have been made in one of several schemes.

use session_cookie::policy::Policy;
use session_cookie::verdict::{Judge, Reading};

use crate::nginx::time::now;

/// Returns the judge of the cookies that these servers may have set.
#[inline(always)]
pub(super) fn judge<L: Copy>(policy: &Policy, servers: L) -> Judge<'_, L, impl Fn() -> u64 + Copy> {
    Judge {
        policy,
        servers,
        clock: now,
    }
}

/// Where the servers of ids are looked up; what it returns lives as long as the request.
pub(super) trait Directory<'r> {
    /// What an id leads to.
    type Found;

    /// Returns the rules of the upstream.
    fn policy(&self) -> &'r Policy;

    /// Returns what an id leads to in the scheme of the policy.
    fn own_server(&self, id: &[u8]) -> Option<Self::Found>;

    /// Returns what an id leads to in an accepted scheme, and the id of that in the scheme of the policy.
    fn accepted_server(&self, id: &[u8]) -> Option<(Self::Found, &'r [u8])>;

    /// Judges one value, in the scheme of the policy and in those that are accepted.
    fn read_one(&self, value: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let find = |id: &[u8]| self.own_server(id);
        let found = judge(self.policy(), find).read_value(value, reading);
        found.or_else(|| self.read_others(value, reading))
    }

    /// Judges one value in other schemes than that of the policy, in which it was judged.
    fn read_others(&self, value: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let found = self.policy().transfer.as_ref().and_then(|delimiter| {
            let find = |id: &[u8]| self.own_server(id);
            judge(self.policy(), find).read_transferred(value, delimiter, reading)
        });
        found.or_else(|| self.read_accepted(value, reading))
    }

    /// Judges an ID that stands in no cookie, in the same schemes.
    fn read_id(&self, id: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let find = |id: &[u8]| self.own_server(id);
        let found = judge(self.policy(), find).read_id(id, reading);
        found.or_else(|| self.read_accepted(id, reading))
    }

    /// Judges one value in the schemes that are accepted.
    fn read_accepted(&self, value: &'r [u8], reading: &mut Reading<'r>) -> Option<Self::Found> {
        let find = |id: &[u8]| self.accepted_server(id);
        let (found, own) = judge(self.policy(), find).read_accepted(value, false, reading)?;
        reading.session.id = own;
        Some(found)
    }

    /// Lets the reading tell what became of a value that names no server in any scheme.
    fn tell(&self, value: &'r [u8], reading: &mut Reading<'r>) {
        let find = |id: &[u8]| self.accepted_server(id);
        judge(self.policy(), find).read_accepted(value, true, reading);
    }
}
