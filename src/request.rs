//! Before the request to the server behind is created: hides what that server must not see.

use core::ptr;

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t, NGX_HTTP_INTERNAL_SERVER_ERROR};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf};
use session_cookie::cookie::{first_hidden, strip, Rule};

use crate::conf::Sticky;
use crate::nginx::headers_in::{forget, OutOfMemory, View};
use crate::nginx::pool::{self, Text};

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
        let hides = fresh(r, hides, view.rules)?;
        let mut fields = view.installed.values();
        let named = |field| {
            let mut rules = hides.iter();
            rules.find_map(|rule| Some((field, rule, first_hidden(field, rule)?)))
        };
        let Some((first_field, first_rule, first)) = fields.find_map(named) else {
            return Ok(());
        };

        let mut several = false;
        let rules = concat(r, view.rules, hides)?;
        let view = view.install(r, rules, |field| {
            let mut left = field;
            for rule in hides {
                let is_first = ptr::eq(left, first_field) && ptr::eq(rule, first_rule);
                let hidden = if is_first {
                    Some(first)
                } else {
                    first_hidden(left, rule)
                };
                let Some(hidden) = hidden else { continue };
                let mut text = Text::new((*r).pool, left.len()).ok_or(OutOfMemory)?;
                several |= strip(left, hidden, rule, &mut text) || !is_first;
                left = text.into_bytes();
            }
            Ok(left)
        })?;
        if let ([rule], false) = (view.rules, several) {
            view.only = Some((rule.name, first.value(first_field)));
        }

        if let Some(main) = Sticky::main_conf(&*r) {
            forget(r, &main.cookie_variables);
        }
        Ok(())
    }
}

/// The rules that no earlier location has followed: what is hidden already must not be looked for again.
unsafe fn fresh(
    r: *mut ngx_http_request_t,
    hides: &'static [Rule<'static>],
    earlier: &[Rule<'static>],
) -> Result<&'static [Rule<'static>], OutOfMemory> {
    if earlier.is_empty() {
        return Ok(hides);
    }
    // SAFETY: the request is live, and so is its pool as long as its view.
    unsafe {
        let mut rules = pool::Stack::new((*r).pool, hides.len()).ok_or(OutOfMemory)?;
        hides
            .iter()
            .filter(|rule| !earlier.contains(rule))
            .for_each(|rule| rules.push(*rule));
        Ok(rules.as_slice())
    }
}

/// The rules of earlier locations and those of this one.
unsafe fn concat(
    r: *mut ngx_http_request_t,
    earlier: &[Rule<'static>],
    hides: &'static [Rule<'static>],
) -> Result<&'static [Rule<'static>], OutOfMemory> {
    if earlier.is_empty() {
        return Ok(hides);
    }
    // SAFETY: as above.
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
