//! The configuration of an `upstream` block.

use core::ffi::CStr;
use core::fmt::{self, Display, Formatter};
use core::marker::PhantomData;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_addr_t, ngx_http_upstream_init_pt, ngx_http_upstream_server_t,
    ngx_http_upstream_srv_conf_t, ngx_module_t,
};
use ngx::http::HttpModuleServerConf;

use super::{bytes, Printable};

/// A handle of an explicit upstream. What its methods return lives as long as the cycle.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Upstream<'c> {
    us: NonNull<ngx_http_upstream_srv_conf_t>,
    cycle: PhantomData<&'c ()>,
}

impl<'c> Upstream<'c> {
    /// Creates the handle, if `us` is an `upstream` block and not an implicit upstream that nginx has made from an address.
    ///
    /// # Safety
    ///
    /// `us` is null or belongs to a cycle that lives as long as everything bounded by `'c`. The module's configuration of the
    /// upstream is written only by callbacks that do not read it through a handle.
    pub(crate) unsafe fn new(us: *mut ngx_http_upstream_srv_conf_t) -> Option<Self> {
        let us = NonNull::new(us)?;
        // SAFETY: upstreams are never freed before their cycle.
        let is_explicit = unsafe { !us.as_ref().srv_conf.is_null() };
        is_explicit.then_some(Upstream {
            us,
            cycle: PhantomData,
        })
    }

    /// Creates the handle of a request's upstream.
    ///
    /// # Safety
    ///
    /// `us` is not null, and is an `upstream` block of a cycle that lives as long as everything bounded by `'c`.
    #[inline(always)]
    pub(crate) unsafe fn of_request(us: *mut ngx_http_upstream_srv_conf_t) -> Self {
        Upstream {
            // SAFETY: the caller guarantees that `us` is not null.
            us: unsafe { NonNull::new_unchecked(us) },
            cycle: PhantomData,
        }
    }

    /// Returns nginx's pointer to the upstream.
    #[inline(always)]
    pub(crate) fn as_ptr(self) -> *mut ngx_http_upstream_srv_conf_t {
        self.us.as_ptr()
    }

    /// Returns the name of the block.
    pub(crate) fn host(self) -> &'c [u8] {
        // SAFETY: nginx sets the name once; it is in the cycle's pool.
        unsafe { bytes(self.us.as_ref().host) }
    }

    /// Returns where the block begins.
    pub(crate) fn declared_at(self) -> Place<'c> {
        // SAFETY: nginx sets the file name of every explicit upstream; it ends with a zero byte and lives in the cycle's pool.
        unsafe {
            let us = self.us.as_ref();
            Place {
                file: CStr::from_ptr(us.file_name.cast()).to_bytes(),
                line: us.line,
            }
        }
    }

    /// Returns a module's configuration of the upstream.
    #[inline(always)]
    pub(crate) fn conf<M: HttpModuleServerConf>(self) -> Option<&'c M::ServerConf> {
        // SAFETY: an explicit upstream has a slot for each module's configuration, which is null or a value of the module's type
        // in the cycle's pool. Callbacks that modify it do not read it through a handle, as `new` requires.
        unsafe {
            let confs = self.us.as_ref().srv_conf;
            (*confs.add(M::module().ctx_index))
                .cast::<M::ServerConf>()
                .as_ref()
        }
    }

    /// Returns a module's configuration of a request's upstream. Unlike in [`conf`](Self::conf), it cannot be missing.
    #[inline(always)]
    pub(crate) fn conf_in_use<M: HttpModuleServerConf>(self) -> &'c M::ServerConf {
        // SAFETY: nginx refuses a configuration in which a module failed to create its configuration of an upstream, and that
        // configuration is not written while requests are served.
        unsafe { &*(*self.us.as_ref().srv_conf.add(M::module().ctx_index)).cast() }
    }

    /// Returns the `server` directives read so far.
    pub(crate) fn lines(self) -> impl Iterator<Item = ServerLine<'c>> {
        (0..).map_while(move |at| self.line(at))
    }

    /// Returns the `server` directive read last.
    pub(crate) fn last_line(self) -> Option<ServerLine<'c>> {
        // SAFETY: `servers` is null or an array in the cycle's pool.
        let count = unsafe { self.us.as_ref().servers.as_ref()?.nelts };
        self.line(count.checked_sub(1)?)
    }

    fn line(self, at: usize) -> Option<ServerLine<'c>> {
        // SAFETY: `servers` is null or an array of server lines. An element moves when the array grows, so only values are copied
        // from it; the text and addresses they point to are in the cycle's pool and are written once.
        unsafe {
            let lines: &[ngx_http_upstream_server_t] =
                self.us.as_ref().servers.as_ref()?.as_slice();
            let line = lines.get(at)?;
            Some(ServerLine {
                name: bytes(line.name),
                is_backup: line.backup() != 0,
                is_resolved: is_resolved(line),
                route: route_of(line),
                addresses: if line.addrs.is_null() {
                    &[]
                } else {
                    core::slice::from_raw_parts(line.addrs, line.naddrs)
                },
            })
        }
    }

    /// Returns whether a module has wrapped the upstream's initialization. Only for modules whose configuration of an upstream
    /// begins with the original `init_upstream` function, which is null unless they have wrapped it.
    pub(crate) fn is_prepared_by(self, module: &ngx_module_t) -> bool {
        // SAFETY: an explicit upstream has a slot for each module's configuration, which is null or begins with a function
        // pointer.
        let init = unsafe {
            let confs = self.us.as_ref().srv_conf;
            let conf = *confs.add(module.ctx_index);
            conf.cast::<ngx_http_upstream_init_pt>().as_ref()
        };
        init.is_some_and(Option::is_some)
    }
}

/// A `server` directive as nginx has read it.
pub(crate) struct ServerLine<'c> {
    /// The address as written in the configuration.
    pub(crate) name: &'c [u8],
    pub(crate) is_backup: bool,
    /// Whether the addresses change at run time (`resolve`).
    pub(crate) is_resolved: bool,
    /// nginx's own `route=` (1.29.6 and newer).
    pub(crate) route: Option<&'c [u8]>,
    addresses: &'c [ngx_addr_t],
}

impl<'c> ServerLine<'c> {
    /// Returns the addresses as nginx prints them; none if they are resolved at run time.
    pub(crate) fn addresses(&self) -> impl ExactSizeIterator<Item = &'c [u8]> + Clone {
        // SAFETY: the name of an address is in the cycle's pool, like the address.
        self.addresses
            .iter()
            .map(|address| unsafe { bytes(address.name) })
    }
}

#[cfg(nginx_peer_sid)]
fn route_of<'c>(line: &ngx_http_upstream_server_t) -> Option<&'c [u8]> {
    // SAFETY: the text is empty or a word of the configuration in the cycle's pool.
    let route = unsafe { bytes(line.sid) };
    (!route.is_empty()).then_some(route)
}

#[cfg(not(nginx_peer_sid))]
fn route_of<'c>(_: &ngx_http_upstream_server_t) -> Option<&'c [u8]> {
    None
}

#[cfg(all(nginx_peer_refs, ngx_feature = "http_upstream_zone"))]
fn is_resolved(line: &ngx_http_upstream_server_t) -> bool {
    // nginx sets the name only for `resolve`.
    line.host.len != 0
}

#[cfg(not(all(nginx_peer_refs, ngx_feature = "http_upstream_zone")))]
fn is_resolved(_: &ngx_http_upstream_server_t) -> bool {
    false
}

/// A place in a configuration file, printed as nginx prints it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'c> {
    pub(crate) file: &'c [u8],
    pub(crate) line: usize,
}

impl Display for Place<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", Printable(self.file), self.line)
    }
}
