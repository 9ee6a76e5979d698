//! `server address [id=name] [drain] …`: takes the parameters of this module, and hands the rest over to nginx.
//!
//! There is no table of these parameters: all others are nginx's.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};
use ngx::http::{HttpModule, HttpModuleServerConf, NgxHttpUpstreamModule};
use session_cookie::bytes::is_cookie_value;
use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Policy;
use session_cookie::session::may_stand_in_id;

use super::messages::{Error, Warning};
use super::parameters::Legal;
use crate::conf::{ServerConf, Sticky, UpstreamConf};
use crate::nginx::conf::{self, Conf, Edit};
use crate::nginx::string;
use crate::nginx::upstream::{ServerLine, Upstream};

const DIRECTIVE: &str = "server";

const ID: &str = "visible ASCII characters other than '\"', ',', ';', '\\', '|' and '~'";

#[allow(unsafe_code)]
pub(crate) unsafe extern "C" fn server(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block, whose configuration of the module nobody holds.
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

/// Takes the parameters of this module out of the directive's words; nginx must not see them.
fn take(cf: Conf<'static>) -> Result<ServerConf, Error<'static>> {
    let mut given = ServerConf::default();
    let mut error = None;
    cf.edit_words(|at, word| match word {
        // The name of the directive, and the address.
        _ if at < 2 => Edit::Keep,
        // No balancer gives a server that is down anything new, while a cookie still may. Of this and "down" the last one
        // counts, as where nginx has both.
        b"drain" if cfg!(not(nginx_drain)) => {
            given.draining = true;
            Edit::Replace(c"down")
        }
        b"down" => {
            given.draining = false;
            Edit::Keep
        }
        _ => {
            let Some(id) = word.strip_prefix(b"id=") else {
                return Edit::Keep;
            };
            if !is_id(id) {
                error = error.or(Some(id));
            } else if given.id.replace(id).is_some() {
                cf.warn(Warning::DoubledParameter {
                    directive: DIRECTIVE,
                    name: "id",
                });
            }
            Edit::Remove
        }
    });
    match error {
        None => Ok(given),
        Some(value) => Err(Error::Value {
            directive: DIRECTIVE,
            name: "id",
            value,
            legal: Legal::Text(ID),
        }),
    }
}

fn is_id(id: &[u8]) -> bool {
    !id.is_empty() && is_cookie_value(id) && id.iter().copied().all(may_stand_in_id)
}

/// Notes what was given for the line that nginx has just read.
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
    if given.id.is_some() {
        let before = core::mem::replace(&mut noted.id, given.id);
        if before.is_some() && before != noted.id {
            warn("with different parameters \"id\"");
        }
    }
    Ok(())
}

/// Warns of `id=` that nothing reads.
pub(crate) fn check_ids(cf: Conf<'_>, upstream: Upstream<'_>) {
    let Some(conf) = upstream.conf::<Sticky>() else {
        return;
    };
    let is_read = conf.policy().is_some_and(Policy::reads_given_ids);
    if is_read || !conf.server_confs.have_ids() {
        return;
    }
    cf.warn_of_block(format_args!(
        "parameter \"id\" of the \"server\" directive does nothing in upstream \"{}\" without \"hash=plain\", \
         \"accept=plain\" or \"accept=haproxy\" of \"session_sticky\" in {}",
        string(upstream.host()),
        upstream.declared_at()
    ));
}

/// Returns whether the upstream has nginx's own `sticky` (1.29.6 and newer).
pub(crate) fn has_own_sticky(cf: Conf<'_>, upstream: Upstream<'_>) -> bool {
    let module = cf.module(c"ngx_http_upstream_sticky_module");
    module.is_some_and(|module| upstream.is_prepared_by(module))
}
