//! `linger=`: determines which servers may linger, and warns if none may.

use session_cookie::linger::Line;
use session_cookie::memory::{push, OutOfMemory};

use crate::conf::Sticky;
use crate::nginx::conf::Conf;
use crate::nginx::linger_zone::LingerZone;
use crate::nginx::string;
use crate::nginx::upstream::Upstream;
use crate::nginx::worker_timer::WorkerTimer;
use crate::upstream::linger::watch::watch;

/// What the parameter requires.
const NEEDED: &str = if cfg!(nginx_peer_refs) {
    "servers with \"resolve\""
} else {
    "\"resolve\" of nginx 1.27.3 and newer"
};

/// Creates the shared memory zone and the timer for lingering servers, if any server may linger. Called after all directives
/// have been read.
pub(crate) fn prepare(cf: Conf<'static>) -> Result<(), OutOfMemory> {
    let mut upstreams = Vec::new();
    for upstream in cf.upstreams().filter(lingers) {
        let conf = upstream.conf::<Sticky>();
        let Some(conf) = conf.filter(|_| has_resolved_lines(upstream)) else {
            cf.warn_of_block(format_args!(
                "parameter \"linger\" of \"session_sticky\" has no effect without {NEEDED} in upstream \"{}\" in {}",
                string(upstream.host()),
                upstream.declared_at()
            ));
            continue;
        };
        let mut lines = Vec::new();
        for line in upstream.lines().filter(|line| line.is_resolved) {
            let known_by = Line::new(upstream.host(), line.name, line.is_backup);
            push(&mut lines, (known_by, line))?;
        }
        lines.sort_unstable_by_key(|(known_by, _)| *known_by);
        conf.linger.lines.get_or_init(|| lines);
        push(&mut upstreams, upstream)?;
    }
    let main = cf.main_conf::<Sticky>();
    let Some(main) = main.filter(|_| !upstreams.is_empty()) else {
        return Ok(());
    };
    let zone = LingerZone::add(cf).ok_or(OutOfMemory)?;
    for conf in upstreams
        .iter()
        .filter_map(|upstream| upstream.conf::<Sticky>())
    {
        conf.linger.zone.set(Some(zone));
    }
    let timer = WorkerTimer::add(cf, upstreams, watch).ok_or(OutOfMemory)?;
    main.watch.set(Some(timer));
    Ok(())
}

fn lingers(upstream: &Upstream<'_>) -> bool {
    let conf = upstream.conf::<Sticky>();
    (conf.and_then(|conf| conf.policy())).is_some_and(|policy| policy.linger != 0)
}

fn has_resolved_lines(upstream: Upstream<'_>) -> bool {
    upstream.lines().any(|line| line.is_resolved)
}
