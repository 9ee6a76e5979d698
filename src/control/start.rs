//! The zone of `session_sticky_control` and `drain_if=`, and its preparation for a new configuration.

use session_cookie::control::Table;

use super::state_file;
use crate::conf::MainConf;
use crate::log::warn;
use crate::nginx::conf::Conf;
use crate::nginx::control_zone::{ControlZone, IsNew};
use crate::nginx::log::Log;
use crate::nginx::Printable;

/// Returns the zone, which is added if necessary; `None` if it could not be added.
pub(crate) fn zone(cf: Conf<'_>, main: &mut MainConf) -> Option<ControlZone> {
    if main.control.is_none() {
        main.control = ControlZone::add(cf, prepare);
    }
    main.control
}

/// Reads the states that were set before nginx was started, and checks whether workers will be able to write them.
fn prepare(zone: ControlZone, is_new: IsNew, log: Log<'_>) {
    let was_controlled = zone.with(Table::is_controlled) == Some(true);
    if zone.is_controlled() && !was_controlled {
        // The states are from before `session_sticky_control` was last removed.
        zone.with(Table::forget_said);
    }
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
    if is_new == IsNew::No && was_controlled {
        // The file may be another one: the first worker that applies the states writes it.
        zone.with(Table::forget_saved);
    } else {
        state_file::restore(zone, path, log);
    }
}

/// Records whether operators may set states, now that the configuration is in force: one that nginx could not apply must not
/// discard any states.
pub(crate) fn take_effect(zone: ControlZone) {
    zone.with(|table| table.set_controlled(zone.is_controlled()));
}
