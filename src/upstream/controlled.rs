//! Where servers can be controlled at run time: before a request is prepared, what was said of them is applied.

use ngx::ffi::{ngx_http_request_t, ngx_http_upstream_srv_conf_t, ngx_int_t};

use super::{balancer, proof};
use crate::conf::{Sticky, UpstreamConf};
use crate::control::apply::{has_new_servers, refresh};
use crate::nginx::chain::InitPeerFn;
use crate::nginx::upstream::Upstream;

/// Returns what prepares a request, by whether the balancer is round robin itself.
pub(super) fn init_peer_of(conf: &UpstreamConf, is_round_robin: bool) -> InitPeerFn {
    match (conf.control.is_wanted(), is_round_robin) {
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
    // SAFETY: nginx calls this in place of `balancer::init_peer`, and as it calls that.
    unsafe {
        let upstream = Upstream::of_request(us);
        apply(upstream);
        let rc = balancer::init_peer(r, us);
        apply_to_new(upstream);
        rc
    }
}

/// Prepares a request with another balancer.
#[allow(unsafe_code)]
unsafe extern "C" fn init_proven_peer(
    r: *mut ngx_http_request_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> ngx_int_t {
    // SAFETY: nginx calls this in place of `proof::init_peer`, and as it calls that.
    unsafe {
        let upstream = Upstream::of_request(us);
        apply(upstream);
        let rc = proof::init_peer(r, us);
        apply_to_new(upstream);
        rc
    }
}

/// Applies what was said of the servers.
#[inline(always)]
fn apply(upstream: Upstream<'_>) {
    refresh(upstream, upstream.conf_in_use::<Sticky>());
}

/// Applies it where another worker has brought new servers while the request was prepared: it has not got one yet, and must not
/// get a new one of which something was said.
#[inline(always)]
fn apply_to_new(upstream: Upstream<'_>) {
    if cfg!(nginx_peer_refs) && has_new_servers(upstream, upstream.conf_in_use::<Sticky>()) {
        apply(upstream);
    }
}
