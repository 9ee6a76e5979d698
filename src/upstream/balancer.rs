//! A request to a sticky upstream: it is prepared once, then a server is got as often as it is tried.

use core::ffi::c_void;
use core::mem::MaybeUninit;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t, ngx_peer_connection_t, ngx_uint_t,
    NGX_LOG_ERR, NGX_LOG_INFO,
};
use ngx::http::HttpModule;
use ngx::ngx_log_error;
use session_cookie::action::Settled;
use session_cookie::verdict::{choose, Reading, Verdict};

use super::bind::bind;
use super::foreign::stand_aside;
use super::lookup::read_cookie;
use super::release::free;
use super::served::served;
use super::servers::Edition;
#[cfg(ngx_feature = "http_ssl")]
use super::tls::wrap_sessions;
use super::unavailable::Unavailable;
use super::visit::{fallback, is_current, servers_of, strictness, Below, Stage, Visit};
use super::{lend, other_values, BUSY, DONE, ERROR, OK};
use crate::conf::{upstream_conf, Sticky};
use crate::nginx::peers::PeerData;
use crate::nginx::{pool, Printable};

/// Prepares a request: the balancer first, then the cookie.
pub(super) unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a request to an upstream that we stand before.
    unsafe {
        let conf = upstream_conf(us);
        let (Some(init), Some(policy)) = (conf.chain.init_peer, conf.policy.as_ref()) else {
            return ERROR;
        };
        let rc = init(r, us);
        if rc != OK {
            return rc;
        }

        #[cfg(ngx_feature = "http_ssl")]
        let is_tls = (*(*r).upstream).ssl() != 0;
        let peer = &mut (*(*r).upstream).peer;
        let data: PeerData = peer.data.cast();
        if data.is_null() || (*data).peers.cast() != (*us).peer.data {
            stand_aside(conf, us, (*(*r).connection).log);
            return OK;
        }

        let Some(visit) = pool::array::<Visit>((*r).pool, 1) else {
            return ERROR;
        };
        visit.write(Visit {
            request: r,
            location: (*r).loc_conf,
            upstream: us,
            conf,
            connection: (*r).upstream,
            policy,
            reading: Reading::NONE,
            named: None,
            edition: Edition::NONE,
            stage: Stage::Balance,
            retried: false,
            attempts: 0,
            tried_backups: 0,
            failure: None,
            served: &[],
            md5: MaybeUninit::uninit(),
            settled: Settled::No,
            answered: false,
            header_sent: false,
            values_seen: 0,
            below: Below {
                data: peer.data,
                get: peer.get,
                free: peer.free,
                notify: peer.notify,
                #[cfg(ngx_feature = "http_ssl")]
                sessions: MaybeUninit::uninit(),
            },
        });
        read_cookie(&mut *visit.as_ptr(), conf);

        peer.data = visit.as_ptr().cast();
        peer.get = Some(get);
        peer.free = Some(free);
        // nginx asks whether there is one.
        if peer.notify.is_some() {
            peer.notify = Some(notify);
        }
        // nginx asks for sessions only where it speaks TLS to servers (`ngx_http_upstream_connect`).
        #[cfg(ngx_feature = "http_ssl")]
        if is_tls {
            wrap_sessions(&mut *visit.as_ptr(), peer);
        }
        *(*r).ctx.add(Sticky::module().ctx_index) = visit.as_ptr().cast();
    }
    OK
}

/// Gets a server.
pub(super) unsafe extern "C" fn get(
    pc: *mut ngx_peer_connection_t,
    data: *mut c_void,
) -> ngx_int_t {
    // SAFETY: nginx calls this with the data that init_peer() gave it.
    unsafe {
        let visit = &mut *data.cast::<Visit>();
        visit.answered = false;

        if visit.stage == Stage::Bind && (bind(visit, pc) || leave(visit, pc)) {
            return OK;
        }
        if visit.stage == Stage::Lend {
            if lend::take_another(visit, pc) {
                return OK;
            }
            // From now on the marks of those that were tried are the balancer's.
            visit.stage = Stage::Balance;
        }
        match visit.stage {
            Stage::Refuse => refuse(visit, pc),
            Stage::Bind | Stage::Balance | Stage::Lend => balance(visit, pc),
        }
    }
}

/// The server that the cookie names cannot be had. `true`: another cookie of that name was followed; else it is
/// decided who chooses now.
#[cold]
#[inline(never)]
unsafe fn leave(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> bool {
    // SAFETY: as in `bind`.
    unsafe {
        let data = visit.below.round_robin();
        // A request that began with other servers keeps them, and its marks are about those.
        if is_current(visit) {
            (*data).peers = (*visit.upstream).peer.data.cast();
            // A strict session goes nowhere else once its own server was asked.
            if visit.attempts == 0 && other_values::bind(visit, pc) {
                return true;
            }
        }
        visit.reading.verdict = Verdict::Down;
        visit.settled = Settled::No;
        visit.stage = lend::or_lend(visit, choose(Verdict::Down, fallback(visit)).into());
        if visit.stage != Stage::Refuse {
            ngx_log_error!(
                NGX_LOG_INFO,
                (*pc).log,
                "session_sticky: server \"{}\" of upstream \"{}\" is not available, {}{}",
                Printable(visit.reading.session.id),
                (*visit.upstream).host,
                match visit.stage {
                    Stage::Lend => "another serves this request",
                    _ => "the session moves",
                },
                Unavailable(visit)
            );
        }
    }
    false
}

/// The request fails, as it does when a balancer has no server left.
#[cold]
#[inline(never)]
unsafe fn refuse(visit: &Visit, pc: *mut ngx_peer_connection_t) -> ngx_int_t {
    // SAFETY: as in `bind`; nginx prints the name of the upstream.
    unsafe {
        ngx_log_error!(
            NGX_LOG_ERR, (*pc).log,
            "session_sticky: cookie \"{}\" names server \"{}\" of upstream \"{}\", which is {}, with \"{}\"{}",
            Printable(&visit.policy.cookie), Printable(visit.reading.session.id), (*visit.upstream).host,
            visit.reading.verdict.as_str(), strictness(visit), Unavailable(visit)
        );
        (*pc).set_cached(0);
        (*pc).connection = core::ptr::null_mut();
        (*pc).name = &raw mut (*visit.upstream).host;
    }
    BUSY
}

/// Lets the balancer choose, and notes whom.
#[inline(never)]
unsafe fn balance(visit: &mut Visit, pc: *mut ngx_peer_connection_t) -> ngx_int_t {
    // SAFETY: as in `bind`. Every balancer has both functions.
    unsafe {
        let (Some(get), Some(free)) = (visit.below.get, visit.below.free) else {
            return ERROR;
        };
        let data = visit.below.round_robin();

        let mut rc = get(pc, visit.below.data);
        // A balancer that turns to the backups does not know which of them the cookie has tried. Such a
        // one is given back unused, at the price of no try; it is marked now, so this comes to an end.
        while (rc == OK || rc == DONE) && was_tried(visit, data) {
            let tries = (*pc).tries;
            free(pc, visit.below.data, 0);
            (*pc).tries = tries;
            (*pc).sockaddr = core::ptr::null_mut();
            rc = get(pc, visit.below.data);
        }

        if rc == OK || rc == DONE {
            visit.served = served(visit, data);
            if (*data).current.is_null() {
                // The data only begins like that of round robin, whose server it is not.
                stand_aside(visit.conf, visit.upstream, (*pc).log);
            } else {
                visit.conf.is_proven.set(true);
            }
        }
        rc
    }
}

/// Is the server that the balancer chose a backup that the cookie has chosen before?
unsafe fn was_tried(visit: &Visit, data: PeerData) -> bool {
    // SAFETY: as in `bind`.
    unsafe {
        let Some(named) = &visit.named else {
            return false;
        };
        let current = (*data).current;
        servers_of(visit)
            .and_then(|servers| servers.by(named.form))
            .is_some_and(|roster| {
                let mut before = named.before(roster);
                before.any(|member| member.backup && member.peer == current)
            })
    }
}

/// Passes on what nginx tells the balancer.
unsafe extern "C" fn notify(pc: *mut ngx_peer_connection_t, data: *mut c_void, kind: ngx_uint_t) {
    // SAFETY: nginx calls this with the data that init_peer() gave it, after get().
    unsafe {
        let below = (*data.cast::<Visit>()).below;
        if let Some(notify) = below.notify {
            notify(pc, below.data, kind);
        }
    }
}
