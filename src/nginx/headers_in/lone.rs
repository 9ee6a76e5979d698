//! A view of a request with one `Cookie` field, by a shorter way than [`View::install`].

use core::mem::offset_of;
use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_table_elt_t};

use session_cookie::cookie::HideRule;

use super::{
    fields_of, has_length_of_cookie, is_cookie, parts, Cookies, Fields, Only, OutOfMemory, View,
};
use crate::nginx::{bytes, pool, string};

/// The `Cookie` field of a request that has exactly one and no view of it yet: nearly every request.
#[derive(Clone, Copy)]
pub(crate) struct Lone(*mut ngx_table_elt_t);

impl Lone {
    /// The field, if the request is such a one.
    ///
    /// # Safety
    ///
    /// `r` is live.
    #[inline]
    pub(crate) unsafe fn of(r: *mut ngx_http_request_t) -> Option<Self> {
        // SAFETY: `r` is live.
        unsafe {
            let current = Cookies::current(r);
            let field = current.only()?;
            View::find(r, current).is_none().then_some(Lone(field))
        }
    }

    /// Its value.
    #[inline]
    pub(crate) fn value<'a>(self) -> &'a [u8] {
        // SAFETY: as in `Cookies::values`.
        unsafe { bytes((*self.0).value) }
    }

    /// Is it the only `Cookie` field of the request's list, by name? Other modules may have put one there of which
    /// nginx does not know, and what is hidden must not slip through.
    ///
    /// # Safety
    ///
    /// `r` is live.
    #[inline]
    pub(crate) unsafe fn is_alone(self, r: *mut ngx_http_request_t) -> bool {
        let mut is_there = false;
        // SAFETY: the list of a live request.
        unsafe {
            for part in parts(&raw const (*r).headers_in.headers) {
                for field in fields_of(part) {
                    if has_length_of_cookie(&*field) {
                        if field == self.0 {
                            is_there = true;
                        } else if is_cookie(&*field) {
                            return false;
                        }
                    }
                }
            }
        }
        is_there
    }

    /// Gives the request a view of its own, in which `left` is left of the field, in two pieces; if they
    /// are empty, the field goes. Returns it as it was.
    ///
    /// # Safety
    ///
    /// As for [`View::install`]; the field is alone.
    #[inline]
    pub(crate) unsafe fn replace(
        self,
        r: *mut ngx_http_request_t,
        rules: &'static [HideRule<'static>],
        only: Only,
        left: [&'static [u8]; 2],
    ) -> Result<Cookies, OutOfMemory> {
        let Lone(field) = self;
        // SAFETY: `r` is live, and so is its field.
        unsafe {
            let (place, value) = Place::new(r, left).ok_or(OutOfMemory)?;
            let original = Place::take(place, field);
            if !value.is_empty() && is_unshared(r) {
                (*field).value = string(value);
            } else {
                copy_list(r, field, value).ok_or(OutOfMemory)?;
            }
            let view = View {
                installed: Cookies::current(r),
                original,
                rules,
                only: Some(only),
            };
            pool::keep_at((*r).pool, &raw mut (*place).kept, view);
            Ok(original)
        }
    }
}

/// Is it certain that no other request that is under way has the same fields? nginx counts what a main request
/// waits for: itself, its subrequests, and also its own redirects and the reading of its body.
#[inline]
unsafe fn is_unshared(r: *mut ngx_http_request_t) -> bool {
    // Of its bit fields the counter is the first, of 16 bits. Those that follow are not where bindgen expects them
    // (docs/architecture.md); this one is, where it begins at an even byte, also behind a `port` of two bytes.
    const { assert!(offset_of!(ngx_http_request_t, _bitfield_1) % align_of::<u16>() == 0) };
    // SAFETY: `r` is live.
    unsafe { (*r).main == r && (&raw const (*r)._bitfield_1).cast::<u16>().read() == 1 }
}

/// Makes the list a copy of the request's own, in which the field has this value; if it is empty, the field is
/// missing. The others may not move, since nginx points to some of them.
#[cold]
#[inline(never)]
unsafe fn copy_list(
    r: *mut ngx_http_request_t,
    field: *mut ngx_table_elt_t,
    value: &[u8],
) -> Option<()> {
    // SAFETY: `r` is live; there is room for all fields.
    unsafe {
        let mut list = Fields::like(r)?;
        let mut cookies = Cookies::with_room(r, 1)?;
        for part in parts(&raw const (*r).headers_in.headers) {
            let mut rest = (*part).elts.cast::<ngx_table_elt_t>();
            let end = rest.add((*part).nelts);
            if (rest..end).contains(&field) {
                list.copy(rest, field);
                rest = field.add(1);
                if !value.is_empty() {
                    let copy = list.copy(field, rest);
                    (*copy).value = string(value);
                    cookies.push(ptr::null_mut(), copy);
                }
            }
            list.copy(rest, end);
        }
        list.install(r);
        cookies.install(r);
    }
    Some(())
}

impl Cookies {
    /// The field, if there is exactly one.
    #[inline]
    unsafe fn only(self) -> Option<*mut ngx_table_elt_t> {
        // SAFETY: the fields are live.
        unsafe {
            #[cfg(nginx_header_chains)]
            return (!self.0.is_null() && (*self.0).next.is_null()).then_some(self.0);
            #[cfg(not(nginx_header_chains))]
            return (self.1 == 1).then(|| *self.0);
        }
    }
}

/// What a view of a [`Lone`] field needs, in one piece of memory. Behind it comes the text that is left.
#[repr(C)]
struct Place {
    kept: pool::Kept<View>,
    /// The field as the client sent it.
    field: ngx_table_elt_t,
    /// The array of such fields.
    #[cfg(not(nginx_header_chains))]
    fields: *mut ngx_table_elt_t,
}

impl Place {
    /// Memory that is not written yet, and what is left: two pieces together, or the one that is not empty.
    #[inline]
    unsafe fn new(
        r: *mut ngx_http_request_t,
        [before, after]: [&'static [u8]; 2],
    ) -> Option<(*mut Self, &'static [u8])> {
        // SAFETY: `r` is live, and the text lives as long.
        unsafe {
            let (place, value) = if before.is_empty() {
                (pool::array((*r).pool, 1)?, after)
            } else if after.is_empty() {
                (pool::array((*r).pool, 1)?, before)
            } else {
                pool::with_text((*r).pool, [before, after])?
            };
            Some((place.as_ptr(), value))
        }
    }

    /// Notes a field as it is.
    #[inline]
    unsafe fn take(place: *mut Self, field: *const ngx_table_elt_t) -> Cookies {
        // SAFETY: the place is memory of its own, the field is live.
        unsafe {
            let copy = &raw mut (*place).field;
            copy.copy_from_nonoverlapping(field, 1);
            #[cfg(nginx_header_chains)]
            return Cookies(copy);
            #[cfg(not(nginx_header_chains))]
            {
                (*place).fields = copy;
                Cookies(&raw mut (*place).fields, 1)
            }
        }
    }
}
