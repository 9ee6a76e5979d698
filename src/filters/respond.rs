//! The changes that one visit makes to the response: the cookie is added, or the server's cookie is edited.

use session_cookie::action::{respond_as, Action};
use session_cookie::cache_control;
use session_cookie::keys::Signer;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Policy;
use session_cookie::session::Session;
use session_cookie::set_cookie::{self, Template, Varying, DATE};

use super::attributes;
use crate::conf::{StickyUpstream, UpstreamConf};
use crate::log::{debug, warn};
use crate::nginx::cookies::View;
use crate::nginx::pool::Text;
use crate::nginx::request::Request;
use crate::nginx::response_fields::{CacheControl, Field, SetCookie};
use crate::nginx::time::now;
use crate::nginx::{string, Printable};
use crate::upstream::source::learn_from_header;
use crate::upstream::visit::Visit;

/// [`act_as`] with extras. Out of line, so that the common path saves no registers.
#[inline(never)]
pub(super) fn act_as_ever<'r>(
    request: Request<'r>,
    visit: &'r Visit<'r>,
) -> Result<(), OutOfMemory> {
    act_as::<true>(request, visit)
}

/// Changes the response of the server as the session requires. `EXTRAS`: the policy may have [extras](Policy::has_extras).
#[inline(always)]
pub(super) fn act_as<'r, const EXTRAS: bool>(
    request: Request<'r>,
    visit: &'r Visit<'r>,
) -> Result<(), OutOfMemory> {
    let Some(served) = visit.responded_by() else {
        return visit.check_memory();
    };
    let policy = visit.policy();
    // The header of a subrequest is not sent.
    if !policy.has_cookie() || !request.is_main() {
        learn_from_header(visit);
        return Ok(());
    }
    let now = now();
    let sets = || {
        let mut fields = own(request, policy);
        if EXTRAS && policy.preserve && policy.transfer.is_some() {
            // The application's value is transferred, unless it ends the session.
            return fields.any(|field| set_cookie::deletes(field.value(), &policy.cookie, now));
        }
        fields.next().is_some()
    };
    let action = respond_as::<EXTRAS>(policy, &visit.reading, served, sets, now);
    debug!(
        request,
        "session_sticky: server \"{}\" responded: {}",
        Printable(served),
        name(&action)
    );
    match action {
        Action::None | Action::Learn(_) => Ok(()),
        Action::Insert(session) => insert::<EXTRAS>(request, visit, session, now),
        Action::Rewrite(id) => edit::<EXTRAS, 3>(request, visit, now, |field| {
            set_cookie::rewrite(field, &policy.cookie, id)
        }),
        Action::Prefix(id) => edit::<EXTRAS, 4>(request, visit, now, |field| {
            set_cookie::prefix(field, &policy.cookie, id)
        }),
        Action::Preserve => {
            preserve(request, visit, now);
            Ok(())
        }
    }
}

/// Returns the description of an action for the log.
fn name(action: &Action<'_>) -> &'static str {
    match action {
        Action::None => "nothing is set",
        Action::Insert(_) => "the cookie is set",
        Action::Rewrite(_) => "the server's cookie is rewritten",
        Action::Prefix(_) => "the server's cookie gets a prefix",
        Action::Learn(_) => "the session is learned",
        Action::Preserve => "the server's cookie is not changed",
    }
}

/// Returns the fields in which the server sets the cookie.
pub(super) fn own<'a, 'r: 'a>(
    request: Request<'r>,
    policy: &'a Policy,
) -> impl Iterator<Item = Field<'r>> + 'a {
    let cookie = &policy.cookie;
    (request.set_cookies()).filter(move |field| set_cookie::sets(field.value(), cookie))
}

/// Edits the fields in which the server sets the cookie. `edited` returns the pieces of the new value of such a field, and `None`
/// for other fields.
#[inline(always)]
fn edit<'r, const EXTRAS: bool, const N: usize>(
    request: Request<'r>,
    visit: &Visit<'r>,
    now: u64,
    edited: impl Fn(&'r [u8]) -> Option<[&'r [u8]; N]>,
) -> Result<(), OutOfMemory> {
    let policy = visit.policy();
    let mut has_edited = false;
    for field in request.set_cookies() {
        if let Some(pieces) = edited(field.value()) {
            if EXTRAS && policy.preserve && set_cookie::deletes(field.value(), &policy.cookie, now)
            {
                visit.note_preserved(true);
                continue;
            }
            field.set(request.pool().join(pieces).ok_or(OutOfMemory)?);
            visit.note_edited();
            debug!(
                request,
                "session_sticky: edited \"{}\"",
                Printable(field.value())
            );
            has_edited = true;
        }
    }
    if EXTRAS && policy.no_cache && has_edited {
        return forbid_sharing(request);
    }
    Ok(())
}

/// Leaves the fields in which the server sets the cookie unchanged, and records whether they end the session.
#[cold]
#[inline(never)]
pub(super) fn preserve(request: Request<'_>, visit: &Visit<'_>, now: u64) {
    let policy = visit.policy();
    let ends = |field: Field<'_>| set_cookie::deletes(field.value(), &policy.cookie, now);
    // Browsers use the last one.
    visit.note_preserved(own(request, policy).last().is_some_and(ends));
}

/// Prevents shared caches from storing the response, by a separate `Cache-Control` field: nginx's `expires` is applied later
/// and overwrites the field that nginx knows. Directives for browsers remain in that field.
#[cold]
#[inline(never)]
pub(super) fn forbid_sharing(request: Request<'_>) -> Result<(), OutOfMemory> {
    let fields = || request.response_fields::<CacheControl>();
    let length = cache_control::rest_len(fields().map(|field| field.value().len()));
    let mut rest = request.pool().text(length).ok_or(OutOfMemory)?;
    cache_control::write_rest(fields().map(Field::value), &mut rest);
    let rest = rest.into_bytes();
    fields().skip(1).for_each(Field::remove);
    match fields().next() {
        Some(first) if rest.is_empty() => {
            first.remove();
            request.forget_cache_control();
        }
        Some(first) => first.set(rest),
        None => (),
    }
    request.add_response_field::<CacheControl>(cache_control::PRIVATE)
}

/// Returns the ID followed by the application's own value of the cookie: the one that the server sets, or else the one that
/// the client has sent.
#[cold]
#[inline(never)]
fn transfer<'r>(
    request: Request<'r>,
    visit: &Visit<'r>,
    delimiter: &[u8],
    id: &[u8],
) -> Result<&'r [u8], OutOfMemory> {
    let policy = visit.policy();
    let set = own(request, policy).find_map(|field| {
        let parts = set_cookie::parse(field.value(), &policy.cookie)?;
        Some(parts.value)
    });
    let parts: [&[u8]; 3] = match set {
        Some(b"") => [id, b"", b""],
        Some(value) => [id, delimiter, value],
        None => {
            let fields = View::of(request).original;
            let rest = (visit.reading).transferred(fields.values(), policy, delimiter);
            [id, b"", rest]
        }
    };
    request.pool().join(parts).ok_or(OutOfMemory)
}

/// Adds the module's cookie, and removes those that the server must not set.
#[inline(always)]
fn insert<'r, const EXTRAS: bool>(
    request: Request<'r>,
    visit: &'r Visit<'r>,
    session: Session<'r>,
    now: u64,
) -> Result<(), OutOfMemory> {
    let (policy, conf, sticky) = (visit.policy(), visit.conf, visit.sticky);
    let Some(template) = sticky.template.get() else {
        return Ok(());
    };
    let id = match &policy.transfer {
        Some(delimiter) if EXTRAS => transfer(request, visit, delimiter, session.id)?,
        _ => session.id,
    };
    if policy.replaces() {
        remove_own(request, policy);
    }
    if sticky.may_be_silent.get() && visit.is_silent() {
        return Ok(());
    }
    // Fields that this one replaces have been removed.
    if request.has_response_fields() && !conf.told.doubled.get() {
        look_for_own(request, visit, conf);
    }
    // The session is built in each branch, because a shared one would be kept in memory.
    let stamps = session.stamps;
    let signer = policy.signer.as_ref().filter(|_| EXTRAS);
    let field = if template.varies() {
        varying_field(request, sticky, template, Session { id, stamps }, now)?
    } else {
        let session = Session { id, stamps };
        field(request, template, session, signer, &Varying::default())?.into_bytes()
    };
    debug!(request, "session_sticky: set \"{}\"", Printable(field));
    if EXTRAS && policy.no_cache {
        forbid_sharing(request)?;
    }
    visit.note_set(now);
    request.add_response_field::<SetCookie>(field)
}

/// Removes the fields in which the server sets the cookie.
#[inline(never)]
pub(super) fn remove_own(request: Request<'_>, policy: &Policy) {
    own(request, policy).for_each(Field::remove);
}

/// Warns, once per worker and upstream, of a server that sets a cookie of the same name: the client keeps only one of them, and
/// loses either its session with the module or that with the application.
#[inline(never)]
pub(super) fn look_for_own(request: Request<'_>, visit: &Visit<'_>, conf: &UpstreamConf) {
    if own(request, visit.policy()).next().is_some() {
        log_doubled(request, visit, conf);
    }
}

#[cold]
#[inline(never)]
fn log_doubled(request: Request<'_>, visit: &Visit<'_>, conf: &UpstreamConf) {
    conf.told.doubled.set(true);
    warn!(
        request,
        "session_sticky: a server of upstream \"{}\" also sets a cookie \"{}\", and browsers keep only one of them: use \
         \"mode=prefix\" to share the name, or choose another one",
        string(visit.upstream.host()),
        Printable(&visit.policy().cookie)
    );
}

/// Returns the value of a `Set-Cookie` field, up to the first attribute that varies by request.
#[inline(always)]
fn field<'r>(
    request: Request<'r>,
    template: &Template,
    session: Session<'_>,
    signer: Option<&Signer>,
    varying: &Varying,
) -> Result<Text<'r>, OutOfMemory> {
    let length = match signer {
        Some(_) => template.max_len_signed(&session, varying),
        None => template.max_len(&session, varying),
    };
    let mut out = request.pool().text(length).ok_or(OutOfMemory)?;
    match signer {
        Some(signer) => template.write_signed(&session, signer, &mut out),
        None => template.write(&session, &mut out),
    }
    Ok(out)
}

/// Returns the value of a `Set-Cookie` field whose attributes vary by request.
#[inline(never)]
fn varying_field<'r>(
    request: Request<'r>,
    sticky: &StickyUpstream,
    template: &Template,
    session: Session<'_>,
    now: u64,
) -> Result<&'r [u8], OutOfMemory> {
    let mut date = [0; DATE];
    let varying = attributes::varying(request, sticky, now, &mut date)?;
    let signer = sticky.policy.signer.as_ref();
    let mut out = field(request, template, session, signer, &varying)?;
    template.write_rest(&varying, &mut out);
    Ok(out.into_bytes())
}
