//! Responses that may be long. They are generated and sent in slices, and other events are processed in between.

use core::ptr::NonNull;

use ngx::core::Status as Code;
use ngx::ffi::{ngx_http_request_t, ngx_int_t, ngx_module_t};
use ngx::http::HttpModule;
use session_cookie::memory::OutOfMemory;

use super::document::Document;
use super::exposition::Exposition;
use super::reply::{self, Fault, JSON, PROMETHEUS};
use crate::nginx::own_module::server_module;
use crate::nginx::pieces::Pieces;
use crate::nginx::request::{HttpModuleContext, Request};
use crate::nginx::response::{Writable, TIMED_OUT};
use crate::nginx::resumption::{Resume, Resumption};
use crate::nginx::worker_cell::WorkerCell;

/// The response to a request.
pub(super) struct Answer<'r> {
    stream: WorkerCell<Stream<'r>>,
    resumption: &'r Resumption<'r>,
}

/// The state of generating and sending the response.
struct Stream<'r> {
    content: Content<'r>,
    pieces: Pieces<'r>,
    header_sent: bool,
    ended: bool,
}

/// The content of a response.
pub(super) enum Content<'r> {
    Json(Document<'r>),
    Prometheus(Exposition<'r>),
}

impl Content<'_> {
    fn step(&mut self, pieces: &mut Pieces<'_>) -> Result<bool, OutOfMemory> {
        match self {
            Content::Json(document) => document.step(pieces),
            Content::Prometheus(exposition) => exposition.step(pieces),
        }
    }

    /// Returns whether the requested server was found so far, or none was requested.
    fn is_met(&self) -> bool {
        match self {
            Content::Json(document) => document.is_met(),
            Content::Prometheus(_) => true,
        }
    }

    fn content_type(&self) -> &'static str {
        match self {
            Content::Json(_) => JSON,
            Content::Prometheus(_) => PROMETHEUS,
        }
    }
}

/// How a response continues.
enum Next {
    /// It has ended, with this return code.
    End(ngx_int_t),
    /// After other events were processed.
    Soon,
    /// When more can be sent to the client.
    WhenWritable,
}

/// The module whose request context is the [`Answer`].
struct Goes;

impl HttpModule for Goes {
    fn module() -> &'static ngx_module_t {
        server_module()
    }
}

impl HttpModuleContext for Goes {
    type Context<'r> = Answer<'r>;
}

/// Begins a response. Returns the return code for the content handler.
pub(super) fn begin<'r>(request: Request<'r>, content: Content<'r>) -> ngx_int_t {
    let Some(resumption) = Resumption::of(request) else {
        return Code::NGX_ERROR.into();
    };
    let answer = || Answer {
        stream: WorkerCell::new(Stream {
            content,
            pieces: Pieces::new(request.pool()),
            header_sent: false,
            ended: false,
        }),
        resumption,
    };
    let Some(answer) = request.pool().place_dropped(answer) else {
        return Code::NGX_ERROR.into();
    };
    let next = answer.proceed(request);
    request.set_context::<Goes>(Some(NonNull::from(&mut *answer)));
    match answer.wait(request, next) {
        Ok(()) => {
            request.go_on_later(on_writable);
            Code::NGX_DONE.into()
        }
        Err(rc) => rc,
    }
}

/// Continues a response as far as possible.
fn go_on(request: Request<'_>) {
    let Some(answer) = request
        .context::<Goes>()
        .filter(|answer| !answer.has_ended())
    else {
        return;
    };
    let next = answer.proceed(request);
    if let Err(rc) = answer.wait(request, next) {
        request.end(rc);
    }
}

impl Resume for Goes {
    fn resume(request: Request<'_>) {
        go_on(request);
    }
}

/// The write handler: more can be sent, or the timeout has expired.
#[allow(unsafe_code)]
unsafe extern "C" fn on_writable(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls this for a live request for which `begin` has installed it.
    let request = unsafe { Request::new(r) };
    let rc = match request.writable() {
        Writable::Now => return go_on(request),
        Writable::Later => match request.wait_to_write() {
            Ok(()) => return,
            Err(rc) => rc,
        },
        Writable::TimedOut => TIMED_OUT,
    };
    if let Some(answer) = request.context::<Goes>() {
        answer.note_end();
    }
    request.end(rc);
}

impl<'r> Answer<'r> {
    fn proceed(&self, request: Request<'r>) -> Next {
        match self.stream.write() {
            Some(mut stream) => stream.proceed(request),
            None => Next::Soon,
        }
    }

    /// Schedules the continuation of a response. Returns an error with the return code if it has ended.
    fn wait(&'r self, request: Request<'r>, next: Next) -> Result<(), ngx_int_t> {
        let rc = match next {
            Next::Soon => {
                request.stop_waiting();
                self.resumption.post::<Goes>();
                return Ok(());
            }
            Next::WhenWritable => match request.wait_to_write() {
                Ok(()) => return Ok(()),
                Err(rc) => rc,
            },
            Next::End(rc) => rc,
        };
        self.note_end();
        Err(rc)
    }

    fn has_ended(&self) -> bool {
        self.stream.read().is_none_or(|stream| stream.ended)
    }

    fn note_end(&self) {
        if let Some(mut stream) = self.stream.write() {
            stream.ended = true;
        }
    }
}

impl<'r> Stream<'r> {
    /// Generates and sends a slice, if all previous output has been sent.
    fn proceed(&mut self, request: Request<'r>) -> Next {
        if !self.pieces.is_clear() {
            let rc = self.pieces.send(request, false);
            if rc == Code::NGX_ERROR.0 {
                return Next::End(rc);
            }
            if !self.pieces.is_clear() {
                return Next::WhenWritable;
            }
        }
        let step = self.content.step(&mut self.pieces);
        let Some(goes_on) = step.ok().filter(|_| !self.pieces.lacks_memory()) else {
            // If the header was sent already, the client sees that the response is incomplete.
            return Next::End(Code::NGX_ERROR.into());
        };
        if !self.header_sent {
            if !self.content.is_met() {
                return if goes_on {
                    Next::Soon
                } else {
                    Next::End(reply::refuse(request, Fault::NoServer))
                };
            }
            let length = (!goes_on).then(|| self.pieces.length());
            if let Err(rc) = request.send_header(&reply::head(self.content.content_type(), length))
            {
                return Next::End(rc);
            }
            self.header_sent = true;
            if request.wants_header_only() {
                return Next::End(Code::NGX_OK.into());
            }
        }
        let rc = self.pieces.send(request, !goes_on);
        if !goes_on || rc == Code::NGX_ERROR.0 {
            Next::End(rc)
        } else if self.pieces.is_clear() {
            Next::Soon
        } else {
            Next::WhenWritable
        }
    }
}
