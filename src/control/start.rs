//! What happens with `session_sticky_control` when nginx has read a configuration.

use session_cookie::control::Table;

use super::state_file;
use crate::log::warn;
use crate::nginx::control_zone::{ControlZone, IsNew};
use crate::nginx::log::Log;
use crate::nginx::Printable;

/// Reads what was said before nginx was started, and looks whether workers will be able to write it.
pub(crate) fn prepare(zone: ControlZone, is_new: IsNew, log: Log<'_>) {
    let Some(path) = zone.state_file() else {
        return;
    };
    let worker = zone.worker_user();
    if let Err(why) = worker.may_replace(path) {
        warn!(
            log,
            "\"session_sticky_control\" will not be able to write \"{}\": {why}",
            Printable(path)
        );
    }
    match is_new {
        IsNew::Yes => state_file::restore(zone, path, log),
        // The file may be another than before: the first worker that applies what is said writes it.
        IsNew::No => {
            zone.with(Table::forget_saved);
        }
    }
}
