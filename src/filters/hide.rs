//! Before the request to the server behind is created: hides what that server must not see.

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t, NGX_HTTP_INTERNAL_SERVER_ERROR};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf};
use session_cookie::cookie::{HidePlan, HideRule};

use crate::conf::Sticky;
use crate::nginx::headers_in::{Lone, Only, OutOfMemory, View};
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
    hides: &'static [HideRule<'static>],
) -> Result<(), OutOfMemory> {
    let [rule, more @ ..] = hides else {
        return Ok(());
    };
    // SAFETY: the request is live; the values live in its pool, or are the client's own.
    unsafe {
        let Some(lone) = Lone::of(r).filter(|_| more.is_empty()) else {
            return hide_any(r, hides);
        };
        let single = match rule.plan(lone.value()) {
            HidePlan::Unchanged => return Ok(()),
            HidePlan::Single(single) if lone.is_alone(r) => single,
            HidePlan::Single(_) | HidePlan::Strip => return hide_any(r, hides),
        };
        let only = Only {
            name: rule.name,
            said: single.value,
        };
        let original = lone.replace(r, hides, only, single.rest)?;
        forget_cookies(r, original.values());
    }
    Ok(())
}

/// The same, whatever the request, the location and earlier ones are like.
#[cold]
#[inline(never)]
unsafe fn hide_any(
    r: *mut ngx_http_request_t,
    hides: &'static [HideRule<'static>],
) -> Result<(), OutOfMemory> {
    // SAFETY: as in `hide`.
    unsafe {
        let view = View::of(r);
        let hides = fresh(r, hides, view.rules)?;
        let fields = view.installed.values();
        let mut lefts = pool::Stack::new((*r).pool, fields.clone().count()).ok_or(OutOfMemory)?;
        for field in fields {
            lefts.push((field.as_ptr(), without(r, field, hides)?));
        }
        let mut lefts = lefts.as_slice().iter();
        if lefts.clone().all(|(_, left)| left.is_none()) {
            return Ok(());
        }

        let rules = concat(r, view.rules, hides)?;
        view.install(r, rules, |field| {
            // Another module may have put fields there of which nginx does not know.
            let known = lefts
                .clone()
                .next()
                .filter(|(known, _)| *known == field.as_ptr());
            let left = match known {
                Some((_, left)) => {
                    lefts.next();
                    *left
                }
                None => without(r, field, hides)?,
            };
            Ok(left.unwrap_or(field))
        })?;
        forget_cookies(r, view.original.values().chain(view.installed.values()));
    }
    Ok(())
}

/// A field without what these rules hide of it; `None`, if that is nothing.
unsafe fn without(
    r: *mut ngx_http_request_t,
    field: &'static [u8],
    hides: &[HideRule<'static>],
) -> Result<Option<&'static [u8]>, OutOfMemory> {
    let mut left = None;
    for rule in hides {
        let field = left.unwrap_or(field);
        if let Some(first) = rule.first_span(field) {
            // SAFETY: the request is live, and the text lives as long as it does.
            unsafe {
                let mut text = Text::new((*r).pool, field.len()).ok_or(OutOfMemory)?;
                rule.strip(field, first, &mut text);
                left = Some(text.into_bytes());
            }
        }
    }
    Ok(left)
}

/// Makes the request forget what nginx's variables said of its cookies, which were these fields.
unsafe fn forget_cookies<'a>(
    r: *mut ngx_http_request_t,
    fields: impl Iterator<Item = &'a [u8]> + Clone,
) {
    // SAFETY: the request is live, and so is its configuration.
    unsafe {
        if let Some(main) = Sticky::main_conf(&*r) {
            main.cookie_variables.forget(r, fields);
        }
    }
}

/// The rules that no earlier location has followed: what is hidden already must not be looked for again.
unsafe fn fresh(
    r: *mut ngx_http_request_t,
    hides: &'static [HideRule<'static>],
    earlier: &[HideRule<'static>],
) -> Result<&'static [HideRule<'static>], OutOfMemory> {
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
    earlier: &[HideRule<'static>],
    hides: &'static [HideRule<'static>],
) -> Result<&'static [HideRule<'static>], OutOfMemory> {
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
