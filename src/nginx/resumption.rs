//! An event that continues a request after nginx has handled other events.

use core::cell::UnsafeCell;

use ngx::ffi::{
    ngx_add_timer, ngx_del_timer, ngx_delete_posted_event, ngx_event_t, ngx_http_log_ctx_t,
    ngx_http_request_t, ngx_http_run_posted_requests, ngx_msec_t, ngx_post_event,
    ngx_posted_next_events,
};

use super::request::Request;

/// A worker that is shutting down exits when no timer is left, even if events are posted. This timer, in milliseconds, keeps it
/// running until the event is handled, which happens long before the timer expires.
const TIME: ngx_msec_t = 60_000;

/// The code that continues a request.
pub(crate) trait Resume {
    /// Continues a request, which may be freed by this.
    fn resume(request: Request<'_>);
}

/// An event of a request, in its pool. nginx links it into a queue.
pub(crate) struct Resumption<'r> {
    event: UnsafeCell<ngx_event_t>,
    request: Request<'r>,
}

impl<'r> Resumption<'r> {
    /// Returns an event that is not posted yet; `None` if memory is short.
    pub(crate) fn of(request: Request<'r>) -> Option<&'r Self> {
        let event = || Resumption {
            // SAFETY: the structure consists of numbers and pointers, for which zero is valid.
            event: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            request,
        };
        request.pool().place_dropped(event).map(|event| &*event)
    }

    /// Posts the event; nginx handles it after it has polled for other events.
    pub(crate) fn post<H: Resume>(&'r self) {
        // SAFETY: `of` has allocated the event, so it is not moved, and it is removed from the queue when the request ends. No
        // reference to it exists.
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
        // SAFETY: the event is not moved before this returns.
        unsafe { take_out(self.event.get()) };
    }
}

/// Removes an event from the queue and from the timers, if it is there.
///
/// # Safety
///
/// The event belongs to a live [`Resumption`].
unsafe fn take_out(event: *mut ngx_event_t) {
    // SAFETY: the caller guarantees that the event is live; its bits show where nginx has linked it.
    unsafe {
        if (*event).posted() != 0 {
            ngx_delete_posted_event(event);
        }
        if (*event).timer_set() != 0 {
            ngx_del_timer(event);
        }
    }
}

/// Continues the request of an event, as nginx continues that of a connection (`ngx_http_request_handler`).
unsafe extern "C" fn happen<H: Resume>(event: *mut ngx_event_t) {
    // SAFETY: nginx calls this for an event that was posted and not dropped, so its request is live and has a connection, which
    // remains in memory after the request has ended. The log of a request's connection has a context of this type.
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
