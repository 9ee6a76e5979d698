//! `session_sticky_control`: whether servers can be drained and taken down while nginx runs, and the file that stores it.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::HttpModuleMainConf;

use super::messages::{Error, Warning};
use crate::conf::{LocationConf, MainConf, Sticky};
use crate::control::start;
use crate::control::state_file::MOST_PATH;
use crate::nginx::conf::{self, Conf};
use crate::nginx::control_zone::ControlZone;

const DIRECTIVE: &str = "session_sticky_control";

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn session_sticky_control(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    conf: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in the http block, and `conf` is the module's configuration of the location.
    // No other reference to it or to the configuration of the http block exists.
    let (cf, main, location) = unsafe {
        (
            Conf::new(cf),
            Sticky::main_conf_mut(&*cf),
            &mut *conf.cast::<LocationConf>(),
        )
    };
    let read = main.ok_or(Error::NoControl).and_then(|main| read(cf, main));
    match read {
        Ok(_) if location.control.is_some() => cf.refuse(Error::Doubled(DIRECTIVE)),
        Ok(is_on) => {
            location.control = Some(is_on);
            conf::OK
        }
        Err(error) => cf.refuse(error),
    }
}

/// Reads the parameters. Returns whether servers can be controlled.
fn read(cf: Conf<'static>, main: &mut MainConf) -> Result<bool, Error<'static>> {
    let words = cf.parameters();
    let is_on = match words.first() {
        Some(b"on") => true,
        Some(b"off") => false,
        word => return Err(Error::Control(word.unwrap_or_default())),
    };
    let state = words.rest().first();
    let path = state.map(|word| word.strip_prefix(b"state=").ok_or(Error::Control(word)));
    let path = path
        .transpose()?
        .filter(|path| !path.is_empty() || state == Some(b"state="));
    if !is_on {
        return state.map_or(Ok(false), |word| Err(Error::Control(word)));
    }
    let zone = start::zone(cf, main).ok_or(Error::NoControl)?;
    zone.set_controlled();
    if let Some(path) = path {
        keep_in(cf, zone, path)?;
    }
    Ok(true)
}

/// Sets the state file. There is one table of states, so all directives must name the same file.
fn keep_in(
    cf: Conf<'static>,
    zone: ControlZone,
    path: &'static [u8],
) -> Result<(), Error<'static>> {
    if path.is_empty() {
        return Err(Error::StateFile(path));
    }
    let full = cf.full_path(path).ok_or(Error::NoControl)?;
    if full.len() > MOST_PATH {
        return Err(Error::StateFile(path));
    }
    match zone.set_state_file(full) {
        Some(before) if before != full => Err(Error::OtherStateFile(path, before)),
        _ => Ok(()),
    }
}

/// Warns if any client can control servers through the location being merged. `is_shown`: the location has
/// `session_sticky_status`. `is_limited`: the enclosing one has it, and if the location is a `limit_except` block, it handles
/// the limited methods.
pub(crate) fn check_access(cf: Conf<'_>, is_shown: bool, is_limited: bool) {
    let handles = (is_shown && !cf.limits_patch()) || (is_limited && cf.is_limit_except());
    if handles && !cf.has_access_rules() {
        cf.warn_of_block(Warning::OpenControl(cf.location_name()));
    }
}
