//! Before the request to the server behind is created: hides what that server must not see.

use ngx::core::Status;
use ngx::ffi::{ngx_http_request_t, ngx_int_t, NGX_HTTP_INTERNAL_SERVER_ERROR};
use ngx::http::HttpModuleLocationConf;
use session_cookie::cookie::{is_named, strip, Rule};

use crate::conf::Sticky;
use crate::nginx::headers_in::{install, restore, Cookies, OutOfMemory};
use crate::nginx::pool;

/// The last phase before content: redirects inside nginx are behind us, and every one of them comes here
/// again with its own location.
pub(crate) unsafe extern "C" fn handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this with a live request in a location.
    unsafe {
        let Some(location) = Sticky::location_conf(&*r) else {
            return Status::NGX_DECLINED.into();
        };

        // Nothing to hide, and nothing that an earlier location could have hidden.
        if location.hides.is_empty() && r == (*r).main && (*r).internal() == 0 {
            return Status::NGX_DECLINED.into();
        }

        match hide(r, &location.hides) {
            Ok(()) => Status::NGX_DECLINED.into(),
            Err(OutOfMemory) => NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t,
        }
    }
}

/// Gives the request a view of its cookies without what the rules hide.
unsafe fn hide(r: *mut ngx_http_request_t, rules: &[Rule]) -> Result<(), OutOfMemory> {
    // SAFETY: the request is live; stripped values live in its pool.
    unsafe {
        let original = Cookies::original(r);
        if !original.values().any(|field| is_named(field, rules)) {
            return restore(r, original);
        }

        let count = original.values().count();
        let left = pool::array::<&[u8]>((*r).pool, count).ok_or(OutOfMemory)?;
        let mut kept = 0usize;
        for field in original.values() {
            let mut value = field;
            if is_named(field, rules) {
                let memory = pool::text((*r).pool, field.len()).ok_or(OutOfMemory)?;
                let length = strip(field, rules, memory);
                value = memory.get(..length).unwrap_or_default();
                if value.is_empty() {
                    continue;
                }
            }
            left.add(kept).write(value);
            kept = kept.saturating_add(1);
        }

        install(
            r,
            original,
            core::slice::from_raw_parts(left.as_ptr(), kept)
                .iter()
                .copied(),
        )
    }
}
