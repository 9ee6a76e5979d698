//! Several cookies of one name, as browsers send them for several paths or domains: where the server of the first
//! that names one cannot be had, the next that names one that can is followed.

use ngx::ffi::ngx_peer_connection_t;
use session_cookie::action::settled;
use session_cookie::verdict::{judged_values, Reading};

use super::bind;
use super::known::edition;
use super::lookup::read_one;
use super::visit::{is_first_try, Visit};
use crate::nginx::headers_in::View;

/// Chooses a server by another cookie of the name. `false`: none names one that can be had, and the visit is as it was.
pub(super) unsafe fn bind(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as in the module's `bind`.
    unsafe {
        let first = *visit;
        let fields = View::of(visit.request).original;
        let values = judged_values(fields.values(), visit.policy);
        for (number, value) in (1..).zip(values).skip(usize::from(first.values_seen)) {
            let mut reading = Reading::NONE;
            let Some(named) = read_one(visit, value, &mut reading) else {
                continue;
            };
            if first
                .named
                .is_some_and(|first| first.form == named.form && first.first == named.first)
            {
                continue;
            }
            visit.tried_backups = 0;
            visit.named = Some(named);
            visit.reading = reading;
            visit.edition = edition(visit.conf);
            if bind_out_of_line(visit, pc) {
                visit.values_seen = number;
                if is_first_try(visit.request, 1) {
                    visit.settled = settled(visit.conf.settled, &visit.reading);
                }
                return true;
            }
        }
        *visit = first;
    }
    false
}

/// The module's `bind`, apart from what nearly every request goes through.
#[inline(never)]
unsafe fn bind_out_of_line(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as there.
    unsafe { bind::bind(visit, pc) }
}
