//! A view of a request with one `Cookie` field, by a shorter way than [`View::install`].

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

/// The `Cookie` field of a request that has exactly one and no view of it yet: nearly every request.
#[derive(Clone, Copy)]
pub(crate) struct SingleCookie<'r> {
    request: Request<'r>,
    field: NonNull<ngx_table_elt_t>,
}

impl<'r> SingleCookie<'r> {
    /// Returns the field, if the request is such a one.
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

    /// Returns whether it is the only `Cookie` field of the request's list, by name. Other modules may have put one there
    /// of which nginx does not know, and what is hidden must not slip through.
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

    /// Gives the request a view of its own, in which `left` is left of the field, in two pieces; if they
    /// are empty, the field goes. Returns it as it was. The field is alone.
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
            // SAFETY: the field lives as long as the request, and no other request has it.
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
        // SAFETY: the place is new memory of the pool, of which only the original field was written.
        unsafe { (self.request.pool()).keep_at(place.cast(), view) };
        Ok(original)
    }

    /// Makes the list a copy of the request's own, in which the field has this value; if it is empty, the field is
    /// missing. The others may not move, since nginx points to some of them.
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

/// Returns whether it is certain that no other request that is under way has the same fields. nginx counts what a main
/// request waits for: itself, its subrequests, and also its own redirects and the reading of its body.
#[inline(always)]
fn is_unshared(request: Request<'_>) -> bool {
    // Of its bit fields the counter is the first, of 16 bits. Those that follow are not where bindgen expects them
    // (docs/architecture.md); this one is, where it begins at an even byte, also behind a `port` of two bytes.
    const { assert!(offset_of!(ngx_http_request_t, _bitfield_1) % align_of::<u16>() == 0) };
    // SAFETY: the request is live, and the counter is where the assertion expects it.
    let count = unsafe {
        (&raw const (*request.as_ptr())._bitfield_1)
            .cast::<u16>()
            .read()
    };
    request.is_main() && count == 1
}

/// What a view of a [`SingleCookie`] needs, in one piece of memory. Behind it comes the text that is left.
#[repr(C)]
struct Place<'r> {
    kept: Kept<'r, View<'r>>,
    /// The field as the client sent it.
    field: ngx_table_elt_t,
    /// The array of such fields.
    fields: [*mut ngx_table_elt_t; FIELDS],
}

/// How many elements that array has.
const FIELDS: usize = if cfg!(nginx_header_chains) { 0 } else { 1 };

impl<'r> Place<'r> {
    /// Memory that is not written yet, and what is left: two pieces together, or the one that is not empty.
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

    /// Notes a field as it is.
    #[inline(always)]
    fn take(place: NonNull<Self>, field: NonNull<ngx_table_elt_t>) -> Cookies<'r> {
        // SAFETY: the place is memory of its own, and the field is live.
        unsafe {
            let copy = &raw mut (*place.as_ptr()).field;
            copy.copy_from_nonoverlapping(field.as_ptr(), 1);
            Cookies::one(copy, (&raw mut (*place.as_ptr()).fields).cast())
        }
    }
}
