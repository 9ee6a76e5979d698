//! Upstreams whose servers can be controlled at run time: server states are applied before a request is prepared.

use ngx::ffi::{ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t};

use super::{balancer, proof};
use crate::conf::{Reads, ReadsFirst, Sticky, UpstreamConf};
use crate::control::apply::{has_new_servers, refresh};
use crate::nginx::chain::InitPeerFn;
use crate::nginx::upstream::Upstream;

/// Returns the function that prepares a request, depending on whether the balancer is round robin itself.
pub(super) fn init_peer_of(conf: &UpstreamConf, is_round_robin: bool) -> InitPeerFn {
    let reads = conf.sticky.as_ref().map(|sticky| sticky.reads);
    let follows = matches!(reads, Some(Reads::First(ReadsFirst::Application)));
    match (conf.control.is_wanted(), is_round_robin) {
        (false, true) if follows => balancer::init_followed_peer,
        (false, true) => balancer::init_peer,
        (false, false) => proof::init_peer,
        (true, true) => init_peer,
        (true, false) => init_proven_peer,
    }
}

/// Prepares a request whose balancer is round robin.
#[allow(unsafe_code)]
unsafe extern "C" fn init_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this in place of `balancer::init_peer`, under the same conditions.
    unsafe { apply_around(Upstream::of_request(us), || balancer::init_peer(r, us)) }
}

/// Prepares a request whose balancer is another one.
#[allow(unsafe_code)]
unsafe extern "C" fn init_proven_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this in place of `proof::init_peer`, under the same conditions.
    unsafe { apply_around(Upstream::of_request(us), || proof::init_peer(r, us)) }
}

/// Applies the server states before a request is prepared, and again afterwards if another worker has added servers in the
/// meantime: the request has no server yet, and must not get a new one whose state was set.
#[inline(always)]
fn apply_around(upstream: Upstream<'_>, prepare: impl FnOnce() -> ngx_int_t) -> ngx_int_t {
    let conf = upstream.conf_in_use::<Sticky>();
    refresh(upstream, conf);
    let rc = prepare();
    if cfg!(nginx_peer_refs) && has_new_servers(upstream, conf) {
        refresh(upstream, conf);
    }
    rc
}
