//! The `Set-Cookie` fields of a response.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_list_part_t, ngx_list_push, ngx_table_elt_t, ngx_uint_t};
use session_cookie::memory::OutOfMemory;

use super::exchange::Exchange;
use super::request::Request;
use super::{bytes, string};

const SET_COOKIE: &[u8] = b"Set-Cookie";

/// A `Set-Cookie` field of a request that lives for `'r`.
#[derive(Clone, Copy)]
pub(crate) struct SetCookie<'r>(NonNull<ngx_table_elt_t>, PhantomData<&'r [u8]>);

impl<'r> SetCookie<'r> {
    fn field(self) -> ngx_table_elt_t {
        // SAFETY: fields of a response live as long as its request.
        unsafe { self.0.read() }
    }

    /// Returns the value of the field.
    pub(crate) fn value(self) -> &'r [u8] {
        // SAFETY: the texts of a response's fields live as long as its request.
        unsafe { bytes(self.0.as_ref().value) }
    }

    /// Gives the field another value, from the request's pool.
    pub(crate) fn set(mut self, value: &'r [u8]) {
        // SAFETY: the field lives as long as its request, and no reference to it is kept.
        unsafe { self.0.as_mut().value = string(value) }
    }

    /// Takes the field out of the response, as nginx marks removed fields.
    pub(crate) fn remove(self) {
        self.take_out();
    }

    /// Takes the field out for a while. Returns what it takes to put it back.
    pub(crate) fn take_out(mut self) -> ngx_uint_t {
        // SAFETY: the field lives as long as its request, and no reference to it is kept.
        unsafe { core::mem::replace(&mut self.0.as_mut().hash, 0) }
    }

    /// Puts the field back.
    pub(crate) fn put_back(mut self, hash: ngx_uint_t) {
        // SAFETY: the field lives as long as its request, and no reference to it is kept.
        unsafe { self.0.as_mut().hash = hash }
    }

    /// Returns whether the field came with the response of an upstream server, as nginx copies fields to what it sends. The copy
    /// shares its texts, but for a value that `proxy_cookie_*` has changed.
    pub(crate) fn came_with(self, exchange: Exchange<'r>) -> bool {
        let (field, rewrites) = (self.field(), exchange.rewrites_cookies());
        exchange.set_cookies().any(|sent| {
            let sent = sent.field();
            sent.value.data == field.value.data || (rewrites && sent.key.data == field.key.data)
        })
    }
}

impl<'r> Request<'r> {
    /// Returns all `Set-Cookie` fields of the response. The list does not grow while it is read.
    #[inline(always)]
    pub(crate) fn set_cookies(self) -> SetCookies<'r> {
        // SAFETY: the request is live.
        SetCookies::of(unsafe { &raw const (*self.as_ptr()).headers_out.headers.part })
    }

    /// Returns whether the response sets any cookie.
    #[inline(always)]
    pub(crate) fn sets_cookies(self) -> bool {
        self.set_cookies().next().is_some()
    }

    /// Adds a `Set-Cookie` field to the response, whose header was not sent.
    pub(crate) fn add_set_cookie(self, value: &'r [u8]) -> Result<(), OutOfMemory> {
        // SAFETY: the list of a live request.
        let field = unsafe { ngx_list_push(&raw mut (*self.as_ptr()).headers_out.headers) };
        let field = NonNull::new(field.cast()).ok_or(OutOfMemory)?;
        let set_cookie = ngx_table_elt_t {
            hash: 1,
            key: string(SET_COOKIE),
            value: string(value),
            lowcase_key: ptr::null_mut(),
            #[cfg(nginx_header_chains)]
            next: ptr::null_mut(),
        };
        // SAFETY: the new element is written whole.
        unsafe { field.write(set_cookie) };
        Ok(())
    }
}

impl<'r> Exchange<'r> {
    /// Returns all `Set-Cookie` fields that the upstream server has sent.
    fn set_cookies(self) -> SetCookies<'r> {
        // SAFETY: the exchange lives as long as its request, and has read a response, whose list does not grow any more.
        SetCookies::of(unsafe { &raw const (*self.as_ptr()).headers_in.headers.part })
    }
}

/// See [`Request::set_cookies`].
pub(crate) struct SetCookies<'r> {
    part: *const ngx_list_part_t,
    at: usize,
    request: PhantomData<&'r ()>,
}

impl SetCookies<'_> {
    #[inline(always)]
    fn of(part: *const ngx_list_part_t) -> Self {
        SetCookies {
            part,
            at: 0,
            request: PhantomData,
        }
    }
}

impl<'r> Iterator for SetCookies<'r> {
    type Item = SetCookie<'r>;

    #[inline(always)]
    fn next(&mut self) -> Option<SetCookie<'r>> {
        // SAFETY: the list of a live request: parts linked to null, each with `nelts` elements.
        unsafe {
            while let Some(part) = self.part.as_ref() {
                let fields = part.elts.cast::<ngx_table_elt_t>();
                while self.at < part.nelts {
                    let field = fields.add(self.at);
                    self.at = self.at.saturating_add(1);
                    if is_set_cookie(&*field) {
                        return NonNull::new(field).map(|field| SetCookie(field, PhantomData));
                    }
                }
                self.part = part.next;
                self.at = 0;
            }
        }
        None
    }
}

/// Returns whether a field is a `Set-Cookie` field that was not removed.
#[inline(always)]
fn is_set_cookie(field: &ngx_table_elt_t) -> bool {
    if field.key.len != SET_COOKIE.len() || field.hash == 0 {
        return false;
    }
    // SAFETY: the key of a live field has `len` letters at `data`, and its length was compared.
    let key = unsafe { core::slice::from_raw_parts(field.key.data, SET_COOKIE.len()) };
    key == SET_COOKIE || is_set_cookie_in_other_case(key)
}

/// Hardly anybody writes it like this.
#[cold]
#[inline(never)]
fn is_set_cookie_in_other_case(key: &[u8]) -> bool {
    key.eq_ignore_ascii_case(SET_COOKIE)
}
