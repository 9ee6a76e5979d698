//! The `Cookie` fields of a request, and a request's own view of them.
//!
//! Requests share header fields: a subrequest begins with a copy of the list's head, so that changing a
//! field in place would change it for its parent too, whenever that one happens to be sent. A view
//! therefore is a list of the request's own. The fields as the client sent them stay, and are kept with
//! the view in the pool, where the next location or a subrequest finds them: what is hidden once stays
//! hidden, but can still be read.

use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_list_part_t, ngx_list_t, ngx_table_elt_t};

use session_cookie::cookie::Rule;

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

    /// Puts `count` consecutive fields in the place of the current ones.
    unsafe fn replace(
        r: *mut ngx_http_request_t,
        first: *mut ngx_table_elt_t,
        count: usize,
    ) -> Option<()> {
        // SAFETY: `r` is live, and so are the fields.
        unsafe {
            #[cfg(nginx_header_chains)]
            {
                (*r).headers_in.cookie = if count == 0 { ptr::null_mut() } else { first };
            }
            #[cfg(not(nginx_header_chains))]
            {
                let fields = pool::array::<*mut ngx_table_elt_t>((*r).pool, count.max(1))?;
                for at in 0..count {
                    fields.add(at).write(first.add(at));
                }
                (*r).headers_in.cookies = ngx::ffi::ngx_array_t {
                    elts: fields.as_ptr().cast(),
                    nelts: count,
                    size: size_of::<*mut ngx_table_elt_t>(),
                    nalloc: count.max(1),
                    pool: (*r).pool,
                };
            }
        }
        Some(())
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

/// A view of the `Cookie` fields: what it was made of.
#[derive(Clone, Copy)]
pub(crate) struct View {
    installed: Cookies,
    /// The fields as the client sent them.
    pub(crate) original: Cookies,
    /// What is hidden of them.
    pub(crate) rules: &'static [Rule<'static>],
}

impl pool::Keep for View {
    const KIND: pool::Kind = pool::Kind::View;
}

/// Was memory short? Then the request fails.
pub(crate) struct OutOfMemory;

impl View {
    /// What the request sees now.
    ///
    /// # Safety
    ///
    /// `r` is live.
    #[inline]
    pub(crate) unsafe fn of(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: `r` is live.
        unsafe {
            let current = Cookies::current(r);
            let view = pool::find::<View>((*r).pool, |view| view.installed == current);
            view.map_or(
                View {
                    installed: current,
                    original: current,
                    rules: &[],
                },
                |view| *view.as_ref(),
            )
        }
    }

    /// Gives the request a view of its own: `Cookie` fields with these values, in order, none of them
    /// empty, at the place of the first one before. There was one.
    ///
    /// # Safety
    ///
    /// `r` is live, before its request to the server behind is created. The values live in its pool.
    pub(crate) unsafe fn install(
        self,
        r: *mut ngx_http_request_t,
        rules: &'static [Rule<'static>],
        values: &[&[u8]],
    ) -> Result<(), OutOfMemory> {
        // SAFETY: `r` is live. The new list is filled before it is installed: room was made for every
        // other field and every value.
        unsafe {
            let old = &raw const (*r).headers_in.headers;
            let template = self.original.fields().next().ok_or(OutOfMemory)?;

            let room = elements(old).count().saturating_add(values.len());
            let list = pool::array::<ngx_table_elt_t>((*r).pool, room)
                .ok_or(OutOfMemory)?
                .as_ptr();
            let mut length = 0usize;
            let mut put = |field: ngx_table_elt_t| {
                list.add(length).write(unchained(field));
                length = length.saturating_add(1);
            };

            // Without a cookie in the old list, the new ones come last.
            let before = elements(old).take_while(|field| !is_cookie(*field)).count();
            elements(old).take(before).for_each(|field| put(*field));
            for value in values {
                let mut cookie = *template;
                cookie.value = string(value);
                put(cookie);
            }
            elements(old)
                .skip(before)
                .filter(|field| !is_cookie(*field))
                .for_each(|field| put(*field));

            let cookies = list.add(before);
            #[cfg(nginx_header_chains)]
            {
                for at in 1..values.len() {
                    (*cookies.add(at.saturating_sub(1))).next = cookies.add(at);
                }
                // Whoever needs the other chains has nginx make them anew, from the new list.
                (*r).headers_in.set_multi_linked(0);
            }

            (*r).headers_in.headers = ngx_list_t {
                last: &raw mut (*r).headers_in.headers.part,
                part: ngx_list_part_t {
                    elts: list.cast(),
                    nelts: length,
                    next: ptr::null_mut(),
                },
                size: size_of::<ngx_table_elt_t>(),
                nalloc: room,
                pool: (*r).pool,
            };
            Cookies::replace(r, cookies, values.len()).ok_or(OutOfMemory)?;

            let view = View {
                installed: Cookies::current(r),
                rules,
                ..self
            };
            pool::keep((*r).pool, view).map(drop).ok_or(OutOfMemory)
        }
    }
}

/// Makes the request forget these values, which were evaluated before its cookies changed.
///
/// # Safety
///
/// `r` is live; the indices are of variables of its configuration.
pub(crate) unsafe fn forget(r: *mut ngx_http_request_t, variables: &[usize]) {
    for index in variables {
        // SAFETY: a request remembers a value for every variable of its configuration.
        unsafe {
            let value = (*r).variables.add(*index);
            (*value).set_valid(0);
            (*value).set_not_found(0);
        }
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

/// Is this a `Cookie` field?
unsafe fn is_cookie(field: *mut ngx_table_elt_t) -> bool {
    // SAFETY: a live field.
    unsafe {
        (*field).key.len == b"cookie".len() && bytes((*field).key).eq_ignore_ascii_case(b"cookie")
    }
}

/// A copy of a field that leads to no other: nginx leaves the link of a field whose name it does not
/// know unwritten, and the others lead into the list that it was copied from.
fn unchained(field: ngx_table_elt_t) -> ngx_table_elt_t {
    #[cfg(nginx_header_chains)]
    let field = ngx_table_elt_t {
        next: ptr::null_mut(),
        ..field
    };
    field
}
