//! Balancers other than nginx's round robin: checks whether the servers that they choose are in nginx's lists.
//!
//! This is known once such a balancer has chosen a server in a worker. Until then, no cookie is followed: the balancer may
//! route requests as it likes, as `balancer_by_lua_block` does, and a cookie must not let a client bypass it. So, before the
//! first cookie is followed, the balancer is asked for a server, which is returned unused. For `balancer_by_lua_block`, one
//! answer says nothing about the next request, so no cookie is followed where that directive is used.

use ngx::ffi::{ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t};
use session_cookie::verdict::Choice;

use super::balancer::prepare;
use super::counting::count_off;
use super::foreign::stand_aside;
use super::visit::Visit;
use super::{BUSY, DONE, OK};
use crate::conf::{Sticky, UpstreamConf};
use crate::log::debug;
use crate::nginx::exchange::Exchange;
use crate::nginx::inner::Inner;
use crate::nginx::log::HasLog;
use crate::nginx::request::Request;
use crate::nginx::upstream::Upstream;

/// Prepares a request in place of the `init_peer` of a balancer other than round robin.
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
    let conf = upstream.conf_in_use::<Sticky>();
    if conf.chain.has_lua {
        if !conf.is_foreign.get() {
            stand_aside(conf, upstream, request.log());
        }
        count_off(conf, upstream);
        return conf.chain.init_peer.get().call(request, upstream);
    }
    let before = request.context::<Sticky>();
    let rc = prepare::<false>(request, upstream, exchange);
    if rc == OK && !conf.is_proven.get() && follows_cookie(request, before) {
        prove(request, upstream, exchange, conf, before)
    } else {
        rc
    }
}

/// Returns whether a prepared request follows its cookie: to the server that the cookie names, or to one that is lent to the
/// session.
fn follows_cookie<'r>(request: Request<'r>, before: Option<&Visit<'r>>) -> bool {
    let is_new = |visit: &&Visit| before.is_none_or(|before| !core::ptr::eq(*visit, before));
    let visit = request.context::<Sticky>().filter(is_new);
    visit.is_some_and(|visit| matches!(visit.choice, Choice::Bind | Choice::Lend))
}

/// Asks the balancer, and prepares the request again, now that it is known whether the cookie may be followed.
#[cold]
#[inline(never)]
fn prove<'r>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    exchange: Exchange<'r>,
    conf: &UpstreamConf,
    before: Option<&'r Visit<'r>>,
) -> ngx_int_t {
    let init_peer = conf.chain.init_peer.get();
    request.set_context::<Sticky>(before.map(Into::into));
    exchange.peer().forget_balancer();
    let rc = init_peer.call(request, upstream);
    if rc != OK {
        return rc;
    }
    let may_follow = exchange.as_if_trying(|| ask(request, upstream, conf, exchange));
    exchange.peer().forget_server();
    exchange.peer().forget_balancer();
    if may_follow {
        prepare::<false>(request, upstream, exchange)
    } else {
        count_off(conf, upstream);
        init_peer.call(request, upstream)
    }
}

/// Asks a balancer that has prepared the request for a server, and returns the server unused. Returns whether a cookie may be
/// followed: if the server is in one of nginx's lists, or if none was available.
fn ask<'r>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    conf: &UpstreamConf,
    exchange: Exchange<'r>,
) -> bool {
    let pc = exchange.peer();
    let Some(inner) = Inner::of(pc, upstream) else {
        stand_aside(conf, upstream, request.log());
        return false;
    };
    let data = inner.round_robin();
    let rc = inner.get(pc);
    debug!(
        pc,
        "session_sticky: the balancer is called before a cookie is followed, rc:{rc}"
    );
    if rc == BUSY {
        // Round robin and the balancers based on it name the upstream here; no others do.
        return data.names_group(pc);
    }
    if rc != OK && rc != DONE {
        return false;
    }
    let is_known = data.current().is_some();
    if is_known {
        data.forget_check();
    }
    inner.give_back(pc);
    if is_known {
        conf.is_proven.set(true);
    } else {
        stand_aside(conf, upstream, request.log());
    }
    is_known
}
