//! The module that makes the content of a location.

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
