//! `server address [id=name] [route=name] [drain] …`: reads the parameters of this module, and leaves the rest to nginx.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::{HttpModule, HttpModuleServerConf, NgxHttpUpstreamModule};
use session_cookie::bytes::is_cookie_value;
use session_cookie::foreign::System;
use session_cookie::keys::LONGEST_ID;
use session_cookie::learned::MAX_ID;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::{Hash, Mode, Policy};
use session_cookie::session::may_stand_in_id;

use super::messages::{Error, Warning};
use super::parameters::Legal;
use crate::conf::{ServerConf, Sticky, UpstreamConf};
use crate::nginx::conf::{self, Conf, Edit};
use crate::nginx::string;
use crate::nginx::upstream::{ServerLine, Upstream};

const DIRECTIVE: &str = "server";

/// nginx's own limit (`NGX_HTTP_UPSTREAM_SID_LEN`).
const ROUTE: &str = "a string of 1 to 32 characters";

const ID: &str = "visible ASCII characters other than '\"', ',', ';', '\\', '|' and '~'";

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn server(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block. No other reference to the module's configuration of
    // the block exists.
    let (cf, conf) = unsafe { (Conf::new(cf), Sticky::server_conf_mut(&*cf)) };
    let (Some(upstream), Some(conf)) = (cf.current_upstream(), conf) else {
        return conf::ERROR;
    };
    let given = match take(cf) {
        Ok(given) => given,
        Err(error) => return cf.refuse(error),
    };
    let own = NgxHttpUpstreamModule::module();
    let result = cf
        .hand_over(own, DIRECTIVE.as_bytes())
        .unwrap_or(conf::ERROR);
    if result != conf::OK {
        return result;
    }
    let noted = upstream
        .last_line()
        .map_or(Ok(()), |line| note(cf, conf, &line, given));
    noted.map_or_else(|error| cf.refuse(error), |()| conf::OK)
}

/// Removes the parameters of this module from the words of the directive, so that nginx does not see them.
fn take(cf: Conf<'static>) -> Result<ServerConf, Error<'static>> {
    let mut given = ServerConf::default();
    let mut error = None;
    cf.edit_words(|at, word| match word {
        // The name of the directive and the address.
        _ if at < 2 => Edit::Keep,
        // To load-balancing methods a draining server is `down`; a cookie may still select it. If both `drain` and `down`
        // are given, the last one is used, as in nginx versions that have both.
        b"drain" if cfg!(not(nginx_drain)) => {
            given.draining = true;
            Edit::Replace(c"down")
        }
        b"down" => {
            given.draining = false;
            Edit::Keep
        }
        _ => {
            let (name, value, is_legal, place) = if let Some(id) = word.strip_prefix(b"id=") {
                ("id", id, is_id(id), &mut given.id)
            } else if let Some(route) = own_route(word) {
                ("route", route, is_route(route), &mut given.route)
            } else {
                return Edit::Keep;
            };
            if !is_legal {
                error = error.or(Some((name, value)));
            } else if place.replace(value).is_some() {
                let directive = DIRECTIVE;
                cf.warn(Warning::DoubledParameter { directive, name });
            }
            Edit::Remove
        }
    });
    let Some((name, value)) = error else {
        return Ok(given);
    };
    Err(Error::Value {
        directive: DIRECTIVE,
        name,
        value,
        legal: Legal::Text(if name == "id" { ID } else { ROUTE }),
    })
}

/// Returns the value of `route=`, if nginx does not have this parameter itself.
fn own_route(word: &[u8]) -> Option<&[u8]> {
    word.strip_prefix(b"route=")
        .filter(|_| cfg!(not(nginx_drain)))
}

/// Returns whether an nginx that has `route=` would accept this value.
fn is_route(route: &[u8]) -> bool {
    !route.is_empty() && route.len() <= MAX_ID
}

fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && is_cookie_value(id) && id.iter().copied().all(may_stand_in_id)
}

/// Stores the parameters of the line that nginx has just read.
fn note(
    cf: Conf<'_>,
    conf: &mut UpstreamConf,
    line: &ServerLine<'static>,
    given: ServerConf,
) -> Result<(), OutOfMemory> {
    let confs = &mut conf.server_confs;
    let Some(noted) = confs.get_mut(line.name, line.is_backup) else {
        if given.is_empty() {
            return Ok(());
        }
        return confs.insert(line.name, line.is_backup, given);
    };
    let warn = |what| {
        cf.warn(Warning::DoubledServer {
            address: line.name,
            what,
        });
    };
    if noted.draining != given.draining {
        noted.draining = given.draining;
        warn("with and without \"drain\"");
    }
    for (noted, given, different) in [
        (&mut noted.id, given.id, "with different parameters \"id\""),
        (
            &mut noted.route,
            given.route,
            "with different parameters \"route\"",
        ),
    ] {
        if given.is_some() {
            let before = core::mem::replace(noted, given);
            if before.is_some() && before != given {
                warn(different);
            }
        }
    }
    Ok(())
}

/// Warns about an `id=` that is not used, and about `accept=jvmroute` without a named server.
pub(crate) fn check_ids(cf: Conf<'_>, upstream: Upstream<'_>) {
    let Some(conf) = upstream.conf::<Sticky>() else {
        return;
    };
    let reads_routes = conf
        .policy()
        .is_some_and(|policy| policy.accepts(System::Jvmroute));
    if reads_routes && !upstream.lines().any(|line| is_named(conf, &line)) {
        cf.warn_of_block(format_args!(
            "\"accept=jvmroute\" has no effect in upstream \"{}\", as no server has \"id=\" or \"route=\", in {}",
            string(upstream.host()),
            upstream.declared_at()
        ));
    }
    let is_read = conf.policy().is_some_and(Policy::reads_given_ids);
    if is_read || conf.server_confs.ids().next().is_none() {
        return;
    }
    cf.warn_of_block(format_args!(
        "parameter \"id\" of the \"server\" directive has no effect in upstream \"{}\" without \"hash=plain\", \
         \"accept=plain\", \"accept=haproxy\", \"accept=jvmroute\", \"accept=angie\", \"mode=route\" or \"mode=learn\" of \"session_sticky\" in {}",
        string(upstream.host()),
        upstream.declared_at()
    ));
}

/// Returns whether a line has an `id=` or `route=`.
fn is_named(conf: &UpstreamConf, line: &ServerLine<'_>) -> bool {
    let given = conf.server_confs.get(line.name, line.is_backup);
    let given = given.and_then(|given| given.id.or(given.route));
    given.or(line.route).is_some()
}

/// Returns an `id=` that is too long for the sessions of the upstream, the maximum length, and the reason.
pub(crate) fn overlong_id(conf: &UpstreamConf) -> Option<(&'static [u8], usize, &'static str)> {
    let policy = conf.policy()?;
    let (most, why) = if policy.mode == Mode::Learn {
        (MAX_ID, "cannot store")
    } else if policy.signer.is_some() && policy.hash == Hash::Plain {
        (LONGEST_ID, "cannot sign")
    } else {
        return None;
    };
    let mut ids = conf.server_confs.ids();
    let id = ids.find(|id| id.len() > most)?;
    Some((id, most, why))
}

/// Returns whether the upstream uses nginx's own `sticky` (1.29.6 and newer).
pub(crate) fn has_own_sticky(cf: Conf<'_>, upstream: Upstream<'_>) -> bool {
    let module = cf.module(c"ngx_http_upstream_sticky_module");
    module.is_some_and(|module| upstream.is_prepared_by(module))
}
