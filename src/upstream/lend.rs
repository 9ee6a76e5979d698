//! Lent sessions: while the server of a session is unavailable and the session cannot move, the same other server serves each
//! request, so that what the application keeps there is found again. The session returns when its own server is available.

use session_cookie::cookie::values;
use session_cookie::id::{md5_hex, MD5_HEX};
use session_cookie::policy::{Hash, Mode};
use session_cookie::session::Stamps;

use super::served::note_served;
use super::visit::Visit;
use crate::log::debug;
use crate::nginx::cookies::View;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::peers::{Failures, Peers};
use crate::nginx::time::now;
use crate::nginx::OrNone;

/// The maximum number of servers that are examined.
const MOST: usize = 64;

/// Chooses the first available server in an order that the session determines. Returns `false` if the balancer, which was not
/// asked yet, has to choose.
#[cold]
#[inline(never)]
pub(super) fn take_another<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    let (Some(servers), Some(primary)) = (visit.servers(), visit.upstream.primary()) else {
        return false;
    };
    let data = visit.inner.round_robin();
    if visit.tried_backups != 0 {
        data.begin_with(primary);
        return false;
    }
    begin_session(visit);
    let (value, began) = session_text(visit);
    let digest = digest_of_named(visit, primary);
    let value = digest.as_ref().map_or(value, |digest| digest.as_slice());
    let take_first = |backup: bool| {
        servers
            .own
            .in_order_of([value, &began])
            .filter(|member| member.backup == backup && !member.draining)
            .take(MOST)
            .any(|member| data.take_out_of_line(primary, member, Failures::Counted, pc))
    };
    if !take_first(false) {
        if !take_first(true) {
            return false;
        }
        // nginx does not mark a backup as tried here: if it fails, the balancer chooses.
        visit.tried_backups = 1;
    }
    debug!(pc, "session_sticky: lent to {}", OrNone(data.address()));
    // If memory is short, the response fails.
    let _ = note_served(visit);
    true
}

/// Adds stamps to a session without any if its response will write them, so that the next request identifies the session by
/// the same text.
fn begin_session(visit: &mut Visit<'_>) {
    let is_unstamped = visit.reading.session.stamps.is_none();
    if is_unstamped && visit.policy().limits.any() && !visit.is_silent() {
        visit.reading.session.stamps = Some(Stamps {
            // Long ago, so that the response writes them.
            last_seen: 0,
            first_seen: now(),
        });
    }
}

/// Returns the MD5 of the address of the server that the session names, if its own ID depends on keys, which may change and
/// differ between proxies. The order of servers is then the same as with MD5 IDs.
fn digest_of_named(visit: &Visit<'_>, primary: Peers<'_>) -> Option<[u8; MD5_HEX]> {
    let policy = visit.policy();
    if policy.hash != Hash::Hmac || !matches!(policy.mode, Mode::Insert | Mode::Repeat) {
        return None;
    }
    let named = visit.named.as_ref()?;
    let generation = visit.inner.round_robin().generation();
    let address = primary.address_of(&named.member, generation)?;
    Some(md5_hex(address.as_bytes()))
}

/// Returns what identifies a session as long as it lives: its own ID, its route, or the value of its cookie without the time
/// of its last request.
fn session_text<'r>(visit: &Visit<'r>) -> (&'r [u8], [u8; 8]) {
    let session = &visit.reading.session;
    if let Some(looked_up) = visit.session {
        return (looked_up.id, [0; 8]);
    }
    match visit.policy().mode {
        Mode::Insert | Mode::Repeat | Mode::Route | Mode::Learn => {
            let began = session.stamps.map(|stamps| stamps.first_seen);
            (session.id, began.unwrap_or_default().to_le_bytes())
        }
        Mode::Prefix | Mode::Rewrite => {
            let fields = View::of(visit.request).original;
            let name = &visit.policy().cookie;
            let mut all = fields.values().flat_map(|field| values(field, name));
            // An ID that was accepted in another scheme is not part of the field.
            #[allow(clippy::disallowed_methods)] // an iterator over borrowed fields
            let first = all.clone().next().unwrap_or(session.id);
            let value = all.find(|value| value.as_ptr_range().contains(&session.id.as_ptr()));
            (value.unwrap_or(first), [0; 8])
        }
    }
}
