//! `server address [id=name] [drain] …`: takes what is ours, and hands the rest over to nginx.

use core::ffi::{c_char, c_void};

use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_upstream_server_t, ngx_http_upstream_srv_conf_t, ngx_str_t,
    NGX_LOG_EMERG, NGX_LOG_WARN,
};
use ngx::http::{HttpModule, NgxHttpUpstreamModule};
use ngx::{ngx_conf_log_error, ngx_log_error, ngx_string};
use session_cookie::bytes::is_cookie_value;
use session_cookie::policy::Policy;
use session_cookie::session::may_stand_in_id;

use crate::conf::{upstream_conf, upstream_conf_mut, ServerConf};
use crate::nginx::conf::{self, current_upstream, declared_at, hand_over, words};
use crate::nginx::{bytes, Printable};

pub(crate) unsafe extern "C" fn server(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block; the words live as long as the
    // cycle, except for those that name nothing.
    unsafe {
        let said = match take(cf) {
            Ok(said) => said,
            Err(()) => return conf::ERROR,
        };

        let result =
            hand_over(cf, NgxHttpUpstreamModule::module(), b"server").unwrap_or(conf::ERROR);
        if result != conf::OK {
            return result;
        }

        note(cf, said);
        conf::OK
    }
}

/// Takes what is ours out of the directive's words; nginx must not see it.
unsafe fn take(cf: *mut ngx_conf_t) -> Result<ServerConf, ()> {
    // SAFETY: as in `server`. Words are moved down within their array, and the count shrinks.
    unsafe {
        let mut said = ServerConf::default();
        let mut kept = 0usize;
        for at in 0..words(cf).len() {
            let Some(mut word) = words(cf).get(at).copied() else {
                break;
            };
            match bytes(word) {
                text if at > 1 && text.starts_with(b"id=") => {
                    let id = text.strip_prefix(b"id=").unwrap_or_default();
                    check(cf, id)?;
                    if said.id.replace(Box::from(id)).is_some() {
                        ngx_conf_log_error!(
                            NGX_LOG_WARN, cf,
                            "duplicate parameter \"id\" in \"server\" directive, the last one counts"
                        );
                    }
                    continue;
                }
                // No balancer gives a server that is down anything new, and we know better. Of this
                // and "down" the last one counts, as where nginx has both.
                b"drain" if at > 1 && cfg!(not(nginx_drain)) => {
                    said.draining = true;
                    word = ngx_string!("down");
                }
                b"down" if at > 1 => said.draining = false,
                _ => (),
            }
            if let Some(place) = words(cf).get_mut(kept) {
                *place = word;
            }
            kept = kept.saturating_add(1);
        }
        (*(*cf).args).nelts = kept;
        Ok(said)
    }
}

fn check(cf: *mut ngx_conf_t, id: &[u8]) -> Result<(), ()> {
    if !id.is_empty() && is_cookie_value(id) && id.iter().copied().all(may_stand_in_id) {
        return Ok(());
    }
    ngx_conf_log_error!(
        NGX_LOG_EMERG,
        cf,
        "invalid value \"{}\" of parameter \"id\" in \"server\" directive, \
         it must be visible ASCII characters other than '\"', ',', ';', '\\', '|' and '~'",
        Printable(id)
    );
    Err(())
}

/// Notes what was said of the server that nginx has just read.
unsafe fn note(cf: *mut ngx_conf_t, said: ServerConf) {
    // SAFETY: nginx has pushed the server to its upstream's array.
    unsafe {
        let us = current_upstream(cf);
        let confs = &mut upstream_conf_mut(us).server_confs;
        let is_silent = said.id.is_none() && !said.draining;
        if is_silent && confs.is_empty() {
            return;
        }
        let servers: &[ngx_http_upstream_server_t] = (*(*us).servers).as_slice();
        let Some(server) = servers.last() else { return };
        let address: ngx_str_t = server.name;

        let key = (Box::from(bytes(address)), server.backup() != 0);
        let Some(noted) = confs.get_mut(&key) else {
            if !is_silent {
                confs.insert(key, said);
            }
            return;
        };
        let warn = |what: &str| {
            ngx_conf_log_error!(
                NGX_LOG_WARN,
                cf,
                "server \"{}\" is given twice {}, the last one counts",
                address,
                what
            );
        };
        if noted.draining != said.draining {
            noted.draining = said.draining;
            warn("with and without \"drain\"");
        }
        if let Some(id) = said.id {
            let before = noted.id.replace(id);
            if before.is_some() && before != noted.id {
                warn("with different parameters \"id\"");
            }
        }
    }
}

/// Warns of `id=` that nothing reads.
pub(crate) unsafe fn check_ids(cf: *mut ngx_conf_t, us: *mut ngx_http_upstream_srv_conf_t) {
    // SAFETY: all directives of an explicit upstream were read.
    unsafe {
        let conf = upstream_conf(us);
        let is_read = conf.policy.as_ref().is_some_and(Policy::reads_given_ids);
        if is_read || conf.server_confs.values().all(|said| said.id.is_none()) {
            return;
        }
        let (file, line) = declared_at(us);
        ngx_log_error!(
            NGX_LOG_WARN,
            (*cf).log,
            "parameter \"id\" of the \"server\" directive does nothing in upstream \"{}\" without \"hash=plain\", \
             \"accept=plain\" or \"accept=haproxy\" of \"session_sticky\" in {}:{}",
            (*us).host,
            Printable(file),
            line
        );
    }
}

/// Has the upstream nginx's own `sticky` (1.29.6 and newer)? Its configuration begins with what it
/// stands before.
pub(crate) unsafe fn has_own_sticky(
    cf: *mut ngx_conf_t,
    us: *mut ngx_http_upstream_srv_conf_t,
) -> bool {
    // SAFETY: an explicit upstream has a configuration of every http module, or null.
    unsafe {
        let Some(module) = conf::module(cf, c"ngx_http_upstream_sticky_module") else {
            return false;
        };
        let own = *(*us).srv_conf.add(module.ctx_index);
        own.cast::<ngx::ffi::ngx_http_upstream_init_pt>()
            .as_ref()
            .is_some_and(Option::is_some)
    }
}
