//! A request to a sticky upstream: prepared once, then given a server for each try.

use core::ffi::c_void;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_peer_connection_t, ngx_uint_t,
};
use session_cookie::foreknown::Settled;
use session_cookie::verdict::Choice;

use super::bind::bind;
use super::counting::count_off;
use super::foreign::stand_aside;
use super::linger;
use super::lookup::read_cookie;
use super::release::{free, free_and_learn, keep_visit};
use super::served::note_served;
use super::unavailable::Unavailable;
use super::visit::Visit;
use super::{backups, lend, other_values, source, switches, willing, BUSY, DONE, ERROR, OK};
use crate::conf::{Reads, Source, Sticky, StickyUpstream};
use crate::log::{debug, error, info};
use crate::nginx::exchange::Exchange;
use crate::nginx::inner::{Inner, Outer};
use crate::nginx::log::HasLog;
use crate::nginx::peer_connection::PeerConnection;
use crate::nginx::pool::Placed;
use crate::nginx::request::Request;
use crate::nginx::upstream::Upstream;
use crate::nginx::{string, OrNone, Printable};

/// The functions that nginx calls in place of the balancer's.
const OUTER: Outer = Outer {
    get,
    free,
    notify,
    #[cfg(ngx_feature = "http_ssl")]
    set_session,
    #[cfg(ngx_feature = "http_ssl")]
    save_session,
};

/// [`OUTER`] for learned sessions.
const LEARNING: Outer = Outer {
    free: free_and_learn,
    ..OUTER
};

/// [`OUTER`] for requests for which persistence is switched off.
const OFF: Outer = Outer {
    get: get_without_session,
    ..OUTER
};

/// [`OUTER`] for upstreams whose servers can ask to drain, whether persistence is switched off or not.
const WILLING: Outer = Outer {
    get: get_or_take_willing,
    ..OUTER
};

/// [`WILLING`] for learned sessions.
const WILLING_LEARNING: Outer = Outer {
    free: free_and_learn,
    ..WILLING
};

/// Returns the functions for sessions without a cookie of the module.
#[inline(always)]
fn outer_of(source: &Source) -> &'static Outer {
    if source.learn.is_some() {
        &LEARNING
    } else {
        &OUTER
    }
}

/// Returns the functions for upstreams with switches: `is_on` is whether persistence is used for the request.
#[cold]
#[inline(never)]
fn outer_behind_switches(sticky: &StickyUpstream, is_on: bool) -> &'static Outer {
    let learns = is_on && sticky.source.is_some_and(|source| source.learn.is_some());
    match (sticky.drain.is_some(), is_on, learns) {
        (true, _, false) => &WILLING,
        (true, _, true) => &WILLING_LEARNING,
        (false, true, false) => &OUTER,
        (false, true, true) => &LEARNING,
        (false, false, _) => &OFF,
    }
}

/// Prepares a request: first the balancer, then the cookie.
#[allow(unsafe_code)]
pub(super) unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request in an exchange with an explicit upstream in which the module is installed.
    let (request, upstream, exchange) = unsafe {
        (
            Request::new(r),
            Upstream::of_request(us),
            Exchange::in_use(r),
        )
    };
    prepare::<false>(request, upstream, exchange)
}

/// [`init_peer`] where only the application's cookie determines whether the module's cookie is read.
#[allow(unsafe_code)]
pub(super) unsafe extern "C" fn init_followed_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this in place of `init_peer`, under the same conditions.
    let (request, upstream, exchange) = unsafe {
        (
            Request::new(r),
            Upstream::of_request(us),
            Exchange::in_use(r),
        )
    };
    prepare::<true>(request, upstream, exchange)
}

/// Implements [`init_peer`] and, with `FOLLOWS`, [`init_followed_peer`].
#[inline(always)]
pub(super) fn prepare<'r, const FOLLOWS: bool>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    exchange: Exchange<'r>,
) -> ngx_int_t {
    let conf = upstream.conf_in_use::<Sticky>();
    let Some(sticky) = &conf.sticky else {
        return ERROR;
    };
    let rc = conf.chain.init_peer.get().call(request, upstream);
    if rc != OK {
        return rc;
    }
    let pc = exchange.peer();
    let Some(inner) = Inner::of(pc, upstream) else {
        stand_aside(conf, upstream, request.log());
        count_off(conf, upstream);
        return OK;
    };
    let visit = || Visit::new(request, upstream, exchange, conf, sticky, inner);
    let Some(visit) = request.pool().place(visit) else {
        return ERROR;
    };
    let (read, outer) = match sticky.reads {
        _ if FOLLOWS => (read_cookie::<true>(visit), &OUTER),
        Reads::Cookie => (read_cookie::<false>(visit), &OUTER),
        Reads::Source(source) => (source::read(visit, source), outer_of(source)),
        Reads::First(what) => match switches::read(visit, what) {
            Ok(is_on) => (Ok(()), outer_behind_switches(sticky, is_on)),
            Err(error) => (Err(error), &OFF),
        },
    };
    if read.is_err() {
        return fail(visit);
    }
    debug!(
        request,
        "session_sticky: {} for upstream \"{}\": {}, id \"{}\", {}",
        sticky.subject(),
        string(upstream.host()),
        visit.reading.verdict.as_str(),
        Printable(visit.reading.session.id),
        visit.choice.as_str()
    );

    #[cfg(ngx_feature = "http_ssl")]
    if exchange.is_tls() {
        visit.inner.note_sessions(pc);
        Inner::wrap_sessions(pc, &OUTER);
    }
    let visit = NonNull::from(visit);
    Inner::wrap(pc, outer, visit);
    request.set_context::<Sticky>(Some(visit));
    OK
}

/// Chooses a server for a try.
#[allow(unsafe_code)]
pub(super) unsafe extern "C" fn get(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    // SAFETY: nginx passes the data that `prepare` set, a visit in the pool of a live request, to which there is no other
    // reference. `kept` is read only after the last use of `visit`.
    let (visit, kept, pc) = unsafe {
        let visit = data.cast::<Visit>();
        (&mut *visit, Placed::new(visit), PeerConnection::new(pc))
    };
    visit.has_response = false;

    if visit.choice == Choice::Bind && (bind(visit, pc) || give_up_binding(visit, pc)) {
        return OK;
    }
    if visit.choice == Choice::Lend {
        if lend::take_another(visit, pc) {
            return OK;
        }
        // From here on, the marks of tried servers are the balancer's.
        visit.choice = Choice::Balance;
    }
    let rc = match visit.choice {
        Choice::Refuse => refuse(visit, pc),
        Choice::Bind | Choice::Balance | Choice::Lend => balance(visit, pc),
    };
    if rc == BUSY {
        keep_visit(visit.request, kept);
    }
    rc
}

/// Chooses a server for a request for which persistence is switched off.
#[allow(unsafe_code)]
unsafe extern "C" fn get_without_session(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    // SAFETY: nginx calls this in place of `get`, under the same conditions.
    let (visit, kept, pc) = unsafe {
        let visit = data.cast::<Visit>();
        (&mut *visit, Placed::new(visit), PeerConnection::new(pc))
    };
    visit.has_response = false;
    let rc = visit.inner.get(pc);
    if rc == BUSY {
        keep_visit(visit.request, kept);
    }
    rc
}

/// Chooses a server in an upstream whose servers can ask to drain.
#[allow(unsafe_code)]
unsafe extern "C" fn get_or_take_willing(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    // SAFETY: as for `get`, in whose place nginx calls this; no reference to the visit exists during the calls.
    unsafe {
        let (is_past, is_off) = {
            let visit = &*data.cast::<Visit>();
            (visit.past_balancer, visit.is_off())
        };
        let rc = match (is_past, is_off) {
            (true, _) => BUSY,
            (false, true) => get_without_session(pc, data),
            (false, false) => get(pc, data),
        };
        willing::reconsider(&mut *data.cast::<Visit>(), PeerConnection::new(pc), rc)
    }
}

/// Decides how to go on when no server that the cookie names is available. Returns `true` if another cookie of the same name
/// was followed.
#[cold]
#[inline(never)]
fn give_up_binding<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> bool {
    // If the list has changed, the request keeps the old servers, to which its marks refer.
    if visit.is_current() {
        if let Some(primary) = visit.upstream.primary() {
            visit.inner.round_robin().begin_with(primary);
        }
        // Once its own server was asked, a strict session goes to no other.
        if visit.attempts == 0 && visit.policy().has_cookie() && other_values::bind(visit, pc) {
            return true;
        }
    } else if visit.lingerer().is_some() {
        linger::give_up(visit, pc);
    }
    visit.reading.verdict = visit.reading.verdict.down();
    visit.settled = Settled::No;
    visit.choice = visit.choose();
    debug!(
        pc,
        "session_sticky: no server of the cookie can be used, {}",
        visit.choice.as_str()
    );
    if visit.choice != Choice::Refuse {
        info!(
            pc,
            "session_sticky: server \"{}\" of upstream \"{}\" is not available, {}{}",
            Printable(visit.reading.session.id),
            string(visit.upstream.host()),
            match visit.choice {
                Choice::Lend => "another server handles this request",
                _ => "the session moves",
            },
            Unavailable(visit)
        );
    }
    false
}

/// Fails the request as a balancer does that has no server left.
#[cold]
#[inline(never)]
fn refuse(visit: &Visit<'_>, pc: PeerConnection<'_>) -> ngx_int_t {
    error!(
        pc,
        "session_sticky: {} names server \"{}\" of upstream \"{}\", which is {}, with \"{}\"{}",
        visit.sticky.subject(),
        Printable(visit.reading.session.id),
        string(visit.upstream.host()),
        visit.reading.verdict.as_str(),
        visit.strictness(),
        Unavailable(visit)
    );
    if visit.lacks_memory.get() {
        return fail(visit);
    }
    pc.refuse(visit.upstream);
    BUSY
}

/// Fails the request as nginx does when memory is short.
#[cold]
#[inline(never)]
fn fail(visit: &Visit<'_>) -> ngx_int_t {
    error!(
        visit.request,
        "session_sticky: out of memory in a request to upstream \"{}\"",
        string(visit.upstream.host())
    );
    ERROR
}

/// Lets the balancer choose a server, and records the choice.
#[inline(never)]
fn balance<'r>(visit: &mut Visit<'r>, pc: PeerConnection<'r>) -> ngx_int_t {
    let mut rc = visit.inner.get(pc);
    if visit.named.is_some() {
        rc = backups::reconsider(visit, pc, rc);
    }

    debug!(pc, "session_sticky: the balancer is called, rc:{rc}");
    if rc == OK || rc == DONE {
        if note_served(visit).is_err() {
            return fail(visit);
        }
        if visit.inner.round_robin().current().is_none() {
            // The balancer's data only begins like that of round robin: the server is not in nginx's list.
            stand_aside(visit.conf, visit.upstream, pc.log());
        } else {
            visit.conf.is_proven.set(true);
            debug!(
                pc,
                "session_sticky: the balancer chose {}",
                OrNone(visit.inner.round_robin().address())
            );
        }
    }
    rc
}

/// Forwards a notification to the balancer.
#[allow(unsafe_code)]
unsafe extern "C" fn notify(pc: *mut ngx_peer_connection_t, data: *mut c_void, kind: ngx_uint_t) {
    // SAFETY: nginx calls this after `get`, with the visit that `prepare` set, which lives as long as the request.
    let (visit, pc) = unsafe { (&*data.cast::<Visit>(), PeerConnection::new(pc)) };
    debug!(pc, "session_sticky: notify, type:{kind}");
    if visit.lingerer().is_none() {
        visit.inner.notify(pc, kind);
    }
}

/// Gives a connection the TLS session that the balancer has saved for the server.
#[cfg(ngx_feature = "http_ssl")]
#[allow(unsafe_code)]
unsafe extern "C" fn set_session(pc: *mut ngx_peer_connection_t, data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls this after `get`, with the visit that `prepare` set, which lives as long as the request.
    let (visit, pc) = unsafe { (&*data.cast::<Visit>(), PeerConnection::new(pc)) };
    // The balancer saves no TLS sessions of servers that it does not know.
    if visit.lingerer().is_some() {
        return OK;
    }
    visit.inner.set_session(pc)
}

/// Lets the balancer save the TLS session of a connection.
#[cfg(ngx_feature = "http_ssl")]
#[allow(unsafe_code)]
unsafe extern "C" fn save_session(pc: *mut ngx_peer_connection_t, data: *mut c_void) {
    // SAFETY: nginx calls this after `get`, with the visit that `prepare` set, which lives as long as the request.
    let (visit, pc) = unsafe { (&*data.cast::<Visit>(), PeerConnection::new(pc)) };
    if visit.lingerer().is_none() {
        visit.inner.save_session(pc);
    }
}
