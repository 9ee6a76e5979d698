//! The `Set-Cookie` fields of a response.

use core::ptr::NonNull;

use ngx::ffi::{
    ngx_http_request_t, ngx_http_upstream_t, ngx_list_part_t, ngx_list_push, ngx_table_elt_t,
    ngx_uint_t,
};

use super::{bytes, string};

const SET_COOKIE: &[u8] = b"Set-Cookie";

/// A `Set-Cookie` field.
#[derive(Clone, Copy)]
pub(crate) struct SetCookie(NonNull<ngx_table_elt_t>);

impl SetCookie {
    /// Its value.
    pub(crate) fn value<'a>(self) -> &'a [u8] {
        // SAFETY: fields of a response live as long as its request.
        unsafe { bytes(self.0.as_ref().value) }
    }

    /// Gives it another value, from the request's pool.
    pub(crate) fn set(mut self, value: &[u8]) {
        // SAFETY: as above; no reference to the field is kept.
        unsafe { self.0.as_mut().value = string(value) }
    }

    /// Takes it out of the response, as nginx marks removed fields.
    pub(crate) fn remove(mut self) {
        // SAFETY: as above.
        unsafe { self.0.as_mut().hash = 0 }
    }

    /// Takes it out for a while: what it takes to put it back.
    pub(crate) fn take_out(mut self) -> ngx_uint_t {
        // SAFETY: as above.
        unsafe { core::mem::replace(&mut self.0.as_mut().hash, 0) }
    }

    /// Puts it back.
    pub(crate) fn put_back(mut self, hash: ngx_uint_t) {
        // SAFETY: as above.
        unsafe { self.0.as_mut().hash = hash }
    }

    /// Adds one to the response.
    ///
    /// # Safety
    ///
    /// `r` is live and its header was not sent.
    pub(crate) unsafe fn push(r: *mut ngx_http_request_t, value: &[u8]) -> Option<()> {
        // SAFETY: the list of a live request; the new element is written whole.
        unsafe {
            let field = NonNull::new(
                ngx_list_push(&raw mut (*r).headers_out.headers).cast::<ngx_table_elt_t>(),
            )?;
            field.write(ngx_table_elt_t {
                hash: 1,
                key: string(SET_COOKIE),
                value: string(value),
                lowcase_key: core::ptr::null_mut(),
                #[cfg(nginx_header_chains)]
                next: core::ptr::null_mut(),
            });
        }
        Some(())
    }
}

/// All `Set-Cookie` fields of the response.
///
/// # Safety
///
/// `r` is live, and the list does not grow meanwhile.
pub(crate) unsafe fn set_cookies(r: *mut ngx_http_request_t) -> SetCookies {
    // SAFETY: the request is live.
    let part = unsafe { &raw mut (*r).headers_out.headers.part };
    SetCookies { part, at: 0 }
}

/// Did this field come with the response of an upstream server, as nginx copies fields to what it sends? The copy shares
/// its texts, but for a value that `proxy_cookie_*` has changed.
///
/// # Safety
///
/// `upstream` is of the field's request, and has read a response.
pub(crate) unsafe fn came_with(upstream: *mut ngx_http_upstream_t, field: SetCookie) -> bool {
    // SAFETY: the caller's promise: the list lives as long as the request, and does not grow any more.
    unsafe {
        let is_rewritten = (*upstream).rewrite_cookie.is_some();
        let field = field.0.as_ref();
        let part = &raw mut (*upstream).headers_in.headers.part;
        (SetCookies { part, at: 0 }).any(|sent| {
            let sent = sent.0.as_ref();
            sent.value.data == field.value.data || (is_rewritten && sent.key.data == field.key.data)
        })
    }
}

/// Does the response set any cookie?
///
/// # Safety
///
/// `r` is live.
#[inline(never)]
pub(crate) unsafe fn sets_any(r: *mut ngx_http_request_t) -> bool {
    // SAFETY: the caller's promise; the list does not grow meanwhile.
    unsafe { set_cookies(r).next().is_some() }
}

/// See [`set_cookies`].
pub(crate) struct SetCookies {
    part: *mut ngx_list_part_t,
    at: usize,
}

impl Iterator for SetCookies {
    type Item = SetCookie;

    #[inline(always)]
    fn next(&mut self) -> Option<SetCookie> {
        // SAFETY: the list of a live request: parts linked to null, each with `nelts` elements.
        unsafe {
            while let Some(part) = self.part.as_ref() {
                let fields = part.elts.cast::<ngx_table_elt_t>();
                while self.at < part.nelts {
                    let field = fields.add(self.at);
                    self.at = self.at.saturating_add(1);
                    if is_set_cookie(&*field) {
                        return NonNull::new(field).map(SetCookie);
                    }
                }
                self.part = part.next;
                self.at = 0;
            }
        }
        None
    }
}

/// Is it a `Set-Cookie` field that was not removed?
#[inline(always)]
fn is_set_cookie(field: &ngx_table_elt_t) -> bool {
    if field.key.len != SET_COOKIE.len() || field.hash == 0 {
        return false;
    }
    // SAFETY: the key of a live field, which has letters.
    let key = unsafe { core::slice::from_raw_parts(field.key.data, SET_COOKIE.len()) };
    key == SET_COOKIE || is_set_cookie_in_other_case(key)
}

/// Hardly anybody writes it like this.
#[cold]
#[inline(never)]
fn is_set_cookie_in_other_case(key: &[u8]) -> bool {
    key.eq_ignore_ascii_case(SET_COOKIE)
}
