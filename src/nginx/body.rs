//! Reading the request body for a handler that continues once all of it has been received.

use core::marker::PhantomData;
use core::ptr;

use ngx::ffi::{
    ngx_buf_t, ngx_chain_t, ngx_http_finalize_request, ngx_http_read_client_request_body,
    ngx_http_request_t, ngx_int_t, ngx_read_file, off_t, NGX_DONE, NGX_HTTP_SPECIAL_RESPONSE,
};

use super::pool::Text;
use super::request::Request;
use session_cookie::bytes::Sink;

/// The body as passed to a handler.
#[derive(Clone, Copy)]
pub(crate) enum Body<'r> {
    /// The whole body; empty if the request has none.
    Whole(&'r [u8]),
    /// The body is longer than the handler accepts.
    TooLong,
    /// The body could not be read: memory is short, or reading nginx's temporary file failed.
    Unreadable,
}

/// A handler that needs the request body.
pub(crate) trait WithBody {
    /// The maximum length of the body, in bytes.
    const MOST: usize;

    /// Continues with the request. The result is that of a content handler.
    fn go_on(request: Request<'_>, body: Body<'_>) -> ngx_int_t;
}

impl<'r> Request<'r> {
    /// Reads the body and calls `go_on`, now or when the client has sent the body. The result is to be returned by the content
    /// handler.
    ///
    /// nginx reads up to `client_max_body_size`, answers `Expect: 100-continue`, and ends the request if the client disconnects
    /// or is too slow. If the declared length is too long, the handler is called without waiting for the body. The body is still
    /// discarded, since nginx would otherwise take it for the connection's next request.
    pub(crate) fn read_body<H: WithBody>(self) -> ngx_int_t {
        if self.declared_length() > H::MOST as u64 {
            return match self.discard_body() {
                Ok(()) => H::go_on(self, Body::TooLong),
                Err(rc) => rc,
            };
        }
        // SAFETY: the request is live, and nginx calls the handler at most once, for this request.
        let rc = unsafe { ngx_http_read_client_request_body(self.as_ptr(), Some(on_body::<H>)) };
        if rc >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t {
            return rc;
        }
        NGX_DONE as ngx_int_t
    }

    /// Returns the length of the body that the client has declared; 0 if it has not.
    fn declared_length(self) -> u64 {
        // SAFETY: the request is live.
        let length = unsafe { (*self.as_ptr()).headers_in.content_length_n };
        u64::try_from(length).unwrap_or_default()
    }

    /// Returns the body after nginx has read it.
    fn body(self, most: usize) -> Body<'r> {
        // SAFETY: the request is live; the body that nginx has read lives as long.
        let bufs = unsafe {
            ((*self.as_ptr()).request_body.as_ref()).map_or(ptr::null_mut(), |body| body.bufs)
        };
        let length = pieces(bufs).fold(0usize, |sum, piece| sum.saturating_add(piece.length()));
        if length == 0 {
            return Body::Whole(&[]);
        }
        if length > most {
            return Body::TooLong;
        }
        let Some(mut text) = self.pool().text(length) else {
            return Body::Unreadable;
        };
        for piece in pieces(bufs) {
            if piece.write(&mut text).is_none() {
                return Body::Unreadable;
            }
        }
        Body::Whole(text.into_bytes())
    }
}

/// Continues with a request whose body has been read, and ends it as nginx does when a content handler returns.
unsafe extern "C" fn on_body<H: WithBody>(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls this for the live request whose body it was asked to read. It holds a reference for this call, which
    // ngx_http_finalize_request() releases; the handle is not used afterwards.
    unsafe {
        let request = Request::new(r);
        let rc = H::go_on(request, request.body(H::MOST));
        ngx_http_finalize_request(r, rc);
    }
}

/// A piece of the body, in memory or in a temporary file.
struct Piece<'r>(*mut ngx_buf_t, PhantomData<&'r ()>);

/// Returns the pieces of a body.
fn pieces<'r>(bufs: *mut ngx_chain_t) -> impl Iterator<Item = Piece<'r>> {
    // SAFETY: nginx does not modify the chain of a body that has been read; each link has a buffer.
    unsafe {
        core::iter::successors(bufs.as_ref(), |link| link.next.as_ref())
            .map(|link| Piece(link.buf, PhantomData))
    }
}

impl Piece<'_> {
    fn is_in_file(&self) -> bool {
        // SAFETY: the buffer lives as long as the request.
        unsafe { (*self.0).in_file() != 0 }
    }

    fn length(&self) -> usize {
        // SAFETY: the buffer lives as long as the request; `pos` and `last` are in the same allocation.
        unsafe {
            let buf = &*self.0;
            if self.is_in_file() {
                usize::try_from(buf.file_last.saturating_sub(buf.file_pos)).unwrap_or(usize::MAX)
            } else {
                buf.last.addr().saturating_sub(buf.pos.addr())
            }
        }
    }

    /// Appends the piece to a text that has room for it; `None` if it could not be read.
    fn write(&self, text: &mut Text<'_>) -> Option<()> {
        let mut left = self.length();
        if !self.is_in_file() {
            // SAFETY: the buffer has `left` bytes from `pos`, which are not modified during the call.
            text.put(unsafe { core::slice::from_raw_parts((*self.0).pos, left) });
            return Some(());
        }
        let mut block = [0; 256];
        // SAFETY: the buffer lives as long as the request.
        let (file, mut at) = unsafe { ((*self.0).file, (*self.0).file_pos) };
        while left > 0 {
            let most = left.min(block.len());
            // SAFETY: the file is open as long as the request, and the block has room for `most` bytes.
            let read = unsafe { ngx_read_file(file, block.as_mut_ptr(), most, at) };
            let read = usize::try_from(read).ok().filter(|read| *read > 0)?;
            text.put(block.get(..read)?);
            left = left.saturating_sub(read);
            at = at.saturating_add(off_t::try_from(read).ok()?);
        }
        Some(())
    }
}
