//! Hides cookies from the upstream server, before the request to it is created.

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t, NGX_HTTP_INTERNAL_SERVER_ERROR};
use session_cookie::cookie::{HidePlan, HideRule};
use session_cookie::memory::OutOfMemory;

use crate::conf::Sticky;
use crate::log::debug;
use crate::nginx::cookies::{SingleCookie, SinglePair, View};
use crate::nginx::request::Request;
use crate::nginx::Printable;

/// Handles the precontent phase. Earlier phases have made their redirects by then, and a later redirect runs the phases again
/// with its own location.
#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls a phase handler with a request that is live at least until the handler returns.
    let request = unsafe { Request::new(r) };
    match hide(request, &request.location().conf::<Sticky>().hides) {
        Ok(()) => Status::NGX_DECLINED.into(),
        Err(OutOfMemory) => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
    }
}

/// Gives the request a view of its `Cookie` fields without the cookies that this location or an earlier one hides.
fn hide<'r>(request: Request<'r>, rules: &'r [HideRule<'r>]) -> Result<(), OutOfMemory> {
    let [rule, more @ ..] = rules else {
        return Ok(());
    };
    let Some(single) = SingleCookie::of(request).filter(|_| more.is_empty()) else {
        return hide_any(request, rules);
    };
    let plan = match rule.plan(single.value()) {
        HidePlan::Unchanged => {
            debug!(
                request,
                "session_sticky: no cookie \"{}\" to hide",
                Printable(rule.name)
            );
            return Ok(());
        }
        HidePlan::Single(plan) if single.is_alone() => plan,
        HidePlan::Single(_) | HidePlan::Strip => return hide_any(request, rules),
    };
    let pair = SinglePair {
        name: rule.name,
        value: plan.value,
    };
    debug!(
        request,
        "session_sticky: cookie \"{}\" is hidden",
        Printable(rule.name)
    );
    let original = single.replace(rules, pair, plan.rest)?;
    forget_cookies(request, original.values());
    Ok(())
}

/// The general case of [`hide`].
#[cold]
#[inline(never)]
fn hide_any<'r>(request: Request<'r>, rules: &'r [HideRule<'r>]) -> Result<(), OutOfMemory> {
    let view = View::of(request);
    let rules = fresh(request, rules, view.rules)?;
    let count = view.installed.values().count();
    let mut lefts = request.pool().stack(count).ok_or(OutOfMemory)?;
    for field in view.installed.values() {
        lefts.push((field.as_ptr(), without(request, field, rules)?));
    }
    let mut lefts = lefts.into_slice();
    if lefts.iter().all(|(_, left)| left.is_none()) {
        return Ok(());
    }

    debug!(
        request,
        "session_sticky: cookies are hidden in a separate list of headers, rules:{}",
        rules.len()
    );
    let all = concat(request, view.rules, rules)?;
    view.install(request, all, |field| {
        // Another module may have added fields that nginx does not know.
        let left = match lefts.split_first() {
            Some(((known, left), rest)) if *known == field.as_ptr() => {
                lefts = rest;
                *left
            }
            _ => without(request, field, rules)?,
        };
        Ok(left.unwrap_or(field))
    })?;
    forget_cookies(
        request,
        view.original.values().chain(view.installed.values()),
    );
    Ok(())
}

/// Returns a field without the parts that these rules hide, or `None` if they hide nothing.
fn without<'r>(
    request: Request<'r>,
    field: &'r [u8],
    rules: &[HideRule<'r>],
) -> Result<Option<&'r [u8]>, OutOfMemory> {
    let mut left = None;
    for rule in rules {
        let field = left.unwrap_or(field);
        if let Some(first) = rule.first_span(field) {
            let mut text = request.pool().text(field.len()).ok_or(OutOfMemory)?;
            rule.strip(field, first, &mut text);
            left = Some(text.into_bytes());
        }
    }
    Ok(left)
}

/// Clears the values of nginx's variables that were evaluated from these fields.
fn forget_cookies<'r>(request: Request<'r>, fields: impl Iterator<Item = &'r [u8]> + Clone) {
    if let Some(main) = request.main_conf::<Sticky>() {
        main.cookie_variables.forget(request, fields);
    }
}

/// Returns the rules that no earlier location has applied. A rule must not be applied twice.
fn fresh<'r>(
    request: Request<'r>,
    rules: &'r [HideRule<'r>],
    earlier: &[HideRule<'r>],
) -> Result<&'r [HideRule<'r>], OutOfMemory> {
    if earlier.is_empty() {
        return Ok(rules);
    }
    let mut fresh = request.pool().stack(rules.len()).ok_or(OutOfMemory)?;
    rules
        .iter()
        .filter(|rule| !earlier.contains(rule))
        .for_each(|rule| fresh.push(*rule));
    Ok(fresh.into_slice())
}

/// Returns the rules of earlier locations together with those of this one.
fn concat<'r>(
    request: Request<'r>,
    earlier: &[HideRule<'r>],
    rules: &'r [HideRule<'r>],
) -> Result<&'r [HideRule<'r>], OutOfMemory> {
    if earlier.is_empty() {
        return Ok(rules);
    }
    let length = earlier.len().saturating_add(rules.len());
    let mut all = request.pool().stack(length).ok_or(OutOfMemory)?;
    earlier.iter().chain(rules).for_each(|rule| all.push(*rule));
    Ok(all.into_slice())
}
