//! Balancers that are not nginx's round robin: whether the server that they choose is one of those that nginx keeps.
//!
//! This is known when such a balancer has chosen for the first time in a worker. Until then no cookie is followed: the
//! balancer may route requests as it likes, as `balancer_by_lua_block` does, and a cookie must not get a client around
//! it. So before the first cookie is followed the balancer is asked for a server, which it gets back unused. Of
//! `balancer_by_lua_block` one answer tells nothing about the next request: no cookie is followed where it is read.

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

/// Prepares a request in the place of the balancer's `init_peer`, where the balancer is another than round robin.
#[allow(unsafe_code)]
pub(super) unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request in an exchange with an explicit upstream that the module stands before.
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

/// Returns whether a request that was prepared goes where its cookie says: to the server that it names, or to one that is
/// lent to the session in its place.
fn follows_cookie<'r>(request: Request<'r>, before: Option<&Visit<'r>>) -> bool {
    let is_new = |visit: &&Visit| before.is_none_or(|before| !core::ptr::eq(*visit, before));
    let visit = request.context::<Sticky>().filter(is_new);
    visit.is_some_and(|visit| matches!(visit.choice, Choice::Bind | Choice::Lend))
}

/// Asks the balancer, and prepares the request once more, now that it is known whether the cookie is followed.
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

/// Asks a balancer that has prepared the request for a server, and gives that back unused. Returns whether a cookie may
/// be followed: it may where the server is one of those that nginx keeps, or where none of them was available.
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
        // As round robin and what is based on it say it: nothing else names the upstream.
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
