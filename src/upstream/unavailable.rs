//! What the log says of the servers that a cookie names and that could not be had.

use core::fmt::{self, Display};

use ngx::ffi::{ngx_localtime, ngx_tm_t, time_t};
use session_cookie::roster::EntryId;

use super::strict;
use super::visit::{is_strict, servers_of, Visit};
use crate::nginx::peers::{condition, Failures, Peers, Reason};
use crate::nginx::Printable;

/// The most servers of one id that are listed.
const MOST: usize = 8;

/// What is said where nginx has changed the servers meanwhile, so that they may not be looked at.
const CHANGED: &str = "the servers have changed";

/// The servers that the cookie of a request names, as they stand at the end of a line: the address of each, and why it
/// could not be had. Nothing, if it names none.
pub(super) struct Unavailable<'a>(pub(super) &'a Visit);

impl Display for Unavailable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the request is live, and holds no lock.
        unsafe { write(self.0, f) }
    }
}

unsafe fn write(visit: &Visit, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(named) = visit.named else {
            return Ok(());
        };
        f.write_str(": ")?;
        let Some(roster) = servers_of(visit).and_then(|servers| servers.by(named.form)) else {
            return f.write_str(CHANGED);
        };
        // Failures that nginx counts turn no strict session away.
        let failures = if is_strict(visit) {
            Failures::Ignored
        } else {
            Failures::Counted
        };
        let primary: Peers = (*visit.upstream).peer.data.cast();
        let data = visit.below.round_robin();
        let mut next: Option<EntryId> = Some(named.first);
        for listed in 0..MOST {
            let Some(this) = next else { return Ok(()) };
            next = roster.next(this);
            let Some(member) = roster.member(this) else {
                return Ok(());
            };
            if listed > 0 {
                f.write_str(", ")?;
            }
            let Some(server) = condition(primary, member, data, failures) else {
                return f.write_str(CHANGED);
            };
            write!(f, "{} (", Printable(server.address.as_bytes()))?;
            match (
                visit.failure.filter(|failure| failure.1 == this),
                server.reason,
            ) {
                (Some((failure, _)), _) => write!(f, "{failure}")?,
                (None, Some(Reason::Down)) => f.write_str("down")?,
                #[cfg(nginx_upstream_check)]
                (None, Some(Reason::CheckFailed)) => f.write_str("active check failed")?,
                (None, Some(Reason::MaxConns)) => f.write_str("max_conns")?,
                (None, Some(Reason::MaxFails(until))) => {
                    write!(f, "max_fails until {}", Clock(until))?;
                }
                (None, None) => match strict::refused_until(visit, member) {
                    Some(until) if failures == Failures::Ignored => write!(
                        f,
                        "accepts no connections, max_fails until {}",
                        Clock(until as time_t)
                    )?,
                    _ => f.write_str("tried")?,
                },
            }
            f.write_str(")")?;
        }
        if next.is_some() {
            f.write_str(" and others")?;
        }
        Ok(())
    }
}

/// A second as the time of the error log.
struct Clock(time_t);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: a structure of numbers, which ngx_localtime() writes.
        let time = unsafe {
            let mut time: ngx_tm_t = core::mem::zeroed();
            ngx_localtime(self.0, &raw mut time);
            time
        };
        write!(
            f,
            "{:02}:{:02}:{:02}",
            time.tm_hour, time.tm_min, time.tm_sec
        )
    }
}
