//! The `Cookie` fields of a request, and a request's own view of them.
//!
//! Requests share header fields: a subrequest begins with a copy of the list's head, so that changing a
//! field in place would change it for its parent too, whenever that one happens to be sent. A view
//! therefore is a list of the request's own. The fields as the client sent them stay, and are kept with
//! the view in the pool, where the next location or a subrequest finds them.

use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_list_part_t, ngx_list_t, ngx_table_elt_t};

use super::{bytes, pool, string};

/// The `Cookie` fields of a request, in order.
#[cfg(nginx_header_chains)]
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Cookies(*mut ngx_table_elt_t);

/// The `Cookie` fields of a request, in order.
#[cfg(not(nginx_header_chains))]
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Cookies(*mut *mut ngx_table_elt_t, usize);

impl Cookies {
    /// As nginx has them now.
    unsafe fn current(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: `r` is live.
        unsafe {
            #[cfg(nginx_header_chains)]
            return Cookies((*r).headers_in.cookie);
            #[cfg(not(nginx_header_chains))]
            return Cookies(
                (*r).headers_in.cookies.elts.cast(),
                (*r).headers_in.cookies.nelts,
            );
        }
    }

    /// As the client sent them.
    ///
    /// # Safety
    ///
    /// `r` is live.
    #[inline]
    pub(crate) unsafe fn original(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: `r` is live; only views stand under the mark.
        unsafe {
            let current = Self::current(r);
            pool::find::<View>((*r).pool, Some(mark), |view| view.installed == current)
                .map_or(current, |view| view.as_ref().original)
        }
    }

    /// The fields.
    fn fields(self) -> impl Iterator<Item = *mut ngx_table_elt_t> {
        #[cfg(nginx_header_chains)]
        // SAFETY: a chain of live fields.
        return core::iter::successors(ptr::NonNull::new(self.0), |field| unsafe {
            ptr::NonNull::new((*field.as_ptr()).next)
        })
        .map(ptr::NonNull::as_ptr);
        #[cfg(not(nginx_header_chains))]
        // SAFETY: nginx's array of live fields; without any it was never filled.
        return (0..self.1).map(move |at| unsafe { *self.0.add(at) });
    }

    /// The values of the fields.
    pub(crate) fn values<'a>(self) -> impl Iterator<Item = &'a [u8]> {
        // SAFETY: header fields live in the request's pool, or in its connection's header buffers.
        self.fields().map(|field| unsafe { bytes((*field).value) })
    }
}

/// What a location's view was made of.
#[derive(Clone, Copy)]
struct View {
    installed: Cookies,
    original: Cookies,
}

/// Marks views in a pool.
unsafe extern "C" fn mark(_: *mut core::ffi::c_void) {}

/// Was memory short? Then the request fails.
pub(crate) struct OutOfMemory;

/// Gives the request a view of its own: `Cookie` fields with these values, in order, none of them empty.
/// Only those of `original` may be shared.
///
/// # Safety
///
/// `r` is live, before its request to the server behind is created. The values live in its pool.
pub(crate) unsafe fn install<'a>(
    r: *mut ngx_http_request_t,
    original: Cookies,
    values: impl Iterator<Item = &'a [u8]> + Clone,
) -> Result<(), OutOfMemory> {
    // SAFETY: `r` is live. The new list is filled before it is installed: `count` elements were
    // allocated, one is written for each other field and one for each value.
    unsafe {
        let current = Cookies::current(r);
        let template = original.fields().next().ok_or(OutOfMemory)?;
        let is_cookie =
            |field: *mut ngx_table_elt_t| current.fields().any(|cookie| cookie == field);

        let others = elements(&(*r).headers_in.headers)
            .filter(|field| !is_cookie(*field))
            .count();
        let count = others.saturating_add(values.clone().count());
        let list = pool::array::<ngx_table_elt_t>((*r).pool, count.max(1))
            .ok_or(OutOfMemory)?
            .as_ptr();

        let mut length = 0usize;
        let mut cookies_at = None;
        let mut put = |field: ngx_table_elt_t| {
            list.add(length).write(field);
            length = length.saturating_add(1);
            list.add(length.saturating_sub(1))
        };
        let put_cookies = |put: &mut dyn FnMut(ngx_table_elt_t) -> *mut ngx_table_elt_t| {
            let mut first: *mut ngx_table_elt_t = ptr::null_mut();
            for value in values.clone() {
                let mut field = *template;
                field.value = string(value);
                #[cfg(nginx_header_chains)]
                {
                    field.next = ptr::null_mut();
                }
                let place = put(field);
                if first.is_null() {
                    first = place;
                }
            }
            first
        };

        for field in elements(&(*r).headers_in.headers) {
            if !is_cookie(field) {
                put(*field);
            } else if cookies_at.is_none() {
                cookies_at = Some(put_cookies(&mut put));
            }
        }
        let first = match cookies_at {
            Some(first) => first,
            None => put_cookies(&mut put),
        };

        #[cfg(nginx_header_chains)]
        relink(r, list, others, first, values.clone().count(), is_cookie);

        (*r).headers_in.headers = ngx_list_t {
            last: ptr::null_mut(),
            part: ngx_list_part_t {
                elts: list.cast(),
                nelts: count,
                next: ptr::null_mut(),
            },
            size: size_of::<ngx_table_elt_t>(),
            nalloc: count.max(1),
            pool: (*r).pool,
        };
        (*r).headers_in.headers.last = &raw mut (*r).headers_in.headers.part;

        #[cfg(nginx_header_chains)]
        {
            (*r).headers_in.cookie = first;
        }
        #[cfg(not(nginx_header_chains))]
        {
            let number = values.count();
            let fields =
                pool::array::<*mut ngx_table_elt_t>((*r).pool, number.max(1)).ok_or(OutOfMemory)?;
            for at in 0..number {
                fields.add(at).write(first.add(at));
            }
            let cookies = &raw mut (*r).headers_in.cookies;
            (*cookies).elts = fields.as_ptr().cast();
            (*cookies).nelts = number;
            (*cookies).nalloc = number.max(1);
            (*cookies).size = size_of::<*mut ngx_table_elt_t>();
            (*cookies).pool = (*r).pool;
        }

        let view = View {
            installed: Cookies::current(r),
            original,
        };
        pool::keep((*r).pool, Some(mark), view)
            .map(drop)
            .ok_or(OutOfMemory)
    }
}

/// Shows the request the `Cookie` fields as the client sent them, if a view hides any.
///
/// # Safety
///
/// As for [`install`].
pub(crate) unsafe fn restore(
    r: *mut ngx_http_request_t,
    original: Cookies,
) -> Result<(), OutOfMemory> {
    // SAFETY: the caller's promise; the values live as long as the fields that they are taken from.
    unsafe {
        if Cookies::current(r) == original {
            return Ok(());
        }
        let count = original.fields().count();
        let values = pool::array::<&[u8]>((*r).pool, count).ok_or(OutOfMemory)?;
        for (at, value) in original.values().enumerate() {
            values.add(at).write(value);
        }
        install(
            r,
            original,
            core::slice::from_raw_parts(values.as_ptr(), count)
                .iter()
                .copied(),
        )
    }
}

/// The elements of a list of header fields.
unsafe fn elements(list: *const ngx_list_t) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    // SAFETY: the list of a live request: parts linked to null, each with `nelts` elements.
    unsafe {
        core::iter::successors(Some(&raw const (*list).part), |part| {
            (**part).next.as_ref().map(|next| next as *const _)
        })
    }
    .flat_map(|part: *const ngx_list_part_t| {
        // SAFETY: as above.
        unsafe { (0..(*part).nelts).map(move |at| (*part).elts.cast::<ngx_table_elt_t>().add(at)) }
    })
}

/// Repairs the chains of equally named fields, which still lead into the old list.
///
/// The new list holds `others` fields that are no cookies and, from `first` on, `cookies` that are.
#[cfg(nginx_header_chains)]
unsafe fn relink(
    r: *mut ngx_http_request_t,
    list: *mut ngx_table_elt_t,
    others: usize,
    first: *mut ngx_table_elt_t,
    cookies: usize,
    is_cookie: impl Fn(*mut ngx_table_elt_t) -> bool + Copy,
) {
    // SAFETY: all places are within the new list, which is complete.
    unsafe {
        let before = if first.is_null() {
            others
        } else {
            usize::try_from(first.offset_from(list)).unwrap_or(others)
        };
        let place = |number: usize| {
            let skipped = if number >= before { cookies } else { 0 };
            list.add(number.saturating_add(skipped))
        };
        let old =
            || elements(&raw const (*r).headers_in.headers).filter(move |field| !is_cookie(*field));

        for number in 0..others {
            let next = (*place(number)).next;
            if !next.is_null() {
                (*place(number)).next = old()
                    .position(|field| field == next)
                    .map_or(ptr::null_mut(), place);
            }
        }
        for at in 1..cookies {
            (*first.add(at.saturating_sub(1))).next = first.add(at);
        }
    }
}
