//! The header filter: adds our cookie to the answer, or edits the server's.

use core::ptr::NonNull;

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_complex_value, ngx_http_complex_value_t, ngx_http_cookie_time,
    ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_time,
    ngx_http_top_header_filter, ngx_int_t, ngx_str_t, ngx_time, time_t, NGX_LOG_ERR,
};
use ngx::ngx_log_error;
use session_cookie::action::{respond, Action, Settled};
use session_cookie::policy::{Policy, SameSite, Style};
use session_cookie::session::Session;
use session_cookie::set_cookie::{self, Template, Varying, DATE};
use session_cookie::text::is_domain;
use session_cookie::verdict::transferred;

use crate::balancer::Visit;
use crate::conf::upstream_conf;
use crate::nginx::headers_in::{OutOfMemory, View};
use crate::nginx::headers_out::{set_cookies, sets_any, SetCookie};
use crate::nginx::pool::Text;
use crate::nginx::{bytes, log, pool, Printable};

/// The filter after us. nginx sets the chain anew for each configuration.
static mut NEXT: ngx_http_output_header_filter_pt = None;

/// Takes our place in the chain of header filters.
///
/// # Safety
///
/// Called once a configuration, from `postconfiguration`.
pub(crate) unsafe fn install() {
    // SAFETY: nginx has one thread, and reads the chain only when it serves requests.
    unsafe {
        NEXT = ngx_http_top_header_filter;
        ngx_http_top_header_filter = Some(filter);
    }
}

unsafe extern "C" fn filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this with a live request whose header is about to be sent.
    unsafe {
        if let Some(visit) = Visit::of(r) {
            visit.note_header();
            if visit.settled() != Settled::Yes {
                return filter_unsettled(r, visit);
            }
        }
        pass_on(r)
    }
}

/// The same if it is not known that the session needs nothing. Apart, so that what mostly happens takes no
/// registers.
#[inline(never)]
unsafe fn filter_unsettled(r: *mut ngx_http_request_t, visit: &Visit) -> ngx_int_t {
    // SAFETY: as above.
    unsafe {
        let needs_nothing = visit.settled() == Settled::UnlessSet && !sets_any(r);
        if !needs_nothing && answer(r, visit).is_err() {
            return Status::NGX_ERROR.into();
        }
        pass_on(r)
    }
}

/// Calls the filter after us.
unsafe fn pass_on(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: as above; only the start of a configuration writes to it.
    unsafe { NEXT.map_or(Status::NGX_OK.into(), |next| next(r)) }
}

/// Does for the session what the server's answer calls for.
#[inline(never)]
unsafe fn answer(r: *mut ngx_http_request_t, visit: &Visit) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live, and its header was not sent.
    unsafe {
        let Some(served) = visit.answered_by() else {
            return Ok(());
        };
        // What a subrequest sets is not sent.
        if r != (*r).main {
            return Ok(());
        }
        let policy = visit.policy;
        let sets = || own(r, policy).next().is_some();
        let now = u64::try_from(ngx_time()).unwrap_or_default();
        match respond(policy, &visit.reading, served, sets, now) {
            Action::None => Ok(()),
            Action::Insert(session) => insert(r, visit, session, now),
            Action::Rewrite(id) => edit(r, |field| set_cookie::rewrite(field, &policy.cookie, id)),
            Action::Prefix(id) => edit(r, |field| set_cookie::prefix(field, &policy.cookie, id)),
        }
    }
}

/// The fields in which the server behind sets the cookie.
unsafe fn own(
    r: *mut ngx_http_request_t,
    policy: &'static Policy,
) -> impl Iterator<Item = SetCookie> {
    // SAFETY: the request is live; the list does not grow while it is read.
    unsafe { set_cookies(r).filter(|field| set_cookie::sets(field.value(), &policy.cookie)) }
}

/// Edits the fields in which the server behind sets the cookie: those of which `edited` gives pieces.
#[inline(always)]
unsafe fn edit<'a, const N: usize>(
    r: *mut ngx_http_request_t,
    edited: impl Fn(&'a [u8]) -> Option<[&'a [u8]; N]>,
) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live, and so are its fields; the list does not grow while it is read.
    unsafe {
        for field in set_cookies(r) {
            if let Some(pieces) = edited(field.value()) {
                field.set(pool::join((*r).pool, pieces).ok_or(OutOfMemory)?);
            }
        }
    }
    Ok(())
}

/// The id with the application's own value of the cookie behind it: what the server sets now, else
/// what the client has.
#[cold]
#[inline(never)]
unsafe fn transfer(
    r: *mut ngx_http_request_t,
    visit: &Visit,
    delimiter: &'static [u8],
    id: &'static [u8],
) -> Result<&'static [u8], OutOfMemory> {
    // SAFETY: as in `edit`; what is written lives in the request's pool.
    unsafe {
        let policy = visit.policy;
        let set = own(r, policy).find_map(|field| {
            let parts = set_cookie::parse(field.value(), &policy.cookie)?;
            Some(parts.value)
        });
        let parts: [&[u8]; 3] = match set {
            Some(b"") => [id, b"", b""],
            Some(value) => [id, delimiter, value],
            None => {
                let fields = View::of(r).original;
                let rest = transferred(fields.values(), policy, delimiter, &visit.reading);
                [id, b"", rest]
            }
        };
        pool::join((*r).pool, parts).ok_or(OutOfMemory)
    }
}

/// Adds a field of our own, in place of those that the server behind must not set.
#[inline(always)]
unsafe fn insert(
    r: *mut ngx_http_request_t,
    visit: &Visit,
    session: Session<'static>,
    now: u64,
) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live, with its connection; the field is written into its pool.
    unsafe {
        let (policy, conf) = (visit.policy, upstream_conf(visit.upstream));
        let Some(template) = &conf.template else {
            return Ok(());
        };
        let id = match &policy.transfer {
            Some(delimiter) => transfer(r, visit, delimiter, session.id)?,
            None => session.id,
        };
        if policy.replaces() {
            remove_own(r, policy);
        }
        if policy.silent || visit.location().silent {
            return Ok(());
        }
        // Made where it is handed over: one session for both would live in memory.
        let stamps = session.stamps;
        let field = if template.varies() {
            varying_field(r, visit, template, Session { id, stamps }, now)
        } else {
            field(r, template, Session { id, stamps }, &Varying::default())
                .map(|out| out.into_bytes())
        };
        SetCookie::push(r, field.ok_or(OutOfMemory)?).ok_or(OutOfMemory)
    }
}

/// Takes the fields out in which the server behind sets the cookie.
#[inline(never)]
unsafe fn remove_own(r: *mut ngx_http_request_t, policy: &'static Policy) {
    // SAFETY: as in `own`.
    unsafe { own(r, policy).for_each(SetCookie::remove) }
}

/// A field of our own, up to the first attribute that differs from request to request.
#[inline(always)]
unsafe fn field(
    r: *mut ngx_http_request_t,
    template: &Template,
    session: Session<'static>,
    varying: &Varying,
) -> Option<Text> {
    // SAFETY: the request is live.
    let mut out = unsafe { Text::new((*r).pool, template.max_len(&session, varying))? };
    template.write(&session, &mut out);
    Some(out)
}

/// A field of our own of which more than the value differs from request to request.
#[inline(never)]
unsafe fn varying_field(
    r: *mut ngx_http_request_t,
    visit: &Visit,
    template: &Template,
    session: Session<'static>,
    now: u64,
) -> Option<&'static [u8]> {
    let policy = visit.policy;
    let mut date = [0; DATE];
    let expires = policy.max_age.and_then(|max_age| {
        let at = time_t::try_from(now.saturating_add(max_age)).ok()?;
        let at = at.min(LAST_DATE);
        // SAFETY: ngx_http_time() writes an HTTP-date, which has exactly this length until the year 9999;
        // ngx_http_cookie_time() the same with hyphens, and until 2037 with two digits for the year.
        let end = unsafe {
            match policy.style {
                Style::Rfc => ngx_http_time(date.as_mut_ptr(), at),
                Style::Nginx => ngx_http_cookie_time(date.as_mut_ptr(), at),
            }
        };
        date.get(..(end as usize).wrapping_sub(date.as_ptr() as usize))
    });
    // SAFETY: the request is live, and what is written lives in its pool.
    unsafe {
        let conf = upstream_conf(visit.upstream);
        let varying = Varying {
            expires,
            domain: conf.domain.and_then(|compiled| domain(r, policy, compiled)),
            tls: is_tls(r),
            same_site: conf.same_site.and_then(|compiled| same_site(r, compiled)),
        };
        let mut out = field(r, template, session, &varying)?;
        template.write_rest(&varying, &mut out);
        Some(out.into_bytes())
    }
}

/// Fri, 31 Dec 9999 23:59:59 GMT, the last second whose HTTP-date has four digits for the year.
const LAST_DATE: time_t = 253_402_300_799;

/// Did the request come over TLS?
unsafe fn is_tls(r: *mut ngx_http_request_t) -> bool {
    #[cfg(ngx_feature = "http_ssl")]
    // SAFETY: a live request has a connection.
    unsafe {
        !(*(*r).connection).ssl.is_null()
    }
    #[cfg(not(ngx_feature = "http_ssl"))]
    {
        let _ = r;
        false
    }
}

/// `Domain`, evaluated for this request where it has a variable. What is no host name leaves the attribute out: a
/// client that says `Host: a;Secure` adds nothing.
#[cold]
#[inline(never)]
unsafe fn domain<'a>(
    r: *mut ngx_http_request_t,
    policy: &Policy,
    compiled: NonNull<ngx_http_complex_value_t>,
) -> Option<&'a [u8]> {
    // SAFETY: the request is live, and the compiled value lives as long as the cycle.
    unsafe {
        let mut value = ngx_str_t::empty();
        if ngx_http_complex_value(r, compiled.as_ptr(), &raw mut value) != Status::NGX_OK.into() {
            return None;
        }
        let value = bytes(value);
        if is_domain(value) {
            return Some(value);
        }
        if !value.is_empty() {
            ngx_log_error!(
                NGX_LOG_ERR,
                log(r),
                "session_sticky: domain \"{}\" of cookie \"{}\" is no host name, the cookie is set without it",
                Printable(value),
                Printable(&policy.cookie)
            );
        }
        None
    }
}

/// `SameSite` where it is a variable, evaluated for this request. What is no such word becomes `Strict`,
/// the value that exposes least; an empty value leaves the attribute out.
#[cold]
#[inline(never)]
unsafe fn same_site(
    r: *mut ngx_http_request_t,
    compiled: NonNull<ngx_http_complex_value_t>,
) -> Option<SameSite> {
    // SAFETY: the request is live, and the compiled value lives as long as the cycle.
    unsafe {
        let mut value = ngx_str_t::empty();
        if ngx_http_complex_value(r, compiled.as_ptr(), &raw mut value) != Status::NGX_OK.into() {
            return Some(SameSite::Strict);
        }
        match bytes(value) {
            b"" => None,
            word => Some(SameSite::parse(word).unwrap_or(SameSite::Strict)),
        }
    }
}
