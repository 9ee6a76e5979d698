//! Responses that nginx hands on inside (X-Accel-Redirect, intercepted errors): every sticky upstream on the way has
//! its say, about the fields that it sent.

use core::iter::once;
use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_http_upstream_state_t};
use session_cookie::policy::Mode;

use super::respond::{answer, remove_own};
use crate::nginx::headers_in::OutOfMemory;
use crate::nginx::headers_out::{came_with, set_cookies};
use crate::nginx::pool;
use crate::upstream::visit::Visit;

/// Did the request go to several upstreams, or to several servers?
pub(super) unsafe fn may_have_gone_on(r: *mut ngx_http_request_t) -> bool {
    // SAFETY: the caller's promise: the request is live. nginx notes every try.
    unsafe {
        (*r).upstream_states
            .as_ref()
            .is_some_and(|tries| tries.nelts > 1)
    }
}

/// Did it go to several upstreams? nginx parts the tries of one from those of the next by an entry without a server
/// (`ngx_http_upstream_init_request`).
unsafe fn went_on(r: *mut ngx_http_request_t) -> bool {
    // SAFETY: as above; an array of states.
    unsafe {
        (*r).upstream_states.as_ref().is_some_and(|tries| {
            let tries: &[ngx_http_upstream_state_t] = tries.as_slice();
            tries.iter().any(|one| one.peer.is_null())
        })
    }
}

/// Does for the session of every visit what the response of its server calls for, the newest first. Of those with one
/// cookie name the newest sets it.
#[cold]
#[inline(never)]
pub(super) unsafe fn answer_all(
    r: *mut ngx_http_request_t,
    newest: &Visit,
) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live, and so are its visits, which are only read.
    unsafe {
        if r != (*r).main || !went_on(r) {
            return answer(r, newest);
        }
        let earlier = || Visit::earlier(r).filter(|visit| !ptr::eq(*visit, newest));
        let answered = |visit: &&Visit| visit.answered_by().is_some();
        let visits = || once(newest).chain(earlier()).filter(answered);
        for (at, visit) in visits().enumerate() {
            let policy = visit.policy;
            let mut newer = visits().take(at);
            let is_taken = newer.any(|newer| *newer.policy.cookie == *policy.cookie);

            // Meanwhile the fields of the others are out of the response.
            let count = set_cookies(r).count();
            let mut others = pool::Stack::new((*r).pool, count).ok_or(OutOfMemory)?;
            set_cookies(r)
                .filter(|field| !came_with(visit.connection, *field))
                .for_each(|field| others.push((field, field.take_out())));
            let done = match policy.mode {
                Mode::Insert | Mode::Repeat if is_taken => {
                    if policy.replaces() {
                        remove_own(r, policy);
                    }
                    Ok(())
                }
                _ => answer(r, visit),
            };
            for (field, hash) in others.as_slice() {
                field.put_back(*hash);
            }
            done?;
        }
    }
    Ok(())
}
