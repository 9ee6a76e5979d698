//! `follow=`: the cookie is set and deleted together with that of the application's session.

use session_cookie::action::session_from_now_on;
use session_cookie::bytes::Length;
use session_cookie::cookie::Follow;
use session_cookie::memory::OutOfMemory;
use session_cookie::session::Session;
use session_cookie::set_cookie::{Followed, Mirrored, Template, Varying, DATE};

use super::attributes;
use super::respond::{act_as_ever, forbid_sharing, look_for_own, own, preserve, remove_own};
use crate::log::debug;
use crate::nginx::cookies::View;
use crate::nginx::request::Request;
use crate::nginx::response_fields::{Field, SetCookie};
use crate::nginx::time::now;
use crate::nginx::Printable;
use crate::upstream::visit::Visit;

/// Changes the response of the server as the session requires.
pub(super) fn act<'r>(
    request: Request<'r>,
    visit: &'r Visit<'r>,
    follow: &'r Follow,
) -> Result<(), OutOfMemory> {
    let Some(served) = visit.responded_by() else {
        return visit.check_memory();
    };
    // The header of a subrequest is not sent.
    if !request.is_main() {
        return Ok(());
    }
    let (policy, now) = (visit.policy(), now());
    if policy.preserve && own(request, policy).next().is_some() {
        preserve(request, visit, now);
        return Ok(());
    }
    let mut followed = Followed::of(follow, request.set_cookies().map(Field::value), now);
    if !visit.is_anonymous {
        let fields = View::of(request).original.values();
        followed.look_at_request(follow, fields, request.target().unwrap_or_default());
    }
    debug!(
        request,
        "session_sticky: server \"{}\" responded, session of the application: goes on:{}, set or deleted:{}",
        Printable(served),
        followed.goes_on,
        !followed.is_empty()
    );
    if followed.goes_on {
        act_as_ever(request, visit)?;
    } else if policy.replaces() {
        remove_own(request, policy);
    }
    if followed.is_empty() || visit.is_silent() {
        return Ok(());
    }
    let session = session_from_now_on(policy, &visit.reading, served, now);
    mirror(request, visit, follow, &followed, session, now)
}

/// Sets or deletes the cookie for each domain and path for which the application sets or deletes its own.
fn mirror<'r>(
    request: Request<'r>,
    visit: &'r Visit<'r>,
    follow: &'r Follow,
    followed: &Followed<'r>,
    session: Session<'r>,
    now: u64,
) -> Result<(), OutOfMemory> {
    let (policy, conf, sticky) = (visit.policy(), visit.conf, visit.sticky);
    let Some(template) = sticky.follow_template.get() else {
        return Ok(());
    };
    if !followed.goes_on && !conf.told.doubled.get() {
        look_for_own(request, visit, conf);
    }
    if policy.no_cache {
        forbid_sharing(request)?;
    }
    let mut date = [0; DATE];
    let varying = attributes::varying(request, sticky, now, &mut date)?;
    let mut is_live = false;
    for mirrored in followed.mirrored(&follow.copies) {
        is_live |= mirrored.is_live;
        let field = field(visit, follow, template, &mirrored, session, &varying)?;
        debug!(request, "session_sticky: set \"{}\"", Printable(field));
        request.add_response_field::<SetCookie>(field)?;
    }
    if is_live {
        visit.note_set(now);
    } else if !followed.goes_on {
        visit.note_deleted();
    }
    Ok(())
}

/// Returns one `Set-Cookie` field.
fn field<'r>(
    visit: &Visit<'r>,
    follow: &Follow,
    template: &Template,
    mirrored: &Mirrored<'_>,
    session: Session<'_>,
    varying: &Varying,
) -> Result<&'r [u8], OutOfMemory> {
    const NONE: Session<'_> = Session {
        id: b"",
        stamps: None,
    };
    let policy = visit.policy();
    let signer = policy.signer.as_ref().filter(|_| mirrored.is_live);
    let session = if mirrored.is_live { session } else { NONE };
    let mut rest = Length::default();
    mirrored.write_rest(policy, &follow.copies, varying, &mut rest);
    let length = template
        .max_len_signed(&session, varying)
        .saturating_add(rest.0);
    let mut out = visit.request.pool().text(length).ok_or(OutOfMemory)?;
    match signer {
        Some(signer) => template.write_signed(&session, signer, &mut out),
        None => template.write(&session, &mut out),
    }
    template.write_rest(varying, &mut out);
    mirrored.write_rest(policy, &follow.copies, varying, &mut out);
    Ok(out.into_bytes())
}
