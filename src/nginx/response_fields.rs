//! Response fields that may occur more than once: `Set-Cookie` and `Cache-Control`.

use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use ngx::ffi::{ngx_list_part_t, ngx_list_push, ngx_table_elt_t, ngx_uint_t};
use session_cookie::memory::OutOfMemory;

use super::exchange::Exchange;
use super::request::Request;
use super::{bytes, string};

/// The name of a field, as a type so that the search is compiled for each name.
pub(crate) trait Name {
    const NAME: &'static [u8];
}

pub(crate) struct SetCookie;

impl Name for SetCookie {
    const NAME: &'static [u8] = b"Set-Cookie";
}

pub(crate) struct CacheControl;

impl Name for CacheControl {
    const NAME: &'static [u8] = b"Cache-Control";
}

/// A field in the response to a request that lives for `'r`.
#[derive(Clone, Copy)]
pub(crate) struct Field<'r>(NonNull<ngx_table_elt_t>, PhantomData<&'r [u8]>);

impl<'r> Field<'r> {
    fn field(self) -> ngx_table_elt_t {
        // SAFETY: fields of a response live as long as its request.
        unsafe { self.0.read() }
    }

    /// Returns the value of the field.
    pub(crate) fn value(self) -> &'r [u8] {
        // SAFETY: the texts of a response's fields live as long as its request.
        unsafe { bytes(self.0.as_ref().value) }
    }

    /// Sets the value of the field, which must be in the request's pool.
    pub(crate) fn set(mut self, value: &'r [u8]) {
        // SAFETY: the field lives as long as its request, and no reference to it exists.
        unsafe { self.0.as_mut().value = string(value) }
    }

    /// Removes the field from the response, marking it as nginx does.
    pub(crate) fn remove(self) {
        self.take_out();
    }

    /// Removes the field temporarily. Returns the argument for [`put_back`](Self::put_back).
    pub(crate) fn take_out(mut self) -> ngx_uint_t {
        // SAFETY: the field lives as long as its request, and no reference to it exists.
        unsafe { core::mem::replace(&mut self.0.as_mut().hash, 0) }
    }

    /// Restores the field.
    pub(crate) fn put_back(mut self, hash: ngx_uint_t) {
        // SAFETY: the field lives as long as its request, and no reference to it exists.
        unsafe { self.0.as_mut().hash = hash }
    }

    /// Returns whether the field came with the upstream server's response, whose fields nginx copies to the response it sends. A
    /// copy shares the texts of the original, except a value changed by `proxy_cookie_*`.
    pub(crate) fn came_with(self, exchange: Exchange<'r>) -> bool {
        let (field, rewrites) = (self.field(), exchange.rewrites_cookies());
        exchange.set_cookies().any(|sent| {
            let sent = sent.field();
            sent.value.data == field.value.data || (rewrites && sent.key.data == field.key.data)
        })
    }
}

impl<'r> Request<'r> {
    /// Returns all `Set-Cookie` fields of the response. The list must not grow during the iteration.
    #[inline(always)]
    pub(crate) fn set_cookies(self) -> Fields<'r, SetCookie> {
        self.response_fields()
    }

    /// Returns all fields of the response with this name. The list must not grow during the iteration.
    #[inline(always)]
    pub(crate) fn response_fields<N: Name>(self) -> Fields<'r, N> {
        // SAFETY: the request is live.
        Fields::of(unsafe { &raw const (*self.as_ptr()).headers_out.headers.part })
    }

    /// Returns whether the response sets any cookies.
    #[inline(always)]
    pub(crate) fn sets_cookies(self) -> bool {
        self.set_cookies().next().is_some()
    }

    /// Clears nginx's references to `Cache-Control` fields of the response: nginx would change a removed field.
    pub(crate) fn forget_cache_control(self) {
        // SAFETY: the request is live, and no reference to its header exists.
        let header = unsafe { &mut (*self.as_ptr()).headers_out };
        #[cfg(nginx_header_chains)]
        {
            header.cache_control = ptr::null_mut();
        }
        #[cfg(not(nginx_header_chains))]
        {
            // The state when there is no such field.
            header.cache_control.elts = ptr::null_mut();
            header.cache_control.nelts = 0;
        }
    }

    /// Adds a field to the response, whose header has not been sent yet. The field is only in the list and not among those to
    /// which nginx keeps references, so modules that run later do not replace it.
    pub(crate) fn add_response_field<N: Name>(self, value: &'r [u8]) -> Result<(), OutOfMemory> {
        // SAFETY: the list belongs to a live request.
        let field = unsafe { ngx_list_push(&raw mut (*self.as_ptr()).headers_out.headers) };
        let field = NonNull::new(field.cast()).ok_or(OutOfMemory)?;
        let added = ngx_table_elt_t {
            hash: 1,
            key: string(N::NAME),
            value: string(value),
            lowcase_key: ptr::null_mut(),
            #[cfg(nginx_header_chains)]
            next: ptr::null_mut(),
        };
        // SAFETY: all of the new element is written.
        unsafe { field.write(added) };
        Ok(())
    }
}

impl<'r> Exchange<'r> {
    /// Returns all `Set-Cookie` fields that the upstream server has sent.
    fn set_cookies(self) -> Fields<'r, SetCookie> {
        // SAFETY: the exchange lives as long as its request, and has received a response, whose list does not grow any more.
        Fields::of(unsafe { &raw const (*self.as_ptr()).headers_in.headers.part })
    }
}

/// The iterator of [`Request::response_fields`].
pub(crate) struct Fields<'r, N> {
    part: *const ngx_list_part_t,
    at: usize,
    request: PhantomData<(&'r (), N)>,
}

impl<N> Fields<'_, N> {
    #[inline(always)]
    fn of(part: *const ngx_list_part_t) -> Self {
        Fields {
            part,
            at: 0,
            request: PhantomData,
        }
    }
}

impl<'r, N: Name> Iterator for Fields<'r, N> {
    type Item = Field<'r>;

    #[inline(always)]
    fn next(&mut self) -> Option<Field<'r>> {
        // SAFETY: the list of a live request consists of linked parts, each with an array of `nelts` elements.
        unsafe {
            while let Some(part) = self.part.as_ref() {
                let fields = part.elts.cast::<ngx_table_elt_t>();
                while self.at < part.nelts {
                    let field = fields.add(self.at);
                    self.at = self.at.saturating_add(1);
                    if is_named::<N>(&*field) {
                        return NonNull::new(field).map(|field| Field(field, PhantomData));
                    }
                }
                self.part = part.next;
                self.at = 0;
            }
        }
        None
    }
}

/// Returns whether a field has this name and has not been removed.
#[inline(always)]
fn is_named<N: Name>(field: &ngx_table_elt_t) -> bool {
    if field.key.len != N::NAME.len() || field.hash == 0 {
        return false;
    }
    // SAFETY: the key of a live field has `len` bytes at `data`, and `len` has been compared.
    let key = unsafe { core::slice::from_raw_parts(field.key.data, N::NAME.len()) };
    key == N::NAME || is_in_other_case(key, N::NAME)
}

/// Rarely needed.
#[cold]
#[inline(never)]
fn is_in_other_case(key: &[u8], name: &[u8]) -> bool {
    key.eq_ignore_ascii_case(name)
}
