//! Balancers that are not based on round robin: requests are left to them.

use super::known::forget_ids;
use crate::conf::UpstreamConf;
use crate::log::error;
use crate::nginx::log::Log;
use crate::nginx::string;
use crate::nginx::upstream::Upstream;

/// Leaves the requests of an upstream to its balancer, which is not based on round robin: no cookie is followed. Logged once
/// per worker.
#[cold]
#[inline(never)]
pub(super) fn stand_aside(conf: &UpstreamConf, upstream: Upstream<'_>, log: Log<'_>) {
    forget_ids(conf);
    if conf.is_foreign.replace(true) {
        return;
    }
    error!(
        log,
        "session_sticky: the balancer of upstream \"{}\" is not based on round robin, sessions do not stick",
        string(upstream.host())
    );
}
