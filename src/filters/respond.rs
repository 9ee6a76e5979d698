//! What one visit does to the response: the cookie is added, or that of the server is edited.

use ngx::ffi::{ngx_http_request_t, ngx_time, NGX_LOG_WARN};
use ngx::ngx_log_error;
use session_cookie::action::{respond, Action};
use session_cookie::policy::Policy;
use session_cookie::session::Session;
use session_cookie::set_cookie::{self, Template, Varying, DATE};

use super::attributes;
use crate::conf::upstream_conf;
use crate::nginx::headers_in::{OutOfMemory, View};
use crate::nginx::headers_out::{set_cookies, SetCookie};
use crate::nginx::pool::{self, Text};
use crate::nginx::{log, Printable};
use crate::upstream::visit::Visit;

/// Does for the session what the server's response calls for.
#[inline(never)]
pub(super) unsafe fn answer(r: *mut ngx_http_request_t, visit: &Visit) -> Result<(), OutOfMemory> {
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

/// The fields in which the visit's server sets the cookie.
unsafe fn own(
    r: *mut ngx_http_request_t,
    policy: &'static Policy,
) -> impl Iterator<Item = SetCookie> {
    // SAFETY: the request is live; the list does not grow while it is read.
    unsafe { set_cookies(r).filter(|field| set_cookie::sets(field.value(), &policy.cookie)) }
}

/// Edits the fields in which the server sets the cookie: those of which `edited` gives pieces.
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
                let rest = (visit.reading).transferred(fields.values(), policy, delimiter);
                [id, b"", rest]
            }
        };
        pool::join((*r).pool, parts).ok_or(OutOfMemory)
    }
}

/// Adds a field of our own, in place of those that the server must not set.
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
        // Those that ours replaces are gone.
        if (*r).headers_out.headers.part.nelts != 0 && !conf.told.doubled.get() {
            look_for_own(r, visit);
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

/// Takes the fields out in which the server sets the cookie.
#[inline(never)]
pub(super) unsafe fn remove_own(r: *mut ngx_http_request_t, policy: &'static Policy) {
    // SAFETY: as in `own`.
    unsafe { own(r, policy).for_each(SetCookie::remove) }
}

/// Warns, once a worker and upstream, of a server that sets a cookie of the name of ours: the client keeps one of
/// them, so that it has no session here or none with the application.
#[inline(never)]
unsafe fn look_for_own(r: *mut ngx_http_request_t, visit: &Visit) {
    // SAFETY: as in `own`.
    unsafe {
        for field in set_cookies(r) {
            if set_cookie::sets(field.value(), &visit.policy.cookie) {
                return log_doubled(r, visit);
            }
        }
    }
}

#[cold]
#[inline(never)]
unsafe fn log_doubled(r: *mut ngx_http_request_t, visit: &Visit) {
    // SAFETY: the request and its upstream are live.
    unsafe {
        upstream_conf(visit.upstream).told.doubled.set(true);
        ngx_log_error!(
            NGX_LOG_WARN,
            log(r),
            "session_sticky: a server of upstream \"{}\" sets a cookie \"{}\" too, and clients keep one of that name: \
             use \"mode=prefix\" to share it, or another name",
            (*visit.upstream).host,
            Printable(&visit.policy.cookie)
        );
    }
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
    let mut date = [0; DATE];
    // SAFETY: the request is live, and what is written lives in its pool.
    unsafe {
        let conf = upstream_conf(visit.upstream);
        let varying = attributes::varying(r, visit.policy, conf, now, &mut date);
        let mut out = field(r, template, session, &varying)?;
        template.write_rest(&varying, &mut out);
        Some(out.into_bytes())
    }
}
