//! Warns about `server NAME id=…` if the name has several addresses.

use session_cookie::policy::Hash;

use crate::conf::{Sticky, UpstreamConf};
use crate::nginx::conf::Conf;
use crate::nginx::upstream::{ServerLine, Upstream};
use crate::nginx::{string, Printable};

/// Warns about each such line: all its addresses have the same ID, so sessions do not stick to one of them. Called after
/// nginx has resolved the names.
pub(crate) fn check(cf: Conf<'_>, upstream: Upstream<'_>) {
    let Some(conf) = upstream.conf::<Sticky>() else {
        return;
    };
    let policy = conf.policy();
    if policy.is_none_or(|policy| policy.hash != Hash::Plain) {
        return;
    }
    for line in upstream.lines() {
        let Some(id) = shared_id(conf, &line) else {
            continue;
        };
        cf.warn_of_block(format_args!(
            "server \"{}\" has {} addresses, which share the id \"{}\": all its sessions go to the first of them that is \
             available; give each address its own \"server\" line and \"id\", or omit \"id\", in upstream \
             \"{}\" in {}",
            string(line.name),
            line.addresses().len(),
            Printable(id),
            string(upstream.host()),
            upstream.declared_at()
        ));
    }
}

/// Returns the ID of a line whose addresses are not all the same.
fn shared_id(conf: &UpstreamConf, line: &ServerLine<'_>) -> Option<&'static [u8]> {
    let id = conf.server_confs.get(line.name, line.is_backup)?.id?;
    let mut addresses = line.addresses();
    let first = addresses.next()?;
    addresses.any(|other| other != first).then_some(id)
}
