//! A faster alternative to [`View::install`] for requests with one `Cookie` field.

use core::mem::offset_of;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_http_request_t, ngx_table_elt_t};
use session_cookie::cookie::HideRule;
use session_cookie::memory::OutOfMemory;

use super::fields::Cookies;
use super::list::{has_length_of_cookie, is_cookie, parts, Fields};
use super::view::{SinglePair, View};
use crate::nginx::pool::Kept;
use crate::nginx::request::Request;
use crate::nginx::{bytes, string};

/// The `Cookie` field of a request that has exactly one and no view of it yet, as nearly all requests do.
#[derive(Clone, Copy)]
pub(crate) struct SingleCookie<'r> {
    request: Request<'r>,
    field: NonNull<ngx_table_elt_t>,
}

impl<'r> SingleCookie<'r> {
    /// Returns the field, if the request meets these conditions.
    #[inline(always)]
    pub(crate) fn of(request: Request<'r>) -> Option<Self> {
        let current = Cookies::current(request);
        let field = NonNull::new(current.single()?)?;
        (View::find(request, current).is_none()).then_some(SingleCookie { request, field })
    }

    /// Returns the value of the field.
    #[inline(always)]
    pub(crate) fn value(self) -> &'r [u8] {
        // SAFETY: header fields and their texts live as long as the request.
        unsafe { bytes(self.field.as_ref().value) }
    }

    /// Returns whether it is the only field of the request's list that is named `Cookie`. Other modules may have added fields
    /// that nginx has not recorded as cookies; they must be hidden, too.
    #[inline(always)]
    pub(crate) fn is_alone(self) -> bool {
        let mut is_there = false;
        for part in parts(self.request) {
            for field in part {
                if has_length_of_cookie(field) {
                    if self.is(field) {
                        is_there = true;
                    } else if is_cookie(field) {
                        return false;
                    }
                }
            }
        }
        is_there
    }

    fn is(self, field: &ngx_table_elt_t) -> bool {
        ptr::eq(self.field.as_ptr(), field)
    }

    /// Gives the request a view of its own, in which the two pieces `left` remain of the field; the field is removed if both are
    /// empty. Returns the original field. The field must be [alone](Self::is_alone).
    #[inline(always)]
    pub(crate) fn replace(
        mut self,
        rules: &'r [HideRule<'r>],
        single: SinglePair<'r>,
        left: [&'r [u8]; 2],
    ) -> Result<Cookies<'r>, OutOfMemory> {
        let (place, value) = Place::new(self.request, left).ok_or(OutOfMemory)?;
        let original = Place::take(place, self.field);
        if !value.is_empty() && is_unshared(self.request) {
            // SAFETY: the field lives as long as the request, and no other request shares it.
            unsafe { self.field.as_mut().value = string(value) };
        } else {
            self.copy_list(value).ok_or(OutOfMemory)?;
        }
        let view = View {
            installed: Cookies::current(self.request),
            original,
            rules,
            single: Some(single),
        };
        // SAFETY: the place is memory just allocated from the pool, of which only the original field has been written.
        unsafe { (self.request.pool()).keep_at(place.cast(), view) };
        Ok(original)
    }

    /// Replaces the request's list with a copy in which the field has this value, or is missing if the value is empty. Other
    /// fields must not be moved, since nginx points to some of them.
    #[cold]
    #[inline(never)]
    fn copy_list(self, value: &'r [u8]) -> Option<()> {
        let mut list = Fields::like(self.request)?;
        for field in parts(self.request).flatten() {
            if !self.is(field) {
                list.copy(core::slice::from_ref(field));
            } else if !value.is_empty() {
                list.copy_cookie(field, value);
            }
        }
        list.install();
        Some(())
    }
}

/// Returns whether it is certain that no other active request shares the fields. nginx counts what a main request waits for:
/// itself and its subrequests, but also its internal redirects and the reading of its body.
#[inline(always)]
fn is_unshared(request: Request<'_>) -> bool {
    // The counter is the first bit field and has 16 bits. Since nginx 1.29.4, bindgen's accessors of most fields after it are
    // wrong (docs/architecture.md). The position of this one is correct if it begins at an even byte, also after a two-byte
    // `port`.
    const { assert!(offset_of!(ngx_http_request_t, _bitfield_1) % align_of::<u16>() == 0) };
    // SAFETY: the request is live, and the counter is where the assertion expects it.
    let count = unsafe {
        (&raw const (*request.as_ptr())._bitfield_1)
            .cast::<u16>()
            .read()
    };
    request.is_main() && count == 1
}

/// The memory needed for a view of a [`SingleCookie`], in a single allocation. The text that is left may follow it.
#[repr(C)]
struct Place<'r> {
    kept: Kept<'r, View<'r>>,
    /// The field as sent by the client.
    field: ngx_table_elt_t,
    /// The array of `Cookie` fields.
    fields: [*mut ngx_table_elt_t; FIELDS],
}

/// The length of that array.
const FIELDS: usize = if cfg!(nginx_header_chains) { 0 } else { 1 };

impl<'r> Place<'r> {
    /// Returns uninitialized memory, and the remaining text: the concatenation of both pieces, or the one that is not empty.
    #[inline(always)]
    fn new(
        request: Request<'r>,
        [before, after]: [&'r [u8]; 2],
    ) -> Option<(NonNull<Self>, &'r [u8])> {
        let pool = request.pool();
        if before.is_empty() {
            Some((pool.array(1)?, after))
        } else if after.is_empty() {
            Some((pool.array(1)?, before))
        } else {
            pool.with_text([before, after])
        }
    }

    /// Saves the original field.
    #[inline(always)]
    fn take(place: NonNull<Self>, field: NonNull<ngx_table_elt_t>) -> Cookies<'r> {
        // SAFETY: the caller passes memory just allocated, and a live field.
        unsafe {
            let copy = &raw mut (*place.as_ptr()).field;
            copy.copy_from_nonoverlapping(field.as_ptr(), 1);
            Cookies::one(copy, (&raw mut (*place.as_ptr()).fields).cast())
        }
    }
}
