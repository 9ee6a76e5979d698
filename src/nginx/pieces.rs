//! The body of a response, in pieces of memory that are used again when they were sent.

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
    /// The memory of the last of them.
    room: Room,
    /// How many bytes are in those before it.
    length: usize,
    lacks_memory: bool,
}

/// The memory that is being written to: a long answer is put in millions of pieces of a few bytes, so its buffer learns what
/// is in it only when it is full or sent.
struct Room {
    start: *mut u8,
    /// Where the next byte goes.
    at: *mut u8,
    end: *mut u8,
}

impl Room {
    const NONE: Self = Room {
        start: ptr::dangling_mut(),
        at: ptr::dangling_mut(),
        end: ptr::dangling_mut(),
    };

    /// Returns how much was written to it.
    #[inline(always)]
    fn length(&self) -> usize {
        self.at.addr().wrapping_sub(self.start.addr())
    }

    /// Returns how much is left of it.
    #[inline(always)]
    fn left(&self) -> usize {
        self.end.addr().wrapping_sub(self.at.addr())
    }

    /// Writes a text, if there is room for it. Of one whose length is known the compiler makes a move or two.
    #[inline(always)]
    fn put(&mut self, text: &[u8]) -> bool {
        let fits = text.len() <= self.left();
        if fits {
            // SAFETY: from `at` to `end` there is room for the text, in memory of the pool that nobody else reads before it
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
    /// Returns a body of nothing.
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

    /// Returns how many bytes were written and not sent.
    pub(crate) fn length(&self) -> usize {
        self.length.saturating_add(self.room.length())
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
        if last && self.last.is_null() && self.add_piece().is_none() {
            return Status::NGX_ERROR.into();
        }
        self.close_last();
        if last {
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

    /// Tells the buffer of the last piece what was written to it.
    fn close_last(&mut self) {
        self.length = self.length();
        let room = mem::replace(&mut self.room, Room::NONE);
        // SAFETY: the last piece is a link of the pool with a buffer, whose memory the room is.
        if let Some(last) = unsafe { self.last.as_mut().and_then(|last| last.buf.as_mut()) } {
            last.last = room.at;
        }
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
    fn add_piece(&mut self) -> Option<()> {
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

    /// Writes a text for which the last piece has no room.
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

/// Returns what tells buffers of this module from those of others.
fn tag() -> ngx_buf_tag_t {
    ptr::from_ref(own_module()).cast_mut().cast()
}
