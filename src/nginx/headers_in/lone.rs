//! A view of a request with one `Cookie` field, by a shorter way than [`View::install`].

use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_pool_t, ngx_table_elt_t};

use session_cookie::cookie::Rule;

use super::{is_cookie, Cookies, Only, OutOfMemory, View};
use crate::nginx::{bytes, pool, string};

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

/// The `Cookie` field of a request that has exactly one, and no view of it yet. Nearly every request is
/// like this, and needs less for a view: its list has one part, and so has the new one, which is one piece of
/// memory with all that belongs to it. One part, because subrequests copy the head of a list and share what
/// follows, which other modules may change.
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
            let field = Cookies::current(r).only()?;
            let is_first = pool::find::<View>((*r).pool, |_| true).is_none();
            is_first.then_some(Lone(field))
        }
    }

    /// Its value.
    #[inline]
    pub(crate) fn value<'a>(self) -> &'a [u8] {
        // SAFETY: as in `Cookies::values`.
        unsafe { bytes((*self.0).value) }
    }

    /// Gives the request a view of its own, in which `left` is left of the field, in two pieces; if they
    /// are empty, the field goes. `false`: the list is not as simple as that, and stays as it is.
    ///
    /// # Safety
    ///
    /// As for [`View::install`].
    #[inline]
    pub(crate) unsafe fn replace(
        self,
        r: *mut ngx_http_request_t,
        rules: &'static [Rule<'static>],
        only: Only,
        left: [&'static [u8]; 2],
    ) -> Result<bool, OutOfMemory> {
        let Lone(field) = self;
        // SAFETY: `r` is live, and so are the fields of its list. There is room for what is written.
        unsafe {
            let list = &raw mut (*r).headers_in.headers;
            let length = (*list).part.nelts;
            let start = (*list).part.elts.cast::<ngx_table_elt_t>();
            let end = start.add(length);
            let behind = field.add(1);
            // By name, whoever put them there: what is hidden must not slip through.
            if !(*list).part.next.is_null()
                || !(start..end).contains(&field)
                || has_cookie(start, field)
                || has_cookie(behind, end)
            {
                return Ok(false);
            }

            let (place, value) = Place::new((*r).pool, length, left).ok_or(OutOfMemory)?;
            let fields = place.add(1).cast::<ngx_table_elt_t>();
            let before = count(start, field);
            let copy = fields.add(before);
            let is_left = !value.is_empty();
            // Links of other fields lead into the old list; nginx writes them anew before it reads them.
            if is_left {
                fields.copy_from_nonoverlapping(start, length);
                (*copy).value = string(value);
                #[cfg(nginx_header_chains)]
                {
                    (*copy).next = ptr::null_mut();
                }
            } else {
                fields.copy_from_nonoverlapping(start, before);
                copy.copy_from_nonoverlapping(behind, count(behind, end));
            }
            (*list).part.elts = fields.cast();
            (*list).part.nelts = length.saturating_sub(usize::from(!is_left));
            (*list).last = &raw mut (*list).part;
            (*list).nalloc = length;
            #[cfg(nginx_header_chains)]
            (*r).headers_in.set_multi_linked(0);

            let original = Cookies::current(r);
            let installed = Cookies::at(place, copy, is_left);
            installed.install(r);
            let view = View {
                installed,
                original,
                rules,
                only: Some(only),
            };
            pool::keep_at((*r).pool, &raw mut (*place).kept, view);
        }
        Ok(true)
    }
}

/// What a view of a [`Lone`] field needs, in one piece of memory. Behind it come the fields, and the value.
#[repr(C)]
struct Place {
    kept: pool::Kept<View>,
    /// The array of the `Cookie` fields.
    #[cfg(not(nginx_header_chains))]
    cookies: *mut ngx_table_elt_t,
}

impl Place {
    /// Memory for so many fields that is not written yet but for the value.
    #[inline]
    unsafe fn new(
        pool: *mut ngx_pool_t,
        fields: usize,
        [before, after]: [&'static [u8]; 2],
    ) -> Option<(*mut Self, &'static [u8])> {
        let fields = fields.checked_mul(size_of::<ngx_table_elt_t>())?;
        // SAFETY: the pool is live, and the value lives as long as its fields.
        unsafe {
            if before.is_empty() || after.is_empty() {
                let value = if before.is_empty() { after } else { before };
                return Some((pool::with_room(pool, fields)?.as_ptr(), value));
            }
            let (place, value) = pool::with_text::<Self>(pool, fields, before, after)?;
            Some((place.as_ptr(), value))
        }
    }
}

impl Cookies {
    /// The field of a place, or none.
    #[inline]
    unsafe fn at(place: *mut Place, field: *mut ngx_table_elt_t, is_there: bool) -> Self {
        #[cfg(nginx_header_chains)]
        {
            let _ = place;
            Cookies(if is_there { field } else { ptr::null_mut() })
        }
        #[cfg(not(nginx_header_chains))]
        // SAFETY: the place is live, with room for the array.
        unsafe {
            (*place).cookies = field;
            Cookies(&raw mut (*place).cookies, usize::from(is_there))
        }
    }
}

/// How many fields there are from `start` up to `end`, which is not before it.
#[inline]
fn count(start: *mut ngx_table_elt_t, end: *mut ngx_table_elt_t) -> usize {
    let bytes = (end as usize).wrapping_sub(start as usize);
    bytes
        .checked_div(size_of::<ngx_table_elt_t>())
        .unwrap_or_default()
}

/// Is there a `Cookie` field from `start` up to `end`?
#[inline]
unsafe fn has_cookie(start: *mut ngx_table_elt_t, end: *mut ngx_table_elt_t) -> bool {
    let mut field = start;
    while field != end {
        // SAFETY: both are in one array of live fields.
        unsafe {
            if is_cookie(&*field) {
                return true;
            }
            field = field.add(1);
        }
    }
    false
}
