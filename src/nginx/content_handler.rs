//! The content handler of a location.

use ngx::ffi::NGX_HTTP_PATCH;
use ngx::http::{HttpModuleLocationConf, NgxHttpCoreModule};

use super::conf::{Conf, Handler};

impl Conf<'_> {
    /// Sets the content handler of the location being read.
    pub(crate) fn handle_content(self, handler: Handler) {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool; no other reference to it exists.
        if let Some(location) = unsafe { NgxHttpCoreModule::location_conf_mut(&*self.as_ptr()) } {
            location.handler = Some(handler);
        }
    }

    /// Returns whether the location being merged has a `limit_except` that restricts `PATCH`.
    pub(crate) fn limits_patch(self) -> bool {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool.
        let location = unsafe { NgxHttpCoreModule::location_conf(&*self.as_ptr()) };
        location.is_some_and(|location| location.limit_except & NGX_HTTP_PATCH != 0)
    }

    /// Returns whether the location being merged is the implicit one of a `limit_except`.
    pub(crate) fn is_limit_except(self) -> bool {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool.
        let location = unsafe { NgxHttpCoreModule::location_conf(&*self.as_ptr()) };
        location.is_some_and(|location| location.lmt_excpt() != 0)
    }

    /// Sets the content handler also for the methods restricted by a `limit_except`, for which nginx has an implicit location.
    /// Does nothing if the location being merged is not such a location or has a content handler.
    pub(crate) fn handle_limited_content(self, handler: Handler) {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool; no other reference to it exists.
        let location = unsafe { NgxHttpCoreModule::location_conf_mut(&*self.as_ptr()) };
        if let Some(location) = location {
            if location.lmt_excpt() != 0 && location.handler.is_none() {
                location.handler = Some(handler);
            }
        }
    }
}
