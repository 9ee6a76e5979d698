//! An event by which a request goes on after others had their turn.

use core::cell::UnsafeCell;

use ngx::ffi::{
    ngx_add_timer, ngx_del_timer, ngx_delete_posted_event, ngx_event_t, ngx_http_log_ctx_t,
    ngx_http_request_t, ngx_http_run_posted_requests, ngx_msec_t, ngx_post_event,
    ngx_posted_next_events,
};

use super::request::Request;

/// A worker that is about to end does so when no timer is left, whatever is posted. So there is one until the event has
/// happened, which is long before this time is over.
const TIME: ngx_msec_t = 60_000;

/// What goes on then.
pub(crate) trait Resume {
    /// Goes on with a request, which may be gone after that.
    fn resume(request: Request<'_>);
}

/// An event of a request, in its pool: nginx links it into a queue.
pub(crate) struct Resumption<'r> {
    event: UnsafeCell<ngx_event_t>,
    request: Request<'r>,
}

impl<'r> Resumption<'r> {
    /// Returns an event that is not to happen yet; `None`: memory is short.
    pub(crate) fn of(request: Request<'r>) -> Option<&'r Self> {
        let event = || Resumption {
            // SAFETY: numbers and pointers, of which zero is one.
            event: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            request,
        };
        request.pool().place_dropped(event).map(|event| &*event)
    }

    /// Lets the event happen when nginx has looked for others.
    pub(crate) fn post<H: Resume>(&'r self) {
        // SAFETY: `of` has made the event, so it stays where it is, and is taken out of the queue when the request ends.
        // Nothing else refers to it.
        unsafe {
            let event = self.event.get();
            let r = self.request.as_ptr();
            (*event).data = r.cast();
            (*event).handler = Some(happen::<H>);
            (*event).log = (*(*r).connection).log;
            ngx_post_event(event, &raw mut ngx_posted_next_events);
            ngx_add_timer(event, TIME);
        }
    }
}

impl Drop for Resumption<'_> {
    fn drop(&mut self) {
        // SAFETY: the event stays where it is until this returns.
        unsafe { take_out(self.event.get()) };
    }
}

/// Takes an event out of the queue and out of the timers, as far as it is there.
///
/// # Safety
///
/// The event is one of a [`Resumption`], which lives.
unsafe fn take_out(event: *mut ngx_event_t) {
    // SAFETY: the event lives, as the caller vouches; its bits tell where nginx has linked it.
    unsafe {
        if (*event).posted() != 0 {
            ngx_delete_posted_event(event);
        }
        if (*event).timer_set() != 0 {
            ngx_del_timer(event);
        }
    }
}

/// Goes on with the request of an event, as nginx goes on with that of a connection (`ngx_http_request_handler`).
unsafe extern "C" fn happen<H: Resume>(event: *mut ngx_event_t) {
    // SAFETY: nginx calls this for an event that was posted and not dropped, so its request is live, and has a connection, which
    // stays where it is when the request has ended. The log of the connection of a request has the context of one.
    unsafe {
        take_out(event);
        let r = (*event).data.cast::<ngx_http_request_t>();
        let connection = (*r).connection;
        let context = (*(*connection).log).data.cast::<ngx_http_log_ctx_t>();
        (*context).current_request = r;
        H::resume(Request::new(r));
        ngx_http_run_posted_requests(connection);
    }
}
