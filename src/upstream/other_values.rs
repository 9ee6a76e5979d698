//! Several cookies of one name, which browsers send for several paths or domains: if the server that the first one names is
//! unavailable, the next one that names an available server is followed.

use session_cookie::foreknown::Settled;
use session_cookie::verdict::{judged_values, Reading};

use super::bind;
use super::known::edition;
use super::lookup::read_one;
use super::visit::Visit;
use crate::nginx::cookies::View;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::time::now;

/// Chooses a server by another cookie of the name. `false`: none names an available server, and the visit is unchanged.
pub(super) fn bind<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    #[allow(clippy::disallowed_methods)] // a visit owns no memory
    let before = visit.clone();
    let fields = View::of(visit.request).original;
    let values = judged_values(fields.values(), visit.policy());
    for (number, value) in (1..).zip(values).skip(usize::from(before.values_seen)) {
        let mut reading = Reading::NONE;
        let Some(named) = read_one(visit, value, &mut reading) else {
            continue;
        };
        let is_same = (before.named)
            .is_some_and(|before| before.scheme == named.scheme && before.first == named.first);
        if is_same {
            continue;
        }
        visit.tried_backups = 0;
        visit.named = Some(named);
        visit.reading = reading;
        visit.edition = edition(visit.conf);
        if bind_out_of_line(visit, pc) {
            visit.values_seen = number;
            // What was known in advance for the other cookie no longer applies.
            visit.settled = if visit.is_first_try(1) {
                let foreknown = visit.sticky.foreknown.get();
                foreknown.settled(visit.policy(), &visit.reading, now)
            } else {
                Settled::No
            };
            return true;
        }
    }
    *visit = before;
    false
}

/// [`bind::bind`], kept out of the path of ordinary requests.
#[inline(never)]
fn bind_out_of_line<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    bind::bind(visit, pc)
}
