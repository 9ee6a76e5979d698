//! The module that makes the content of a location.

use ngx::ffi::NGX_HTTP_PATCH;
use ngx::http::{HttpModuleLocationConf, NgxHttpCoreModule};

use super::conf::{Conf, Handler};

impl Conf<'_> {
    /// Lets a handler make the content of the location that is being read.
    pub(crate) fn handle_content(self, handler: Handler) {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool; nobody else holds it.
        if let Some(location) = unsafe { NgxHttpCoreModule::location_conf_mut(&*self.as_ptr()) } {
            location.handler = Some(handler);
        }
    }

    /// Returns whether the location being merged has a `limit_except` that is about `PATCH`.
    pub(crate) fn limits_patch(self) -> bool {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool.
        let location = unsafe { NgxHttpCoreModule::location_conf(&*self.as_ptr()) };
        location.is_some_and(|location| location.limit_except & NGX_HTTP_PATCH != 0)
    }

    /// Returns whether the location being merged is that of a `limit_except`.
    pub(crate) fn is_limit_except(self) -> bool {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool.
        let location = unsafe { NgxHttpCoreModule::location_conf(&*self.as_ptr()) };
        location.is_some_and(|location| location.lmt_excpt() != 0)
    }

    /// Lets a handler make the content also for the methods that a `limit_except` is about, which nginx keeps in a location of
    /// its own. It is the location being merged, or there is none.
    pub(crate) fn handle_limited_content(self, handler: Handler) {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool; nobody else holds it.
        let location = unsafe { NgxHttpCoreModule::location_conf_mut(&*self.as_ptr()) };
        if let Some(location) = location {
            if location.lmt_excpt() != 0 && location.handler.is_none() {
                location.handler = Some(handler);
            }
        }
    }
}
