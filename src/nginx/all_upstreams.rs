//! The upstreams of the configuration that serves a request.

use core::marker::PhantomData;

use ngx::ffi::ngx_http_upstream_srv_conf_t;
use ngx::http::{HttpModuleMainConf, NgxHttpUpstreamModule};

use super::bytes;
use super::request::Request;
use super::upstream::Upstream;

/// The upstreams of a configuration by index, including those that nginx has made implicitly from addresses.
#[derive(Clone, Copy)]
pub(crate) struct Upstreams<'r>(
    &'r [*mut ngx_http_upstream_srv_conf_t],
    PhantomData<Upstream<'r>>,
);

impl<'r> Request<'r> {
    /// Returns the upstreams of the request's configuration.
    pub(crate) fn upstreams(self) -> Upstreams<'r> {
        // SAFETY: the request is live, and its configuration outlives it. `upstreams` is an array of pointers, to which nginx
        // adds none once it serves requests.
        let all = unsafe {
            NgxHttpUpstreamModule::main_conf(&*self.as_ptr())
                .map_or(&[][..], |main| main.upstreams.as_slice())
        };
        Upstreams(all, PhantomData)
    }
}

impl<'r> Upstreams<'r> {
    /// Returns the upstream at an index, `Some(None)` for an implicit one; `None` if there are no more.
    pub(crate) fn get(self, number: usize) -> Option<Option<Upstream<'r>>> {
        let us = self.0.get(number)?;
        // SAFETY: the upstreams of the array live as long as the cycle, which outlives its requests. The module's configuration
        // of them is not written while requests are served.
        Some(unsafe { Upstream::new(*us) })
    }

    /// Returns the upstream to which nginx passes a request for this host and port, if it is an `upstream` block. `port` is
    /// `None` if the address has none.
    pub(crate) fn destination(self, host: &[u8], port: Option<u16>) -> Option<Upstream<'r>> {
        let us = self.0.iter().find(|us| {
            // SAFETY: the upstreams of the array live as long as the cycle, and nginx sets their names once.
            let (name, of_block) = unsafe { (bytes((***us).host), (***us).port) };
            let is_port = (of_block == 0 && port.is_none()) || port.unwrap_or_default() == of_block;
            name.eq_ignore_ascii_case(host) && is_port
        })?;
        // SAFETY: as in `get`.
        unsafe { Upstream::new(*us) }
    }

    /// Returns the `upstream` block with this name.
    pub(crate) fn find(self, name: &[u8]) -> Option<Upstream<'r>> {
        let mut all = (0..self.0.len()).filter_map(|number| self.get(number)?);
        all.find(|upstream| upstream.host() == name)
    }
}
