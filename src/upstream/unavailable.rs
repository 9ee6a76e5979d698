//! Log text about unavailable servers that a cookie names.

use core::fmt::{self, Display};

use ngx::ffi::time_t;
use session_cookie::roster::Member;

use super::strict;
use super::visit::Visit;
use crate::nginx::peers::{Failures, Peer};
use crate::nginx::round_robin::Condition;
use crate::nginx::time::Clock;

/// The maximum number of servers with one ID that are listed.
const MOST: usize = 8;

/// Written if nginx has changed the servers in the meantime, so that they cannot be examined.
const CHANGED: &str = "the servers have changed";

/// The servers that the cookie of a request names, for the end of a log line: the address of each, and why it is unavailable.
/// Empty if it names none.
pub(super) struct Unavailable<'a, 'r>(pub(super) &'a Visit<'r>);

impl Display for Unavailable<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let visit = self.0;
        let Some(named) = visit.named else {
            return match visit.lingerer() {
                Some(lingerer) => write!(f, ": {lingerer}"),
                None => Ok(()),
            };
        };
        f.write_str(": ")?;
        let servers = visit.servers();
        let roster = servers
            .as_ref()
            .and_then(|servers| servers.by(named.scheme));
        let (Some(roster), Some(primary)) = (roster, visit.upstream.primary()) else {
            return f.write_str(if visit.lacks_memory.get() {
                "out of memory"
            } else {
                CHANGED
            });
        };
        let data = visit.inner.round_robin();
        let mut next = Some(named.first);
        for listed in 0..MOST {
            let Some(this) = next else { return Ok(()) };
            next = roster.next(this);
            let Some(member) = roster.member(this) else {
                return Ok(());
            };
            if listed > 0 {
                f.write_str(", ")?;
            }
            let Some(server) = data.condition(primary, member, failures_of(visit)) else {
                return f.write_str(CHANGED);
            };
            write!(f, "{} (", server.address)?;
            match visit.failure {
                Some((failure, failed)) if failed == this => write!(f, "{failure}")?,
                _ => write_reason(f, visit, member, &server)?,
            }
            f.write_str(")")?;
        }
        if next.is_some() {
            f.write_str(" and others")?;
        }
        Ok(())
    }
}

/// Strict sessions ignore the failures that nginx counts.
fn failures_of(visit: &Visit<'_>) -> Failures {
    if visit.is_strict() {
        Failures::Ignored
    } else {
        Failures::Counted
    }
}

/// Writes why a server was not chosen.
fn write_reason(
    f: &mut fmt::Formatter<'_>,
    visit: &Visit<'_>,
    member: &Member<Peer>,
    server: &Condition,
) -> fmt::Result {
    let full = visit.policy().full;
    match server.reason.filter(|reason| reason.keeps_away(full)) {
        Some(reason) => reason.fmt(f),
        None => match strict::refused_until(visit, member) {
            Some(until) if visit.is_strict() => write!(
                f,
                "accepts no connections, max_fails until {}",
                Clock(until as time_t)
            ),
            _ => f.write_str("tried"),
        },
    }
}
