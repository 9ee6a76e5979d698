//! The `Cookie` fields of a request, and a request's own view of them.
//!
//! Requests share header fields: a subrequest begins with a copy of the list's head, so that changing a
//! field in place would change it for its parent too, whenever that one happens to be sent. A view therefore
//! is a list of the request's own, with `Cookie` fields of its own, unless it is certain that no other request
//! has the field (`lone.rs`). The fields as the client sent them are kept with the view in the pool, where the
//! next location or a subrequest finds them: what is hidden once stays hidden, but can still be read.

mod lone;

use core::marker::PhantomData;
use core::ptr;

use ngx::ffi::{ngx_http_request_t, ngx_list_part_t, ngx_list_t, ngx_table_elt_t};

use session_cookie::cookie::{HideRule, Name};

pub(crate) use lone::Lone;

use super::{bytes, pool, string};

/// The `Cookie` fields of a request, in order.
#[cfg(nginx_header_chains)]
#[derive(Clone, Copy)]
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

    /// Without any field yet, and with room for so many.
    #[cfg(nginx_header_chains)]
    unsafe fn with_room(_: *mut ngx_http_request_t, _: usize) -> Option<Self> {
        Some(Cookies(ptr::null_mut()))
    }

    /// Without any field yet, and with room for so many.
    #[cfg(not(nginx_header_chains))]
    unsafe fn with_room(r: *mut ngx_http_request_t, room: usize) -> Option<Self> {
        // SAFETY: `r` is live.
        let fields = unsafe { pool::array((*r).pool, room.max(1))? };
        Some(Cookies(fields.as_ptr(), 0))
    }

    /// Appends a field behind `last`, which is the last one, or null.
    unsafe fn push(&mut self, last: *mut ngx_table_elt_t, field: *mut ngx_table_elt_t) {
        // SAFETY: both are live, and there is room.
        unsafe {
            #[cfg(nginx_header_chains)]
            if last.is_null() {
                self.0 = field;
            } else {
                (*last).next = field;
            }
            #[cfg(not(nginx_header_chains))]
            {
                let _ = last;
                self.0.add(self.1).write(field);
                self.1 = self.1.saturating_add(1);
            }
        }
    }

    /// Puts them in the place of the current ones.
    unsafe fn install(self, r: *mut ngx_http_request_t) {
        // SAFETY: `r` is live, and so are the fields.
        unsafe {
            #[cfg(nginx_header_chains)]
            {
                (*r).headers_in.cookie = self.0;
            }
            #[cfg(not(nginx_header_chains))]
            {
                (*r).headers_in.cookies = ngx::ffi::ngx_array_t {
                    elts: self.0.cast(),
                    nelts: self.1,
                    size: size_of::<*mut ngx_table_elt_t>(),
                    nalloc: self.1.max(1),
                    pool: (*r).pool,
                };
            }
        }
    }

    /// What tells them from those of other requests.
    #[inline(always)]
    fn key(self) -> usize {
        self.0.addr()
    }

    /// The values of the fields.
    #[inline(always)]
    pub(crate) fn values<'a>(self) -> Values<'a> {
        Values(self, PhantomData)
    }
}

/// See [`Cookies::values`].
#[derive(Clone)]
pub(crate) struct Values<'a>(Cookies, PhantomData<&'a [u8]>);

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    /// Every request comes here, and from several places.
    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = &mut self.0;
        // SAFETY: a chain, or nginx's array, of live fields; without any the array was never filled. Header fields live in
        // the request's pool, or in its connection's header buffers.
        unsafe {
            #[cfg(nginx_header_chains)]
            {
                let field = rest.0.as_ref()?;
                rest.0 = field.next;
                Some(bytes(field.value))
            }
            #[cfg(not(nginx_header_chains))]
            {
                rest.1 = rest.1.checked_sub(1)?;
                let field = *rest.0;
                rest.0 = rest.0.add(1);
                Some(bytes((*field).value))
            }
        }
    }
}

/// A view of the `Cookie` fields: what it was made of.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// The fields as the request sees them.
    pub(crate) installed: Cookies,
    /// The fields as the client sent them.
    pub(crate) original: Cookies,
    /// What is hidden of them.
    pub(crate) rules: &'static [HideRule<'static>],
    /// Where there is one rule, and one pair that it names: that pair.
    pub(crate) only: Option<Only>,
}

/// The only pair that a rule hides in a request.
#[derive(Clone, Copy)]
pub(crate) struct Only {
    /// Its name: that of the policy from which the rule is.
    pub(crate) name: &'static Name,
    /// What is hidden of it: the value, or the id that is a prefix of it.
    pub(crate) said: &'static [u8],
}

impl pool::Keep for View {
    const KIND: pool::Kind = pool::Kind::View;

    fn key(&self) -> usize {
        self.installed.key()
    }
}

/// Was memory short? Then the request fails.
pub(crate) struct OutOfMemory;

impl View {
    /// The newest view in which these fields are what a request sees.
    #[inline(always)]
    unsafe fn find(r: *mut ngx_http_request_t, installed: Cookies) -> Option<ptr::NonNull<View>> {
        // SAFETY: `r` is live.
        unsafe {
            let newest = pool::newest::<View>((*r).pool, installed.key());
            // The address of an array does not say how many fields it has.
            #[cfg(not(nginx_header_chains))]
            let newest = newest.filter(|view| view.as_ref().installed == installed);
            newest
        }
    }

    /// What the request sees now.
    ///
    /// # Safety
    ///
    /// `r` is live.
    #[inline(always)]
    pub(crate) unsafe fn of(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: `r` is live.
        unsafe {
            let current = Cookies::current(r);
            View::find(r, current).map_or(
                View {
                    installed: current,
                    original: current,
                    rules: &[],
                    only: None,
                },
                |view| *view.as_ref(),
            )
        }
    }

    /// Gives the request a view of its own: `strip` says what of each `Cookie` field that it sees now is
    /// left; a field of which nothing is left goes.
    ///
    /// # Safety
    ///
    /// `r` is live, before its request to the server behind is created. The values live in its pool.
    pub(crate) unsafe fn install(
        self,
        r: *mut ngx_http_request_t,
        rules: &'static [HideRule<'static>],
        mut strip: impl FnMut(&'static [u8]) -> Result<&'static [u8], OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        // SAFETY: `r` is live. The new list is filled before it is installed, and has room for the old one.
        unsafe {
            let old = &raw const (*r).headers_in.headers;
            let mut list = Fields::like(r).ok_or(OutOfMemory)?;

            // By name, whoever put them there: what is hidden must not slip through.
            let is_cookie = |field: &*mut ngx_table_elt_t| is_cookie(&**field);
            let mut left = Cookies::with_room(r, list.room).ok_or(OutOfMemory)?;
            let mut last = ptr::null_mut();
            for part in parts(old) {
                let mut rest = (*part).elts.cast::<ngx_table_elt_t>();
                let end = rest.add((*part).nelts);
                for cookie in fields_of(part).filter(is_cookie) {
                    list.copy(rest, cookie);
                    rest = cookie.add(1);
                    let value = strip(bytes((*cookie).value))?;
                    if !value.is_empty() {
                        let field = list.copy(cookie, rest);
                        (*field).value = string(value);
                        left.push(last, field);
                        last = field;
                    }
                }
                list.copy(rest, end);
            }

            list.install(r);
            left.install(r);

            let view = View {
                installed: Cookies::current(r),
                rules,
                only: None,
                ..self
            };
            pool::keep((*r).pool, view).ok_or(OutOfMemory)?;
        }
        Ok(())
    }
}

/// A list of header fields that is being written.
struct Fields {
    start: *mut ngx_table_elt_t,
    length: usize,
    room: usize,
}

impl Fields {
    /// An empty list, with room for the fields of a request.
    unsafe fn like(r: *mut ngx_http_request_t) -> Option<Self> {
        // SAFETY: `r` is live.
        unsafe {
            let list = &raw const (*r).headers_in.headers;
            let room = parts(list).fold(0usize, |room, part| room.saturating_add((*part).nelts));
            let start = pool::array((*r).pool, room)?.as_ptr();
            Some(Fields {
                start,
                length: 0,
                room,
            })
        }
    }

    /// Appends copies of the fields from `first` up to `end`, for which there is room, and returns the
    /// first copy. They lead to no other field: nginx leaves the link of a field whose name it does not
    /// know unwritten, and the other links lead into the list that is copied.
    unsafe fn copy(
        &mut self,
        first: *mut ngx_table_elt_t,
        end: *mut ngx_table_elt_t,
    ) -> *mut ngx_table_elt_t {
        // SAFETY: both are in one array, and there is room.
        unsafe {
            let count = usize::try_from(end.offset_from(first)).unwrap_or_default();
            let copy = self.start.add(self.length);
            copy.copy_from_nonoverlapping(first, count);
            #[cfg(nginx_header_chains)]
            for at in 0..count {
                (*copy.add(at)).next = ptr::null_mut();
            }
            self.length = self.length.saturating_add(count);
            copy
        }
    }

    /// Puts it in the place of the request's own. It has one part: subrequests copy the head of a list and
    /// share what follows, which other modules may change.
    unsafe fn install(self, r: *mut ngx_http_request_t) {
        // SAFETY: `r` is live, and so are the fields.
        unsafe {
            (*r).headers_in.headers = ngx_list_t {
                last: &raw mut (*r).headers_in.headers.part,
                part: ngx_list_part_t {
                    elts: self.start.cast(),
                    nelts: self.length,
                    next: ptr::null_mut(),
                },
                size: size_of::<ngx_table_elt_t>(),
                nalloc: self.room,
                pool: (*r).pool,
            };
            // Whoever needs the other chains has nginx make them anew, from the new list.
            #[cfg(nginx_header_chains)]
            (*r).headers_in.set_multi_linked(0);
        }
    }
}

/// The parts of a list of header fields.
unsafe fn parts(list: *const ngx_list_t) -> impl Iterator<Item = *const ngx_list_part_t> {
    // SAFETY: the list of a live request: parts linked to null.
    unsafe {
        core::iter::successors(Some(&raw const (*list).part), |part| {
            (**part).next.as_ref().map(|next| next as *const _)
        })
    }
}

/// The header fields of a part of their list.
unsafe fn fields_of(part: *const ngx_list_part_t) -> impl Iterator<Item = *mut ngx_table_elt_t> {
    // SAFETY: a part of the list of a live request, with `nelts` elements.
    unsafe { (0..(*part).nelts).map(move |at| (*part).elts.cast::<ngx_table_elt_t>().add(at)) }
}

/// Is this a `Cookie` field?
#[inline]
fn is_cookie(field: &ngx_table_elt_t) -> bool {
    if !has_length_of_cookie(field) {
        return false;
    }
    // SAFETY: the key of a live field, which has letters.
    let key = unsafe { core::slice::from_raw_parts(field.key.data, COOKIE.len()) };
    // `Accept` has as many.
    matches!(key.first(), Some(b'C' | b'c')) && key.eq_ignore_ascii_case(COOKIE)
}

/// Most fields are told from it by this.
#[inline]
fn has_length_of_cookie(field: &ngx_table_elt_t) -> bool {
    field.key.len == COOKIE.len()
}

const COOKIE: &[u8] = b"Cookie";
