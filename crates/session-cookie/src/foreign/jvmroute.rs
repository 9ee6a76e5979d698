//! Routes of Apache's mod_proxy_balancer and mod_jk: the part of a session ID after the first dot, where Tomcat appends
//! its `jvmRoute`.

use arrayvec::ArrayVec;

use crate::bytes::{find, Sink};
use crate::memory::OutOfMemory;

/// The byte before a route. It is included in the route, so that a session ID without a dot does not match.
const DOT: u8 = b'.';

/// The length of the longest route. Apache's are limited to 96 bytes (`PROXY_WORKER_MAX_ROUTE_SIZE`).
const LONGEST: usize = 255;

/// Returns the route in a session ID, including the dot.
pub(super) fn route(session: &[u8]) -> Option<&[u8]> {
    let (_, route) = session.split_at_checked(find(DOT, session)?)?;
    (route.len() > 1).then_some(route)
}

/// Passes the route of a server, which is its configured ID, to `add`. A route that is too long is skipped.
pub(super) fn each_id(
    id: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    if id.len() > LONGEST {
        return Ok(());
    }
    let mut route = ArrayVec::<u8, { LONGEST + 1 }>::new();
    route.put(&[DOT]);
    route.put(id);
    add(&route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_behind_the_first_dot() {
        for (session, wanted) in [
            (&b"6F1B09.tomcat1"[..], Some(&b".tomcat1"[..])),
            (b".1", Some(b".1")),
            (b"6F1B09.a.b", Some(b".a.b")),
            (b"6F1B09..a", Some(b"..a")),
            (b"6F1B09.", None),
            (b"6F1B09", None),
            (b".", None),
            (b"", None),
        ] {
            assert_eq!(route(session), wanted);
        }
    }

    #[test]
    fn the_route_of_a_server() {
        let is_handed_over = |id: &[u8]| {
            let mut handed_over = false;
            let mut add = |route: &[u8]| {
                handed_over = true;
                assert_eq!(route.split_first(), Some((&DOT, id)));
                Ok(())
            };
            each_id(id, &mut add).unwrap();
            handed_over
        };
        assert!(is_handed_over(b"tomcat1"));
        assert!(is_handed_over(&[b'a'; LONGEST]));
        assert!(!is_handed_over(&[b'a'; LONGEST + 1]));
    }
}
