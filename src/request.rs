//! Before the request to the server behind is created: hides what that server must not see.

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t, NGX_HTTP_INTERNAL_SERVER_ERROR};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf};
use session_cookie::cookie::{is_named, strip, Rule};

use crate::conf::Sticky;
use crate::nginx::headers_in::{forget, OutOfMemory, View};
use crate::nginx::pool;

/// The last phase before content: redirects inside nginx are behind us, and every one of them comes here
/// again with its own location.
pub(crate) unsafe extern "C" fn handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this with a live request in a location, whose configuration lives as long as
    // the cycle, hence the request.
    unsafe {
        let hides = Sticky::location_conf(&*r).map_or(&[][..], |location| &location.hides);
        match hide(r, hides) {
            Ok(()) => Status::NGX_DECLINED.into(),
            Err(OutOfMemory) => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
        }
    }
}

/// Gives the request a view of its cookies without what this location hides, and what an earlier one did.
unsafe fn hide(
    r: *mut ngx_http_request_t,
    hides: &'static [Rule<'static>],
) -> Result<(), OutOfMemory> {
    if hides.is_empty() {
        return Ok(());
    }

    // SAFETY: the request is live; the values live in its pool, or are the client's own.
    unsafe {
        let view = View::of(r);
        if hides.iter().all(|rule| view.rules.contains(rule)) {
            return Ok(());
        }
        if !view.original.values().any(|field| is_named(field, hides)) {
            return Ok(());
        }

        let rules = if view.rules.is_empty() {
            hides
        } else {
            both(r, view.rules, hides)?
        };
        let mut left = pool::Stack::<&[u8]>::new((*r).pool, view.original.values().count())
            .ok_or(OutOfMemory)?;
        for field in view.original.values() {
            let kept = stripped(r, field, rules)?;
            if !kept.is_empty() {
                left.push(kept);
            }
        }
        view.install(r, rules, left.as_slice())?;
        if let Some(main) = Sticky::main_conf(&*r) {
            forget(r, &main.cookie_variables);
        }
        Ok(())
    }
}

/// The rules of an earlier location and those of this one.
unsafe fn both(
    r: *mut ngx_http_request_t,
    earlier: &[Rule<'static>],
    hides: &[Rule<'static>],
) -> Result<&'static [Rule<'static>], OutOfMemory> {
    // SAFETY: the request is live, and so is its pool as long as its view.
    unsafe {
        let length = earlier.len().saturating_add(hides.len());
        let mut rules = pool::Stack::new((*r).pool, length).ok_or(OutOfMemory)?;
        earlier
            .iter()
            .chain(hides)
            .for_each(|rule| rules.push(*rule));
        Ok(rules.as_slice())
    }
}

/// A field without what the rules hide; the field itself if that is nothing.
unsafe fn stripped<'a>(
    r: *mut ngx_http_request_t,
    field: &'a [u8],
    rules: &[Rule],
) -> Result<&'a [u8], OutOfMemory> {
    if !is_named(field, rules) {
        return Ok(field);
    }
    // SAFETY: the request is live.
    let memory = unsafe { pool::text((*r).pool, field.len()) }.ok_or(OutOfMemory)?;
    let length = strip(field, rules, memory);
    Ok(memory.get(..length).unwrap_or_default())
}
