//! The module's variables, which show the outcome of a request's session. They describe the last sticky upstream that the
//! request has used, and are empty if there is none. Two of them also describe the upstream that the request is about to use.

use ngx::core::Status as Code;
use ngx::ffi::{ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};
use session_cookie::id::Id;
use session_cookie::memory::OutOfMemory;

use crate::conf::Sticky;
use crate::nginx::conf::Conf;
use crate::nginx::exchange::Exchange;
use crate::nginx::own_variable::Asked;
use crate::nginx::request::Request;
use crate::upstream::early::{self, Early};
use crate::upstream::visit::Visit;

/// Returns the value of a variable for a visit.
type Show = for<'r> fn(&'r Visit<'r>) -> Result<Option<&'r [u8]>, OutOfMemory>;

/// Returns the value of a variable before the server is chosen.
type ShowEarly = for<'r> fn(&Early<'r>) -> Option<&'r [u8]>;

const VARIABLES: [(&[u8], Show); 7] = [
    (b"session_sticky_status", |visit| {
        Ok(Some(visit.status().as_str().as_bytes()))
    }),
    (b"session_sticky_verdict", |visit| {
        Ok(Some(visit.reading.verdict.as_str().as_bytes()))
    }),
    (b"session_sticky_action", |visit| {
        Ok(Some(visit.action().as_str().as_bytes()))
    }),
    (b"session_sticky_id", |visit| Ok(visit.responded_by())),
    (b"session_sticky_server", |visit| {
        Ok(visit.responding_address())
    }),
    (b"session_sticky_first_seen", |visit| {
        let Some(first_seen) = visit.first_seen() else {
            return Ok(None);
        };
        let pool = visit.request.pool();
        pool.copy(&Id::number(first_seen))
            .map(Some)
            .ok_or(OutOfMemory)
    }),
    (b"session_sticky_previous", |visit| {
        early::previous_of(visit)
    }),
];

/// The indexes of `$session_sticky_status`, `$session_sticky_verdict` and `$session_sticky_previous` in [`VARIABLES`].
const STATUS: usize = 0;
const VERDICT: usize = 1;
const PREVIOUS: usize = 6;

fn shown_early(number: usize) -> Option<ShowEarly> {
    match number {
        VERDICT => Some(|early| early.verdict.map(|verdict| verdict.as_str().as_bytes())),
        PREVIOUS => Some(|early| early.previous),
        _ => None,
    }
}

/// Adds the variables to the configuration.
pub(crate) fn add(cf: Conf<'_>) -> Option<()> {
    let mut variables = (0..).zip(VARIABLES);
    variables.try_for_each(|(number, (name, _))| cf.add_variable(name, evaluate, number))
}

/// Evaluates a variable.
#[allow(unsafe_code)]
unsafe extern "C" fn evaluate(
    r: *mut ngx_http_request_t,
    value: *mut ngx_http_variable_value_t,
    number: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request, with a place for the value, which is read before the request ends.
    let (request, asked) = unsafe { (Request::new(r), Asked::new(value)) };
    match text(request, number) {
        Ok(text) => {
            asked.set(text);
            Code::NGX_OK.into()
        }
        Err(OutOfMemory) => Code::NGX_ERROR.into(),
    }
}

fn text(request: Request<'_>, number: usize) -> Result<Option<&[u8]>, OutOfMemory> {
    if is_off(request) {
        return Ok((number == STATUS).then_some(b"off"));
    }
    if let Some(show) = shown_early(number) {
        if let Some(early) = early::read(request)? {
            return Ok(show(&early));
        }
    }
    match (Visit::of(request), VARIABLES.get(number)) {
        (Some(visit), Some((_, show))) => show(visit),
        _ => Ok(None),
    }
}

/// Returns whether the request uses a sticky upstream whose balancer rules out persistence.
fn is_off(request: Request<'_>) -> bool {
    let upstream = Exchange::of(request).and_then(Exchange::upstream);
    let conf = upstream.and_then(|upstream| upstream.conf::<Sticky>());
    conf.is_some_and(|conf| conf.sticky.is_some() && conf.is_foreign.get())
}
