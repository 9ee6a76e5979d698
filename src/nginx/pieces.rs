//! The body of a response, in buffers that are reused after they have been sent.

use core::mem;
use core::ptr;

use ngx::core::Status;
use ngx::ffi::{
    ngx_buf_tag_t, ngx_chain_get_free_buf, ngx_chain_t, ngx_chain_update_chains,
    ngx_http_output_filter, ngx_int_t,
};
use session_cookie::bytes::Sink;

use super::own_module::own_module;
use super::pool::Pool;
use super::request::Request;

/// The size of a buffer. nginx allocates memory of this size from the system, and filters do not copy it.
const PIECE: usize = 16 * 1024;

/// The body of a request's response: the buffers being written and those being sent.
pub(crate) struct Pieces<'r> {
    pool: Pool<'r>,
    /// Buffers that can be reused.
    free: *mut ngx_chain_t,
    /// Buffers not yet taken by a filter or the system.
    busy: *mut ngx_chain_t,
    /// Buffers written but not yet sent, in order, and the last of them.
    written: *mut ngx_chain_t,
    last: *mut ngx_chain_t,
    /// The memory of the last written buffer.
    room: Room,
    /// How many bytes are in the buffers before it.
    length: usize,
    lacks_memory: bool,
}

/// The memory being written to. A long response is written in millions of small texts, so nginx's buffer is updated only when the
/// memory is full or sent.
struct Room {
    start: *mut u8,
    /// The position of the next byte.
    at: *mut u8,
    end: *mut u8,
}

impl Room {
    const NONE: Self = Room {
        start: ptr::dangling_mut(),
        at: ptr::dangling_mut(),
        end: ptr::dangling_mut(),
    };

    /// Returns how many bytes have been written.
    #[inline(always)]
    fn length(&self) -> usize {
        self.at.addr().wrapping_sub(self.start.addr())
    }

    /// Returns how many bytes of room are left.
    #[inline(always)]
    fn left(&self) -> usize {
        self.end.addr().wrapping_sub(self.at.addr())
    }

    /// Writes a text, if there is room for it. The compiler turns a text of known length into one or two moves.
    #[inline(always)]
    fn put(&mut self, text: &[u8]) -> bool {
        let fits = text.len() <= self.left();
        if fits {
            // SAFETY: there is room for the text between `at` and `end`, in memory of the pool that nothing else reads before it
            // is sent.
            unsafe {
                ptr::copy_nonoverlapping(text.as_ptr(), self.at, text.len());
                self.at = self.at.add(text.len());
            }
        }
        fits
    }
}

impl<'r> Pieces<'r> {
    /// Returns an empty body.
    pub(crate) fn new(pool: Pool<'r>) -> Self {
        Pieces {
            pool,
            free: ptr::null_mut(),
            busy: ptr::null_mut(),
            written: ptr::null_mut(),
            last: ptr::null_mut(),
            room: Room::NONE,
            length: 0,
            lacks_memory: false,
        }
    }

    /// Returns how many bytes have been written but not sent.
    pub(crate) fn length(&self) -> usize {
        self.length.saturating_add(self.room.length())
    }

    /// Returns whether part of the body was left out because memory is short.
    pub(crate) fn lacks_memory(&self) -> bool {
        self.lacks_memory
    }

    /// Returns whether all buffers that were sent have been taken.
    pub(crate) fn is_clear(&self) -> bool {
        self.busy.is_null()
    }

    /// Sends the written buffers to the filters, or lets the filters continue with the buffers they have. `last` ends the body.
    pub(crate) fn send(&mut self, request: Request<'r>, last: bool) -> ngx_int_t {
        if last && self.last.is_null() && self.add_piece().is_none() {
            return Status::NGX_ERROR.into();
        }
        self.close_last();
        if last {
            // SAFETY: the last element is a link of the pool with a buffer, to which nothing else writes before it is sent.
            unsafe {
                let buf = &mut *(*self.last).buf;
                buf.set_last_buf(u32::from(request.is_main()));
                buf.set_last_in_chain(1);
                // Filters accept an empty buffer only as a special one. A subrequest has no `last_buf`, and needs `sync` to mark
                // it.
                let is_empty = buf.pos == buf.last;
                buf.set_temporary(u32::from(!is_empty));
                buf.set_sync(u32::from(is_empty && !request.is_main()));
            }
        }
        let written = self.written;
        self.forget_written();
        // SAFETY: the request is live, and its header has been sent; the chain is from its pool.
        let rc = unsafe { ngx_http_output_filter(request.as_ptr(), written) };
        self.sort(written);
        rc
    }

    fn forget_written(&mut self) {
        self.written = ptr::null_mut();
        self.last = ptr::null_mut();
        self.length = 0;
    }

    /// Updates nginx's buffer with the end of the text written to it.
    fn close_last(&mut self) {
        self.length = self.length();
        let room = mem::replace(&mut self.room, Room::NONE);
        // SAFETY: the last element is a link of the pool with a buffer, whose memory is `room`.
        if let Some(last) = unsafe { self.last.as_mut().and_then(|last| last.buf.as_mut()) } {
            last.last = room.at;
        }
    }

    /// Adds the sent buffers to the busy ones, and moves those that have been taken to the free ones.
    fn sort(&mut self, mut sent: *mut ngx_chain_t) {
        // SAFETY: the chains are from the pool, and each link is in one chain only. Buffers with the tag belong to this body.
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

    /// Appends an empty buffer.
    fn add_piece(&mut self) -> Option<()> {
        // SAFETY: the pool is live, and the free buffers are from it. A new buffer is zeroed; a reused one has memory and is
        // empty. The link that is returned is in no chain.
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
            // Makes nginx send the buffer at once, however little it contains.
            buf.set_recycled(1);
            self.close_last();
            match self.last.as_mut() {
                Some(last) => last.next = link,
                None => self.written = link,
            }
            self.last = link;
            self.room = Room {
                start: buf.pos,
                at: buf.last,
                end: buf.end,
            };
        }
        Some(())
    }

    /// Writes a text that does not fit into the last buffer.
    #[cold]
    fn put_on(&mut self, mut text: &[u8]) {
        loop {
            let (now, later) = text
                .split_at_checked(self.room.left())
                .unwrap_or((text, &[]));
            self.room.put(now);
            if later.is_empty() {
                return;
            }
            if self.add_piece().is_none() {
                self.lacks_memory = true;
                return;
            }
            text = later;
        }
    }
}

impl Sink for Pieces<'_> {
    #[inline(always)]
    fn put(&mut self, text: &[u8]) {
        if !self.room.put(text) {
            self.put_on(text);
        }
    }
}

/// Returns the tag of the module's buffers.
fn tag() -> ngx_buf_tag_t {
    ptr::from_ref(own_module()).cast_mut().cast()
}
