//! The upstreams of the configuration that serves a request.

use core::marker::PhantomData;

use ngx::ffi::ngx_http_upstream_srv_conf_t;
use ngx::http::{HttpModuleMainConf, NgxHttpUpstreamModule};

use super::bytes;
use super::request::Request;
use super::upstream::Upstream;

/// The upstreams of a configuration, by number: those that nginx has made of addresses are among them.
#[derive(Clone, Copy)]
pub(crate) struct Upstreams<'r>(
    &'r [*mut ngx_http_upstream_srv_conf_t],
    PhantomData<Upstream<'r>>,
);

impl<'r> Request<'r> {
    /// Returns the upstreams of its configuration.
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
    /// Returns the upstream of a number, `Some(None)` for one without a block of its own; `None`: there are no more.
    pub(crate) fn get(self, number: usize) -> Option<Option<Upstream<'r>>> {
        let us = self.0.get(number)?;
        // SAFETY: the upstreams of the array live as long as the cycle, which outlives its requests. While requests are served,
        // nobody writes to the module's configuration of them.
        Some(unsafe { Upstream::new(*us) })
    }

    /// Returns the upstream to which nginx passes a request for this host, if it has a block of its own; `port` is what stands
    /// behind the host.
    pub(crate) fn destination(self, host: &[u8], port: Option<u16>) -> Option<Upstream<'r>> {
        let us = self.0.iter().find(|us| {
            // SAFETY: the upstreams of the array live as long as the cycle, and nginx writes their names once.
            let (name, of_block) = unsafe { (bytes((***us).host), (***us).port) };
            let is_port = (of_block == 0 && port.is_none()) || port.unwrap_or_default() == of_block;
            name.eq_ignore_ascii_case(host) && is_port
        })?;
        // SAFETY: as in `get`.
        unsafe { Upstream::new(*us) }
    }

    /// Returns the upstream of this name that has a block of its own.
    pub(crate) fn find(self, name: &[u8]) -> Option<Upstream<'r>> {
        let mut all = (0..self.0.len()).filter_map(|number| self.get(number)?);
        all.find(|upstream| upstream.host() == name)
    }
}
