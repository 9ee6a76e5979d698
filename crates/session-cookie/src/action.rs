//! Decides what to do with a response so that the client stays on its server.

use crate::policy::{Mode, Policy, Rebind};
use crate::session::{Session, Stamps};
use crate::verdict::{Reading, Verdict};

/// What to do with a response for the session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action<'a> {
    /// Leave the response unchanged.
    None,
    /// Add a `Set-Cookie` with this session. If the policy [replaces](Policy::replaces) cookies of the upstream server,
    /// remove every `Set-Cookie` with this name that the server has sent.
    Insert(Session<'a>),
    /// Replace the value in the upstream server's `Set-Cookie`, if there is one, with this ID.
    Rewrite(&'a [u8]),
    /// Put this ID before the value in the upstream server's `Set-Cookie`, if there is one.
    Prefix(&'a [u8]),
    /// Store that the session belongs to the server with this ID.
    Learn(&'a [u8]),
    /// Leave the upstream server's `Set-Cookie` unchanged, and add none.
    Preserve,
}

/// Returns the action for a response from the server with the ID `served`.
///
/// `sets` returns whether the response itself sets a cookie with the name of the policy's cookie. `now` is in seconds
/// since the epoch.
///
/// ```
/// use session_cookie::action::{respond, Action};
/// use session_cookie::policy::Policy;
/// use session_cookie::session::Session;
/// use session_cookie::verdict::Reading;
///
/// // The first visit of a client: the cookie binds it to the server that was chosen.
/// let session = Session { id: b"a", stamps: None };
/// let action = respond(&Policy::new()?, &Reading::NONE, b"a", || false, 1_600_000_000);
/// assert_eq!(action, Action::Insert(session));
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[inline]
pub fn respond<'a>(
    policy: &Policy,
    reading: &Reading<'a>,
    served: &'a [u8],
    sets: impl Fn() -> bool,
    now: u64,
) -> Action<'a> {
    respond_as::<true>(policy, reading, served, sets, now)
}

/// Does the same as [`respond`]. With `EXTRAS` false, the policy must have no [extras](Policy::has_extras): they are
/// not checked.
#[inline(always)]
pub fn respond_as<'a, const EXTRAS: bool>(
    policy: &Policy,
    reading: &Reading<'a>,
    served: &'a [u8],
    sets: impl Fn() -> bool,
    now: u64,
) -> Action<'a> {
    let owner = owner(policy, reading, served);
    match policy.mode {
        Mode::Rewrite => Action::Rewrite(owner.id()),
        Mode::Prefix => Action::Prefix(owner.id()),
        Mode::Learn => Action::Learn(owner.id()),
        Mode::Route => Action::None,
        Mode::Insert | Mode::Repeat if EXTRAS && policy.preserve && sets() => Action::Preserve,
        Mode::Insert | Mode::Repeat => {
            let stamps = stamps::<EXTRAS>(policy, reading, owner, now);
            let replaces = || policy.replaces() && sets();
            if owner.is_kept()
                && reading.session.stamps == stamps
                && policy.mode != Mode::Repeat
                && !replaces()
            {
                return Action::None;
            }
            Action::Insert(Session {
                id: owner.id(),
                stamps,
            })
        }
    }
}

/// Returns the session that a cookie has to contain if it is set in any case. The response came from the server with
/// the ID `served`.
pub fn session_from_now_on<'a>(
    policy: &Policy,
    reading: &Reading<'a>,
    served: &'a [u8],
    now: u64,
) -> Session<'a> {
    let owner = owner(policy, reading, served);
    Session {
        id: owner.id(),
        stamps: stamps::<true>(policy, reading, owner, now),
    }
}

/// The server that owns the session after the response.
#[derive(Clone, Copy)]
enum Owner<'a> {
    /// The server that the cookie names.
    Kept(&'a [u8]),
    /// The server that the cookie names, but in an accepted scheme other than that of the policy.
    Upgraded(&'a [u8]),
    /// The server that sent the response.
    New(&'a [u8]),
}

impl<'a> Owner<'a> {
    #[inline]
    fn id(self) -> &'a [u8] {
        match self {
            Owner::Kept(id) | Owner::Upgraded(id) | Owner::New(id) => id,
        }
    }

    #[inline]
    fn is_kept(self) -> bool {
        matches!(self, Owner::Kept(_))
    }
}

#[inline]
fn owner<'a>(policy: &Policy, reading: &Reading<'a>, served: &'a [u8]) -> Owner<'a> {
    let id = reading.session.id;
    match (reading.verdict, policy.rebind) {
        (Verdict::Down, Rebind::Off) => Owner::Kept(id),
        // Otherwise the client would still have the old cookie when the scheme is no longer accepted.
        (Verdict::DownAccepted, Rebind::Off) => Owner::Upgraded(id),
        // The pointers are usually equal, which is cheaper to check. `Down`: the load-balancing method may still choose
        // the server of the session if it has become available in the meantime. The session has not moved then.
        (Verdict::Valid | Verdict::Down, _) if core::ptr::eq(id, served) || id == served => {
            Owner::Kept(id)
        }
        (Verdict::Accepted, _) => Owner::Upgraded(served),
        (Verdict::DownAccepted, _) if id == served => Owner::Upgraded(served),
        _ => Owner::New(served),
    }
}

/// Returns the timestamps of the session after the response. A session begins when its cookie is first set.
#[inline]
fn stamps<const EXTRAS: bool>(
    policy: &Policy,
    reading: &Reading,
    owner: Owner,
    now: u64,
) -> Option<Stamps> {
    if !policy.limits.any() {
        return None;
    }
    let first_seen = match reading.session.stamps {
        Some(stamps) if EXTRAS && owner.is_kept() && policy.is_fresh(stamps.last_seen, now) => {
            return Some(stamps)
        }
        Some(stamps) if !matches!(owner, Owner::New(_)) => stamps.first_seen,
        _ => now,
    };
    Some(Stamps {
        last_seen: now,
        first_seen,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::foreknown::tests::{policies, valid};
    use crate::policy::{Limits, Visibility};

    const NOW: u64 = 1_600_000_000;

    fn limited() -> Policy {
        let limits = Limits {
            max_idle: Some(30),
            max_life: None,
        };
        Policy {
            limits,
            ..Policy::new().unwrap()
        }
    }

    /// The ID, and the times at which the session was last and first seen.
    type Inserted<'a> = (&'a [u8], Option<(u64, u64)>);

    fn inserted(action: Action<'_>) -> Option<Inserted<'_>> {
        match action {
            Action::Insert(Session { id, stamps }) => Some((
                id,
                stamps.map(|stamps| (stamps.last_seen, stamps.first_seen)),
            )),
            _ => None,
        }
    }

    #[test]
    fn a_first_visit_is_bound_and_a_return_needs_nothing() {
        let policy = Policy::new().unwrap();
        let first = respond(&policy, &Reading::NONE, b"a", || false, NOW);
        assert_eq!(inserted(first), Some((&b"a"[..], None)));
        assert_eq!(
            respond(&policy, &valid(b"a", None), b"a", || false, NOW),
            Action::None
        );
    }

    #[test]
    fn another_server_binds_anew() {
        let moved = respond(
            &limited(),
            &valid(b"a", Some((NOW - 9, NOW - 9))),
            b"b",
            || false,
            NOW,
        );
        assert_eq!(inserted(moved), Some((&b"b"[..], Some((NOW, NOW)))));
    }

    #[test]
    fn without_rebinding_a_session_outlives_the_failure_of_its_server() {
        let policy = Policy {
            rebind: Rebind::Off,
            ..limited()
        };
        let reading = Reading {
            verdict: Verdict::Down,
            ..valid(b"a", Some((NOW - 9, NOW - 9)))
        };
        let kept = respond(&policy, &reading, b"b", || false, NOW);
        assert_eq!(inserted(kept), Some((&b"a"[..], Some((NOW, NOW - 9)))));

        let unlimited = Policy {
            rebind: Rebind::Off,
            ..Policy::new().unwrap()
        };
        let reading = Reading {
            verdict: Verdict::Down,
            ..valid(b"a", None)
        };
        assert_eq!(
            respond(&unlimited, &reading, b"b", || false, NOW),
            Action::None
        );
        let unknown = Reading {
            verdict: Verdict::Unknown,
            ..reading
        };
        let bound = respond(&unlimited, &unknown, b"b", || false, NOW);
        assert_eq!(inserted(bound), Some((&b"b"[..], None)));
    }

    #[test]
    fn stamps_are_renewed_when_the_second_changed() {
        let reading = valid(b"a", Some((NOW - 1, NOW - 9)));
        let renewed = respond(&limited(), &reading, b"a", || false, NOW);
        assert_eq!(inserted(renewed), Some((&b"a"[..], Some((NOW, NOW - 9)))));
        let same = valid(b"a", Some((NOW, NOW - 9)));
        assert_eq!(
            respond(&limited(), &same, b"a", || false, NOW),
            Action::None
        );
    }

    #[test]
    fn fresh_stamps_are_left_as_they_are() {
        let policy = Policy {
            refresh: 10,
            ..limited()
        };
        let respond = |verdict, last_seen, served| {
            let reading = Reading {
                verdict,
                ..valid(b"a", Some((last_seen, NOW - 20)))
            };
            inserted(respond(&policy, &reading, served, || false, NOW))
        };
        let renewed = Some((&b"a"[..], Some((NOW, NOW - 20))));
        assert_eq!(respond(Verdict::Valid, NOW, b"a"), None);
        assert_eq!(respond(Verdict::Valid, NOW - 9, b"a"), None);
        assert_eq!(respond(Verdict::Valid, NOW - 10, b"a"), renewed);
        // The clock of another proxy is ahead of this one.
        assert_eq!(respond(Verdict::Valid, NOW + 1, b"a"), renewed);
        let for_ever = Policy {
            refresh: u64::MAX,
            ..limited()
        };
        assert!(!for_ever.is_fresh(NOW + 1, NOW));
        assert_eq!(respond(Verdict::Accepted, NOW - 9, b"a"), renewed);
        let moved = Some((&b"b"[..], Some((NOW, NOW))));
        assert_eq!(respond(Verdict::Valid, NOW, b"b"), moved);
        assert_eq!(respond(Verdict::Forged, NOW, b"b"), moved);
    }

    #[test]
    fn stamps_come_and_go_with_the_limits() {
        let unstamped = respond(&limited(), &valid(b"a", None), b"a", || false, NOW);
        assert_eq!(inserted(unstamped), Some((&b"a"[..], Some((NOW, NOW)))));
        let stamped = valid(b"a", Some((NOW, NOW)));
        let dropped = respond(&Policy::new().unwrap(), &stamped, b"a", || false, NOW);
        assert_eq!(inserted(dropped), Some((&b"a"[..], None)));
    }

    #[test]
    fn an_expired_session_begins_anew_on_the_same_server() {
        let reading = Reading {
            verdict: Verdict::Expired,
            ..valid(b"a", Some((1, 1)))
        };
        let again = respond(&limited(), &reading, b"a", || false, NOW);
        assert_eq!(inserted(again), Some((&b"a"[..], Some((NOW, NOW)))));
    }

    #[test]
    fn a_server_that_was_down_and_responds_after_all_keeps_the_session() {
        let down = Reading {
            verdict: Verdict::Down,
            ..valid(b"a", Some((NOW - 9, NOW - 9)))
        };
        let action = |served| respond(&limited(), &down, served, || false, NOW);
        assert_eq!(
            inserted(action(b"a")),
            Some((&b"a"[..], Some((NOW, NOW - 9))))
        );
        assert_eq!(inserted(action(b"b")), Some((&b"b"[..], Some((NOW, NOW)))));
    }

    #[test]
    fn an_accepted_scheme_is_upgraded_and_the_session_goes_on() {
        let reading = Reading {
            verdict: Verdict::Accepted,
            ..valid(b"a", Some((NOW, NOW - 9)))
        };
        let upgraded =
            |policy: &Policy, served| inserted(respond(policy, &reading, served, || false, NOW));
        assert_eq!(
            upgraded(&Policy::new().unwrap(), b"a"),
            Some((&b"a"[..], None))
        );
        assert_eq!(
            upgraded(&limited(), b"a"),
            Some((&b"a"[..], Some((NOW, NOW - 9))))
        );
        // A different server has the same ID in the accepted scheme.
        assert_eq!(
            upgraded(&limited(), b"b"),
            Some((&b"b"[..], Some((NOW, NOW - 9))))
        );
    }

    #[test]
    fn an_accepted_scheme_is_upgraded_while_its_server_is_away() {
        let reading = Reading {
            verdict: Verdict::DownAccepted,
            ..valid(b"a", None)
        };
        let action = |policy: &Policy, served| {
            inserted(respond(policy, &reading, served, || false, NOW))
                .unwrap()
                .0
        };
        let mut policy = Policy::new().unwrap();
        assert_eq!(action(&policy, b"b"), b"b");
        assert_eq!(action(&policy, b"a"), b"a");
        policy.rebind = Rebind::Off;
        assert_eq!(action(&policy, b"b"), b"a");
    }

    #[test]
    fn every_response_repeats_the_cookie() {
        let policy = Policy {
            mode: Mode::Repeat,
            ..Policy::new().unwrap()
        };
        for reading in [Reading::NONE, valid(b"a", None)] {
            let repeated = respond(&policy, &reading, b"a", || false, NOW);
            assert_eq!(inserted(repeated), Some((&b"a"[..], None)));
        }
    }

    #[test]
    fn what_is_set_in_any_case_is_what_is_set_where_it_must_be() {
        for policy in policies().filter(|policy| policy.mode == Mode::Insert) {
            for verdict in [
                Verdict::None,
                Verdict::Valid,
                Verdict::Down,
                Verdict::Accepted,
            ] {
                for (id, stamps) in [(b"a", None), (b"b", Some((NOW - 9, NOW - 20)))] {
                    let reading = Reading {
                        verdict,
                        ..valid(id, stamps)
                    };
                    let session = session_from_now_on(&policy, &reading, b"a", NOW);
                    match respond(&policy, &reading, b"a", || false, NOW) {
                        Action::Insert(inserted) => assert_eq!(session, inserted),
                        _ => assert_eq!(session, reading.session),
                    }
                }
            }
        }
    }

    #[test]
    fn a_hidden_cookie_that_the_server_sets_is_replaced() {
        let mut policy = Policy {
            visibility: Visibility::Indirect,
            ..Policy::new().unwrap()
        };
        let replaced = respond(&policy, &valid(b"a", None), b"a", || true, NOW);
        assert_eq!(inserted(replaced), Some((&b"a"[..], None)));
        policy.visibility = Visibility::Direct;
        assert_eq!(
            respond(&policy, &valid(b"a", None), b"a", || true, NOW),
            Action::None
        );
    }

    #[test]
    fn a_cookie_of_the_application_is_preserved() {
        for policy in policies().filter(|policy| policy.preserve) {
            let is_ours = matches!(policy.mode, Mode::Insert | Mode::Repeat);
            for reading in [
                Reading::NONE,
                valid(b"a", None),
                valid(b"b", Some((NOW, NOW))),
            ] {
                let action = |sets| respond(&policy, &reading, b"a", || sets, NOW);
                assert_eq!(action(true) == Action::Preserve, is_ours);
                assert_ne!(action(false), Action::Preserve);
            }
        }
    }

    #[test]
    fn a_learned_session_belongs_to_the_server_that_has_served_it() {
        let mut policy = Policy {
            mode: Mode::Learn,
            ..Policy::new().unwrap()
        };
        let down = Reading {
            verdict: Verdict::Down,
            ..valid(b"a", None)
        };
        let learned =
            |policy: &Policy, reading, served| respond(policy, &reading, served, || false, NOW);
        for (reading, served) in [
            (Reading::NONE, b"a"),
            (valid(b"a", None), b"a"),
            (down, b"b"),
        ] {
            let action = learned(&policy, reading, served);
            assert_eq!(action, Action::Learn(served));
        }
        policy.rebind = Rebind::Off;
        assert_eq!(learned(&policy, down, b"b"), Action::Learn(b"a"));
    }

    #[test]
    fn a_route_needs_nothing() {
        let policy = Policy {
            mode: Mode::Route,
            ..Policy::new().unwrap()
        };
        for reading in [Reading::NONE, valid(b"b", None)] {
            let action = respond(&policy, &reading, b"a", || true, NOW);
            assert_eq!(action, Action::None);
        }
    }

    #[test]
    fn rewrite_and_prefix_edit_what_the_server_sets() {
        for (mode, action) in [
            (Mode::Rewrite, Action::Rewrite(b"a")),
            (Mode::Prefix, Action::Prefix(b"a")),
        ] {
            let policy = Policy {
                mode,
                ..Policy::new().unwrap()
            };
            assert_eq!(respond(&policy, &Reading::NONE, b"a", || true, NOW), action);
        }
    }
}
