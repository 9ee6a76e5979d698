//! The body of a response, in pieces of memory that are used again when they were sent.

use core::ptr;
use core::slice;

use ngx::core::Status;
use ngx::ffi::{
    ngx_buf_t, ngx_buf_tag_t, ngx_chain_get_free_buf, ngx_chain_t, ngx_chain_update_chains,
    ngx_http_output_filter, ngx_int_t,
};
use session_cookie::bytes::Sink;

use super::own_module::own_module;
use super::pool::Pool;
use super::request::Request;

/// The size of a piece: nginx takes memory of this size from the system, and filters copy nothing.
const PIECE: usize = 16 * 1024;

/// What was written of the body of a request's response, and what is being sent.
pub(crate) struct Pieces<'r> {
    pool: Pool<'r>,
    /// Those that may be written to again.
    free: *mut ngx_chain_t,
    /// Those that a filter, or the system, has not taken yet.
    busy: *mut ngx_chain_t,
    /// Those that were written and not sent, in order, and the last of them.
    written: *mut ngx_chain_t,
    last: *mut ngx_chain_t,
    /// How many bytes are in these.
    length: usize,
    lacks_memory: bool,
}

impl<'r> Pieces<'r> {
    /// Returns a body of nothing.
    pub(crate) fn new(pool: Pool<'r>) -> Self {
        Pieces {
            pool,
            free: ptr::null_mut(),
            busy: ptr::null_mut(),
            written: ptr::null_mut(),
            last: ptr::null_mut(),
            length: 0,
            lacks_memory: false,
        }
    }

    /// Returns how many bytes were written and not sent.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Returns whether something was left out, because memory is short.
    pub(crate) fn lacks_memory(&self) -> bool {
        self.lacks_memory
    }

    /// Returns whether all that was sent was also taken.
    pub(crate) fn is_clear(&self) -> bool {
        self.busy.is_null()
    }

    /// Sends what was written to the filters, or lets them go on with what they have. `last`: nothing follows.
    pub(crate) fn send(&mut self, request: Request<'r>, last: bool) -> ngx_int_t {
        if last {
            if self.last.is_null() && self.add_piece().is_none() {
                return Status::NGX_ERROR.into();
            }
            // SAFETY: the last piece is a link of the pool with a buffer, to which nobody else writes before it is sent.
            unsafe {
                let buf = &mut *(*self.last).buf;
                buf.set_last_buf(u32::from(request.is_main()));
                buf.set_last_in_chain(1);
                // Filters take a buffer without memory for a mark, which that of a subrequest is only if it says so.
                let is_empty = buf.pos == buf.last;
                buf.set_temporary(u32::from(!is_empty));
                buf.set_sync(u32::from(is_empty && !request.is_main()));
            }
        }
        let written = self.written;
        self.forget_written();
        // SAFETY: the request is live, and its header was sent; the chain is of its pool.
        let rc = unsafe { ngx_http_output_filter(request.as_ptr(), written) };
        self.sort(written);
        rc
    }

    fn forget_written(&mut self) {
        self.written = ptr::null_mut();
        self.last = ptr::null_mut();
        self.length = 0;
    }

    /// Adds pieces to those that are busy, and makes those free that were taken.
    fn sort(&mut self, mut sent: *mut ngx_chain_t) {
        // SAFETY: chains of the pool, of which a link is in one. A buffer with the tag is one of this body.
        unsafe {
            ngx_chain_update_chains(
                self.pool.as_ptr(),
                &raw mut self.free,
                &raw mut self.busy,
                &raw mut sent,
                tag(),
            );
        }
    }

    /// Appends an empty piece.
    fn add_piece(&mut self) -> Option<&mut ngx_buf_t> {
        // SAFETY: the pool is live, and the free pieces are its. A buffer that nginx has just made is zeroed; one that was used
        // has its memory, and nothing in it. The link that is returned is in no chain.
        unsafe {
            let link = ngx_chain_get_free_buf(self.pool.as_ptr(), &raw mut self.free).as_mut()?;
            let buf = link.buf.as_mut()?;
            if buf.start.is_null() {
                let start = self.pool.array::<u8>(PIECE)?.as_ptr();
                buf.start = start;
                buf.pos = start;
                buf.last = start;
                buf.end = start.add(PIECE);
                buf.tag = tag();
            }
            buf.set_temporary(1);
            // Sent at once, however little is in it.
            buf.set_recycled(1);
            match self.last.as_mut() {
                Some(last) => last.next = link,
                None => self.written = link,
            }
            self.last = link;
            Some(buf)
        }
    }

    /// Returns the piece that is being written, if there is room in it.
    fn piece(&mut self) -> Option<&mut ngx_buf_t> {
        // SAFETY: the last piece is a link of the pool with a buffer, to which nobody else writes before it is sent.
        let buf = unsafe { self.last.as_mut().and_then(|last| last.buf.as_mut()) };
        match buf {
            Some(buf) if buf.last != buf.end => Some(buf),
            _ => self.add_piece(),
        }
    }
}

impl Sink for Pieces<'_> {
    fn put(&mut self, mut text: &[u8]) {
        while !text.is_empty() {
            let Some(buf) = self.piece() else {
                self.lacks_memory = true;
                return;
            };
            let room = buf.end.addr().saturating_sub(buf.last.addr());
            let (now, later) = text.split_at_checked(room).unwrap_or((text, &[]));
            // SAFETY: from `last` to `end` there is room for the text, in memory that nobody else reads before it is sent.
            unsafe {
                slice::from_raw_parts_mut(buf.last, now.len()).copy_from_slice(now);
                buf.last = buf.last.add(now.len());
            }
            self.length = self.length.saturating_add(now.len());
            text = later;
        }
    }
}

/// Returns what tells buffers of this module from those of others.
fn tag() -> ngx_buf_tag_t {
    ptr::from_ref(own_module()).cast_mut().cast()
}
