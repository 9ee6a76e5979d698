//! The `Cookie` fields of a request in nginx's data structures: a linked list since 1.23.0, an array before.

use core::marker::PhantomData;
#[cfg(nginx_header_chains)]
use core::ptr;

#[cfg(not(nginx_header_chains))]
use ngx::ffi::ngx_array_t;
use ngx::ffi::ngx_table_elt_t;

use crate::nginx::bytes;
use crate::nginx::request::Request;

/// The `Cookie` fields of a request that lives for `'r`, in order.
#[cfg(nginx_header_chains)]
#[derive(Clone, Copy)]
pub(crate) struct Cookies<'r>(*mut ngx_table_elt_t, PhantomData<&'r [u8]>);

/// The `Cookie` fields of a request that lives for `'r`, in order.
#[cfg(not(nginx_header_chains))]
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Cookies<'r>(*mut *mut ngx_table_elt_t, usize, PhantomData<&'r [u8]>);

impl<'r> Cookies<'r> {
    /// Returns the key of the fields, which distinguishes them from those of other requests.
    #[inline(always)]
    pub(super) fn key(self) -> usize {
        self.0.addr()
    }

    /// Returns the values of the fields.
    #[inline(always)]
    pub(crate) fn values(self) -> Values<'r> {
        Values(self)
    }
}

#[cfg(nginx_header_chains)]
impl<'r> Cookies<'r> {
    /// Returns nginx's current fields.
    #[inline(always)]
    pub(in crate::nginx) fn current(request: Request<'r>) -> Self {
        // SAFETY: the request is live.
        Cookies(
            unsafe { (*request.as_ptr()).headers_in.cookie },
            PhantomData,
        )
    }

    /// Returns an empty sequence with room for `capacity` fields.
    pub(super) fn with_capacity(_: Request<'r>, _: usize) -> Option<Self> {
        Some(Cookies(ptr::null_mut(), PhantomData))
    }

    /// Returns a single field. `place` is memory for the array, which this nginx does not need.
    #[inline(always)]
    pub(super) fn one(field: *mut ngx_table_elt_t, _: *mut *mut ngx_table_elt_t) -> Self {
        Cookies(field, PhantomData)
    }

    /// Appends a field after `last`.
    ///
    /// # Safety
    ///
    /// `self` was made by `with_capacity`, with room for another field. `last` is the field that was pushed last, or null if
    /// there is none; `field` is a different field in the request's pool.
    pub(super) unsafe fn push(&mut self, last: *mut ngx_table_elt_t, field: *mut ngx_table_elt_t) {
        // SAFETY: the caller guarantees that the last field is part of the new list, to which no other reference exists yet.
        match unsafe { last.as_mut() } {
            Some(last) => last.next = field,
            None => self.0 = field,
        }
    }

    /// Replaces nginx's current fields.
    pub(super) fn install(self, request: Request<'r>) {
        // SAFETY: the request is live, and the fields live as long.
        unsafe { (*request.as_ptr()).headers_in.cookie = self.0 }
    }

    /// Returns the field, if there is exactly one.
    #[inline(always)]
    pub(super) fn single(self) -> Option<*mut ngx_table_elt_t> {
        // SAFETY: the fields live as long as the request.
        let is_single = unsafe { self.0.as_ref() }.is_some_and(|field| field.next.is_null());
        is_single.then_some(self.0)
    }

    #[inline(always)]
    fn take_first(&mut self) -> Option<&'r ngx_table_elt_t> {
        // SAFETY: a linked list of fields that live as long as the request.
        let field = unsafe { self.0.as_ref()? };
        self.0 = field.next;
        Some(field)
    }
}

#[cfg(not(nginx_header_chains))]
impl<'r> Cookies<'r> {
    /// Returns nginx's current fields.
    #[inline(always)]
    pub(in crate::nginx) fn current(request: Request<'r>) -> Self {
        // SAFETY: the request is live. The array is zeroed if there are no fields.
        let array = unsafe { &(*request.as_ptr()).headers_in.cookies };
        Cookies(array.elts.cast(), array.nelts, PhantomData)
    }

    /// Returns an empty sequence with room for `capacity` fields.
    pub(super) fn with_capacity(request: Request<'r>, capacity: usize) -> Option<Self> {
        let fields = request.pool().array(capacity.max(1))?;
        Some(Cookies(fields.as_ptr(), 0, PhantomData))
    }

    /// Returns a single field. `place` is memory for the array.
    #[inline(always)]
    pub(super) fn one(field: *mut ngx_table_elt_t, place: *mut *mut ngx_table_elt_t) -> Self {
        // SAFETY: the caller passes memory just allocated from the request's pool.
        unsafe { place.write(field) };
        Cookies(place, 1, PhantomData)
    }

    /// Appends a field.
    ///
    /// # Safety
    ///
    /// `self` was made by `with_capacity`, with room for another field. `field` is in the request's pool.
    pub(super) unsafe fn push(&mut self, _: *mut ngx_table_elt_t, field: *mut ngx_table_elt_t) {
        // SAFETY: the caller guarantees that the array has room for another field; no reference to it exists yet.
        unsafe { self.0.add(self.1).write(field) };
        self.1 = self.1.saturating_add(1);
    }

    /// Replaces nginx's current fields.
    pub(super) fn install(self, request: Request<'r>) {
        let fields = ngx_array_t {
            elts: self.0.cast(),
            nelts: self.1,
            size: size_of::<*mut ngx_table_elt_t>(),
            nalloc: self.1.max(1),
            pool: request.pool().as_ptr(),
        };
        // SAFETY: the request is live, and the fields live as long.
        unsafe { (*request.as_ptr()).headers_in.cookies = fields };
    }

    /// Returns the field, if there is exactly one.
    #[inline(always)]
    pub(super) fn single(self) -> Option<*mut ngx_table_elt_t> {
        // SAFETY: the array has one element.
        (self.1 == 1).then(|| unsafe { *self.0 })
    }

    #[inline(always)]
    fn take_first(&mut self) -> Option<&'r ngx_table_elt_t> {
        self.1 = self.1.checked_sub(1)?;
        // SAFETY: the array has at least one more field; the fields live as long as the request.
        unsafe {
            let field = &**self.0;
            self.0 = self.0.add(1);
            Some(field)
        }
    }
}

/// The iterator of [`Cookies::values`].
#[allow(clippy::disallowed_methods)] // the inner value is `Copy`
#[derive(Clone)]
pub(crate) struct Values<'r>(Cookies<'r>);

impl<'r> Iterator for Values<'r> {
    type Item = &'r [u8];

    /// Inlined because it is called from several places for every request.
    #[inline(always)]
    fn next(&mut self) -> Option<&'r [u8]> {
        let field = self.0.take_first()?;
        // SAFETY: the texts of header fields are in the request's pool, or in its connection's header buffers.
        Some(unsafe { bytes(field.value) })
    }
}
