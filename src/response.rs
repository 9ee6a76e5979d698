//! The header filter: adds our cookie to the answer, or edits the server's.

use ngx::core::Status;
use ngx::ffi::{
    ngx_http_complex_value, ngx_http_output_header_filter_pt, ngx_http_request_t, ngx_http_time,
    ngx_http_top_header_filter, ngx_int_t, ngx_str_t, ngx_time, time_t,
};
use session_cookie::action::{respond, Action};
use session_cookie::policy::{Policy, SameSite, Secure};
use session_cookie::session::Session;
use session_cookie::set_cookie::{self, Insertion, Parts, DATE};

use crate::balancer::Visit;
use crate::conf::upstream_conf;
use crate::nginx::bytes;
use crate::nginx::headers_in::OutOfMemory;
use crate::nginx::headers_out::{set_cookies, SetCookie};
use crate::nginx::pool::Text;

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
            if let Some(served) = visit.answered_by() {
                if answer(r, visit, served).is_err() {
                    return Status::NGX_ERROR.into();
                }
            }
        }
        NEXT.map_or(Status::NGX_OK.into(), |next| next(r))
    }
}

/// Does for the session what the server's answer calls for.
#[inline]
unsafe fn answer(
    r: *mut ngx_http_request_t,
    visit: &Visit,
    served: &'static [u8],
) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live, and its header was not sent.
    unsafe {
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
            Action::Rewrite(id) => edit(r, policy, id, set_cookie::rewrite),
            Action::Prefix(id) => edit(r, policy, id, set_cookie::prefix),
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

/// Edits the fields in which the server behind sets the cookie.
#[inline(never)]
unsafe fn edit(
    r: *mut ngx_http_request_t,
    policy: &Policy,
    id: &[u8],
    write: fn(&Parts, &[u8], &mut Text),
) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live, and so are its fields; the list does not grow while it is read.
    unsafe {
        for field in set_cookies(r) {
            let value = field.value();
            let Some(parts) = set_cookie::parse(value, &policy.cookie) else {
                continue;
            };
            let room = value.len().saturating_add(id.len()).saturating_add(1);
            let mut out = Text::new((*r).pool, room).ok_or(OutOfMemory)?;
            write(&parts, id, &mut out);
            field.set(out.into_bytes());
        }
    }
    Ok(())
}

/// Adds a field of our own, in place of those of a server that must not see the cookie.
#[inline(never)]
unsafe fn insert(
    r: *mut ngx_http_request_t,
    visit: &Visit,
    session: Session,
    now: u64,
) -> Result<(), OutOfMemory> {
    let policy = visit.policy;
    let mut date = [0; DATE];
    let expires = policy.max_age.and_then(|max_age| {
        let at = time_t::try_from(now.saturating_add(max_age)).ok()?;
        // SAFETY: ngx_http_time() writes an HTTP-date, which has exactly this length until the year 9999.
        unsafe { ngx_http_time(date.as_mut_ptr(), at.min(LAST_DATE)) };
        Some(date.as_slice())
    });
    // SAFETY: the request is live, with its connection; the field is written into its pool.
    unsafe {
        if policy.hides().is_some() {
            own(r, policy).for_each(SetCookie::remove);
        }
        let insertion = Insertion {
            policy,
            session,
            expires,
            secure: match policy.secure {
                Secure::Off => false,
                Secure::On => true,
                Secure::Auto => is_tls(r),
            },
            same_site: same_site(r, visit),
        };
        let mut out = Text::new((*r).pool, insertion.max_len()).ok_or(OutOfMemory)?;
        insertion.write(&mut out);
        SetCookie::push(r, out.into_bytes()).ok_or(OutOfMemory)
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

/// `SameSite`, evaluated for this request where it is a variable. What is no such word becomes `Strict`,
/// the value that exposes least; an empty value leaves the attribute out.
unsafe fn same_site(r: *mut ngx_http_request_t, visit: &Visit) -> Option<SameSite> {
    // SAFETY: the request is live, and the compiled value lives as long as the cycle.
    unsafe {
        let Some(compiled) = upstream_conf(visit.upstream).same_site else {
            return visit.policy.same_site;
        };
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
