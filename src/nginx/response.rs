//! The response that the module itself makes of a request: its header, and its end.

use core::ptr::NonNull;

use ngx::core::Status;
use ngx::ffi::{ngx_add_timer, ngx_del_timer};
use ngx::ffi::{
    ngx_handle_write_event, ngx_http_block_reading, ngx_http_discard_request_body,
    ngx_http_event_handler_pt, ngx_http_finalize_request, ngx_http_request_t, ngx_http_send_header,
    ngx_http_test_reading, ngx_int_t, ngx_list_push, ngx_table_elt_t, off_t,
    NGX_HTTP_REQUEST_TIME_OUT,
};
use ngx::http::{HttpModuleLocationConf, NgxHttpCoreModule};
use session_cookie::memory::OutOfMemory;

use super::request::Request;
use super::string;

/// What is called when more of a response can be sent.
pub(crate) type WriteHandler = unsafe extern "C" fn(*mut ngx_http_request_t);

/// The header of a response.
pub(crate) struct Head<'a> {
    pub(crate) status: usize,
    pub(crate) content_type: &'static str,
    /// The length of the body, where it is known.
    pub(crate) length: Option<usize>,
    /// The other fields.
    pub(crate) fields: &'a [(&'static str, &'static str)],
}

/// Whether more of a response can be sent.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Writable {
    Now,
    /// The bandwidth of the client is used up for the moment.
    Later,
    /// The client did not take anything for as long as `send_timeout`.
    TimedOut,
}

impl<'r> Request<'r> {
    /// Reads the body, and forgets it. Returns what the handler of the content has to return, if that fails.
    pub(crate) fn discard_body(self) -> Result<(), ngx_int_t> {
        // SAFETY: the request is live.
        let rc = unsafe { ngx_http_discard_request_body(self.as_ptr()) };
        ok(rc)
    }

    /// Adds a field to the response, whose header was not sent.
    fn add_field(self, name: &'static str, value: &'r [u8]) -> Result<(), OutOfMemory> {
        // SAFETY: the list of a live request.
        let field = unsafe { ngx_list_push(&raw mut (*self.as_ptr()).headers_out.headers) };
        let field = NonNull::new(field.cast()).ok_or(OutOfMemory)?;
        let new = ngx_table_elt_t {
            hash: 1,
            key: string(name.as_bytes()),
            value: string(value),
            lowcase_key: core::ptr::null_mut(),
            #[cfg(nginx_header_chains)]
            next: core::ptr::null_mut(),
        };
        // SAFETY: the new element is written whole.
        unsafe { field.write(new) };
        Ok(())
    }

    /// Sends the header. Returns what the handler of the content has to return, if that fails.
    pub(crate) fn send_header(self, head: &Head<'_>) -> Result<(), ngx_int_t> {
        for (name, value) in head.fields {
            (self.add_field(name, value.as_bytes()))
                .map_err(|_| ngx_int_t::from(Status::NGX_ERROR))?;
        }
        // SAFETY: the request is live, and nobody holds a reference to what is sent of it.
        let rc = unsafe {
            let out = &raw mut (*self.as_ptr()).headers_out;
            (*out).status = head.status;
            (*out).content_type = string(head.content_type.as_bytes());
            (*out).content_type_len = head.content_type.len();
            (*out).content_type_lowcase = core::ptr::null_mut();
            (*out).content_length_n = head.length.map_or(-1, |length| length as off_t);
            ngx_http_send_header(self.as_ptr())
        };
        // What could not be written to the connection yet is.
        if rc == Status::NGX_AGAIN.0 {
            return Ok(());
        }
        ok(rc)
    }

    /// Lets nginx wait for the response, which goes on later by `handler`, or by an event of the module's own. What is to
    /// be returned by the handler of the content then is `NGX_DONE`.
    pub(crate) fn go_on_later(self, handler: WriteHandler) {
        self.hold();
        // SAFETY: the request is live. What a client sends is read as nginx reads it while it sends a file: to find out whether
        // the client is still there. What reads the body that nobody wants does that too.
        unsafe {
            let r = self.as_ptr();
            (*r).write_event_handler = Some(handler);
            if is(&(*r).read_event_handler, ngx_http_block_reading) {
                (*r).read_event_handler = Some(ngx_http_test_reading);
            }
        }
    }

    /// Lets nginx call the handler when more can be sent. A subrequest whose turn has not come is called when it has.
    pub(crate) fn wait_to_write(self) -> Result<(), ngx_int_t> {
        // SAFETY: the request is live, and has a connection with its events, and the configuration of a location.
        unsafe {
            let r = self.as_ptr();
            let connection = (*r).connection;
            if (*connection).data != r.cast() {
                return Ok(());
            }
            let core = NgxHttpCoreModule::location_conf(&*r);
            let (timeout, least) = core.map_or((0, 0), |core| (core.send_timeout, core.send_lowat));
            let event = (*connection).write;
            if (*event).delayed() == 0 {
                ngx_add_timer(event, timeout);
            }
            ok(ngx_handle_write_event(event, least))
        }
    }

    /// Tells, when nginx has called the handler, whether more can be sent.
    pub(crate) fn writable(self) -> Writable {
        // SAFETY: the request is live, and has a connection with its events.
        unsafe {
            let connection = (*self.as_ptr()).connection;
            let event = (*connection).write;
            if (*event).timedout() != 0 {
                (*connection).set_timedout(1);
                return Writable::TimedOut;
            }
            if (*event).delayed() != 0 {
                return Writable::Later;
            }
        }
        Writable::Now
    }

    /// Ends the time in which the client has to take something.
    pub(crate) fn stop_waiting(self) {
        // SAFETY: the request is live, and has a connection with its events.
        unsafe {
            let connection = (*self.as_ptr()).connection;
            let event = (*connection).write;
            if (*connection).data == self.as_ptr().cast()
                && (*event).timer_set() != 0
                && (*event).delayed() == 0
            {
                ngx_del_timer(event);
            }
        }
    }

    /// Ends a request that [goes on later](Self::go_on_later), which may be gone then.
    pub(crate) fn end(self, rc: ngx_int_t) {
        // SAFETY: the request is live, and was held once; the caller uses it no more.
        unsafe { ngx_http_finalize_request(self.as_ptr(), rc) };
    }
}

/// What ends a request whose client takes nothing.
pub(crate) const TIMED_OUT: ngx_int_t = NGX_HTTP_REQUEST_TIME_OUT as ngx_int_t;

fn ok(rc: ngx_int_t) -> Result<(), ngx_int_t> {
    if rc == Status::NGX_OK.0 {
        Ok(())
    } else {
        Err(rc)
    }
}

fn is(handler: &ngx_http_event_handler_pt, other: WriteHandler) -> bool {
    handler.is_some_and(|handler| handler as usize == other as usize)
}
