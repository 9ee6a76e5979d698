//! Upstreams that a client of one `server` block can reach with the same cookie: what one of them sets, the other
//! does not understand, unless both have the same servers.

use std::collections::BTreeSet;

use ngx::ffi::{
    ngx_addr_t, ngx_conf_t, ngx_http_conf_ctx_t, ngx_http_upstream_server_t,
    ngx_http_upstream_srv_conf_t, NGX_LOG_WARN,
};
use ngx::http::{HttpModuleLocationConf, HttpModuleMainConf, NgxHttpCoreModule};
use ngx::ngx_log_error;
use session_cookie::id::{md5_hex, Id};
use session_cookie::policy::{Digest, Hash, Mode};

use super::hide_cookie::find;
use crate::conf::{upstream_conf, MainConf, Sticky};
use crate::nginx::conf::declared_at;
use crate::nginx::{bytes, Printable};

type Upstream = *mut ngx_http_upstream_srv_conf_t;

/// Notes that the location being merged passes to these upstreams. Where it passes requests by a variable, it is to
/// those of which it hides the cookie.
///
/// # Safety
///
/// `cf` is that of our `merge_loc_conf`.
pub(crate) unsafe fn note(
    cf: *mut ngx_conf_t,
    main: &mut MainConf,
    passed: &[Upstream],
    hidden: &[&[u8]],
) {
    // SAFETY: while a location is merged, the context has the configurations of its server.
    unsafe {
        let server = (*(*cf).ctx.cast::<ngx_http_conf_ctx_t>()).srv_conf as usize;
        let has_handler = NgxHttpCoreModule::location_conf(&*cf)
            .is_some_and(|location| location.handler.is_some());
        let by_variable = has_handler && passed.is_empty();
        let hidden = hidden
            .iter()
            .filter(|_| by_variable)
            .filter_map(|name| find(cf, name));
        let upstreams = passed.iter().copied().chain(hidden);
        let sticky = upstreams.filter(|us| upstream_conf(*us).policy.is_some());
        for us in sticky {
            let reached = main.reached.entry(server).or_default();
            if !reached.contains(&us) {
                reached.push(us);
            }
        }
    }
}

/// Warns of upstreams that take each other's sessions away, of each once.
///
/// # Safety
///
/// All of the http block was read.
pub(crate) unsafe fn check(cf: *mut ngx_conf_t) {
    // SAFETY: the caller's promise.
    unsafe {
        let Some(main) = Sticky::main_conf(&*cf) else {
            return;
        };
        let mut told = BTreeSet::new();
        for reached in main.reached.values() {
            let mut before: Vec<(Cookie, Upstream)> = Vec::new();
            for us in reached {
                let Some(cookie) = Cookie::of(*us) else {
                    continue;
                };
                // Counting servers is worth while only then.
                let same = before.iter().filter(|(other, _)| *other == cookie);
                let mut others = same.map(|(_, other)| *other);
                if let Some(other) =
                    others.find(|other| Servers::of(*us).differ_from(&Servers::of(*other)))
                {
                    if told.insert(*us) {
                        warn(cf, &cookie, *us, other);
                    }
                }
                before.push((cookie, *us));
            }
        }
    }
}

unsafe fn warn(cf: *mut ngx_conf_t, cookie: &Cookie, us: Upstream, other: Upstream) {
    // SAFETY: both are explicit upstreams of this configuration.
    unsafe {
        let (file, line) = declared_at(us);
        ngx_log_error!(
            NGX_LOG_WARN,
            (*cf).log,
            "cookie \"{}\" of upstream \"{}\" is also that of upstream \"{}\", which has other servers or ids and is \
             reached from the same \"server\" block, a client that visits both loses its session each time: give the \
             cookies different names or paths in {}:{}",
            Printable(cookie.name),
            (*us).host,
            (*other).host,
            Printable(file),
            line
        );
    }
}

/// What browsers tell a cookie of ours by. Text with variables is compared as it is written.
#[derive(Eq, PartialEq)]
struct Cookie {
    name: &'static [u8],
    domain: Vec<u8>,
    path: Vec<u8>,
}

impl Cookie {
    /// That of an upstream, if it is known when the configuration is read: not if the application sets it, or if its
    /// path is that of the request.
    unsafe fn of(us: Upstream) -> Option<Self> {
        // SAFETY: an explicit upstream, whose configuration lives as long as the cycle.
        unsafe {
            let conf = upstream_conf(us);
            let policy = conf.policy.as_ref()?;
            if !matches!(policy.mode, Mode::Insert | Mode::Repeat) || policy.silent {
                return None;
            }
            let path = match &conf.path {
                Some(compiled) => compiled.text(),
                None => &policy.path,
            };
            let domain = match &conf.domain {
                Some(compiled) => compiled.text(),
                None => policy.domain.as_deref().unwrap_or_default(),
            };
            let domain = domain.strip_prefix(b".").unwrap_or(domain);
            (!path.is_empty()).then(|| Cookie {
                name: &policy.cookie,
                domain: domain.to_ascii_lowercase(),
                path: path.to_vec(),
            })
        }
    }
}

/// The servers of an upstream, as far as they are known when the configuration is read.
#[derive(Default)]
struct Servers {
    accepts: bool,
    addresses: BTreeSet<Vec<u8>>,
    ids: BTreeSet<Vec<u8>>,
}

impl Servers {
    /// One cookie over two ports, of servers with the same ids, is on purpose. So is one whose other form each
    /// understands.
    fn differ_from(&self, other: &Servers) -> bool {
        let understood = self.accepts && other.accepts && self.addresses == other.addresses;
        self.ids != other.ids && !understood
    }

    unsafe fn of(us: Upstream) -> Self {
        let mut all = Servers::default();
        // SAFETY: an explicit upstream, whose servers were read.
        unsafe {
            let conf = upstream_conf(us);
            let (Some(policy), Some(servers)) = (&conf.policy, (*us).servers.as_ref()) else {
                return all;
            };
            all.accepts = !policy.accept.is_empty();
            let servers: &[ngx_http_upstream_server_t] = servers.as_slice();
            for (index, server) in servers.iter().enumerate() {
                let line = bytes(server.name);
                let key = (Box::from(line), server.backup() != 0);
                let said = conf.server_confs.get(&key);
                let given = said.and_then(|said| said.id.as_deref());
                for name in names(server) {
                    all.addresses.insert(Vec::from(name));
                    all.ids.insert(match (policy.hash, given) {
                        (Hash::Plain, Some(id)) => Vec::from(id),
                        (Hash::Plain, None) => Vec::from(name),
                        (Hash::Md5, _) => Vec::from(md5_hex(name)),
                        (Hash::Sha1, _) => Id::of_address(name, Digest::Sha1, &[]).to_vec(),
                        (Hash::Index, _) => index.to_string().into_bytes(),
                        (Hash::Line(digest), _) => {
                            Id::of_address(line, digest, &policy.hmac_key).to_vec()
                        }
                    });
                }
            }
        }
        all
    }
}

/// The addresses of a server as nginx prints them; where they come at run time, the name that they are asked by.
unsafe fn names(server: &ngx_http_upstream_server_t) -> impl Iterator<Item = &[u8]> {
    // SAFETY: an array of so many addresses, or null.
    unsafe {
        let addresses: &[ngx_addr_t] = if server.addrs.is_null() {
            &[]
        } else {
            core::slice::from_raw_parts(server.addrs, server.naddrs)
        };
        let line = addresses.is_empty().then(|| bytes(server.name));
        addresses
            .iter()
            .map(|address| bytes(address.name))
            .chain(line)
    }
}
