//! The zone of `session_sticky_control` and `drain_if=`, and what happens with it when nginx has read a configuration.

use session_cookie::control::Table;

use super::state_file;
use crate::conf::MainConf;
use crate::log::warn;
use crate::nginx::conf::Conf;
use crate::nginx::control_zone::{ControlZone, IsNew};
use crate::nginx::log::Log;
use crate::nginx::Printable;

/// Returns the zone, which is added where there is none yet; `None`: it could not be added.
pub(crate) fn zone(cf: Conf<'_>, main: &mut MainConf) -> Option<ControlZone> {
    if main.control.is_none() {
        main.control = ControlZone::add(cf, prepare);
    }
    main.control
}

/// Reads what was said before nginx was started, and looks whether workers will be able to write it.
fn prepare(zone: ControlZone, is_new: IsNew, log: Log<'_>) {
    let was_controlled = zone.with(Table::is_controlled) == Some(true);
    if zone.is_controlled() && !was_controlled {
        // It was said long ago.
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
        // The file may be another than before: the first worker that applies what is said writes it.
        zone.with(Table::forget_saved);
    } else {
        state_file::restore(zone, path, log);
    }
}

/// Notes whether operators may say something, now that the configuration is in force: one with which nginx could not go on
/// must not have what was said forgotten.
pub(crate) fn take_effect(zone: ControlZone) {
    zone.with(|table| table.set_controlled(zone.is_controlled()));
}
