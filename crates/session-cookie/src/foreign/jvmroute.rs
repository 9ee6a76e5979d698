//! Routes of Apache's mod_proxy_balancer and mod_jk: what stands behind the first dot of a session's ID, as a Tomcat puts
//! its `jvmRoute` there.

use arrayvec::ArrayVec;

use crate::bytes::{find, Sink};
use crate::memory::OutOfMemory;

/// What stands before a route. It is a part of it here, so that an ID without a dot is none.
const DOT: u8 = b'.';

/// The longest route. Apache's have 96 bytes (`PROXY_WORKER_MAX_ROUTE_SIZE`).
const LONGEST: usize = 255;

/// Returns the route in a session's ID, with its dot.
pub(super) fn route(session: &[u8]) -> Option<&[u8]> {
    let (_, route) = session.split_at_checked(find(DOT, session)?)?;
    (route.len() > 1).then_some(route)
}

/// Hands over the route of a server, which is its id here. One that is longer is left out.
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
