//! The list of a request's header fields.

use core::ptr;

use ngx::ffi::{ngx_list_part_t, ngx_list_t, ngx_table_elt_t};

use super::fields::Cookies;
use crate::nginx::request::Request;
use crate::nginx::{bytes, string};

/// A new list of header fields.
pub(super) struct Fields<'r> {
    request: Request<'r>,
    start: *mut ngx_table_elt_t,
    length: usize,
    capacity: usize,
    cookies: Cookies<'r>,
    last_cookie: *mut ngx_table_elt_t,
}

impl<'r> Fields<'r> {
    /// Returns an empty list with room for all fields of a request.
    pub(super) fn like(request: Request<'r>) -> Option<Self> {
        let capacity = parts(request).fold(0usize, |sum, part| sum.saturating_add(part.len()));
        Some(Fields {
            request,
            start: request.pool().array(capacity)?.as_ptr(),
            length: 0,
            capacity,
            cookies: Cookies::with_capacity(request, capacity)?,
            last_cookie: ptr::null_mut(),
        })
    }

    /// Appends copies of fields, without their links: nginx does not initialize the link of a field whose name it does not know,
    /// and other links point into the original list.
    pub(super) fn copy(&mut self, fields: &[ngx_table_elt_t]) {
        for field in fields {
            self.push(field);
        }
    }

    /// Appends a copy of a `Cookie` field with another value.
    pub(super) fn copy_cookie(&mut self, field: &ngx_table_elt_t, value: &'r [u8]) {
        let Some(copy) = self.push(field) else {
            return;
        };
        // SAFETY: the copy is a field of the new list, which has room for all fields, and each of them is copied at most once.
        unsafe {
            (*copy).value = string(value);
            self.cookies.push(self.last_cookie, copy);
        }
        self.last_cookie = copy;
    }

    /// Appends a copy of a field; returns `None` if the list is full.
    fn push(&mut self, field: &ngx_table_elt_t) -> Option<*mut ngx_table_elt_t> {
        if self.length == self.capacity {
            return None;
        }
        // SAFETY: there is room for one more field after those copied, in memory to which no other reference exists.
        let copy = unsafe {
            let copy = self.start.add(self.length);
            copy.copy_from_nonoverlapping(field, 1);
            #[cfg(nginx_header_chains)]
            {
                (*copy).next = ptr::null_mut();
            }
            copy
        };
        self.length = self.length.saturating_add(1);
        Some(copy)
    }

    /// Replaces the request's list. The new list has a single part: subrequests copy the head of a list and share the other
    /// parts, which other modules may change.
    pub(super) fn install(self) {
        let r = self.request.as_ptr();
        // SAFETY: the request is live, and so are the fields, which are in its pool.
        unsafe {
            (*r).headers_in.headers = ngx_list_t {
                last: &raw mut (*r).headers_in.headers.part,
                part: ngx_list_part_t {
                    elts: self.start.cast(),
                    nelts: self.length,
                    next: ptr::null_mut(),
                },
                size: size_of::<ngx_table_elt_t>(),
                nalloc: self.capacity,
                pool: self.request.pool().as_ptr(),
            };
            // Makes nginx build its other linked lists again, from the new list, when a module needs them.
            #[cfg(nginx_header_chains)]
            (*r).headers_in.set_multi_linked(0);
        }
        self.cookies.install(self.request);
    }
}

/// Returns the parts of the list of a request's header fields.
#[inline(always)]
pub(in crate::nginx) fn parts<'r>(
    request: Request<'r>,
) -> impl Iterator<Item = &'r [ngx_table_elt_t]> {
    // SAFETY: the list of a live request consists of linked parts, each with an array of `nelts` elements. It is not written
    // before it is replaced.
    unsafe {
        let first = &raw const (*request.as_ptr()).headers_in.headers.part;
        let parts = core::iter::successors(first.as_ref(), |part| part.next.as_ref());
        parts.map(|part| core::slice::from_raw_parts(part.elts.cast(), part.nelts))
    }
}

/// Returns whether this is a `Cookie` field.
#[inline(always)]
pub(super) fn is_cookie(field: &ngx_table_elt_t) -> bool {
    if !has_length_of_cookie(field) {
        return false;
    }
    // SAFETY: the key of a live field lives as long as the field, and is not modified.
    let key = unsafe { bytes(field.key) };
    // `Accept` has the same length.
    matches!(key.first(), Some(b'C' | b'c')) && key.eq_ignore_ascii_case(COOKIE)
}

/// Returns whether the name has the length of `Cookie`, which most names do not.
#[inline(always)]
pub(super) fn has_length_of_cookie(field: &ngx_table_elt_t) -> bool {
    field.key.len == COOKIE.len()
}

const COOKIE: &[u8] = b"Cookie";
