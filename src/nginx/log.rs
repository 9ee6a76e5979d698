//! nginx's error log.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use ngx::ffi::{ngx_cycle, ngx_log_t, ngx_uint_t};
use ngx::log::{log_error, write_fmt, LOG_BUFFER_SIZE};

/// The log of a request, a connection or a cycle.
#[derive(Clone, Copy)]
pub(crate) struct Log<'a>(NonNull<ngx_log_t>, PhantomData<&'a ()>);

/// A type that has a log.
pub(crate) trait HasLog {
    /// Returns the log.
    fn log(&self) -> Log<'_>;
}

impl HasLog for Log<'_> {
    fn log(&self) -> Log<'_> {
        *self
    }
}

impl Log<'_> {
    /// Creates the handle of a log.
    ///
    /// # Safety
    ///
    /// `log` is not null, and is live as long as the handle is used, like that of a connection, a request or a cycle.
    pub(crate) unsafe fn new(log: *mut ngx_log_t) -> Self {
        // SAFETY: the caller guarantees that `log` is not null.
        Log(unsafe { NonNull::new_unchecked(log) }, PhantomData)
    }

    /// Returns the log of the current cycle.
    pub(crate) fn of_cycle() -> Self {
        // SAFETY: a process that serves requests has a current cycle, and that has a log.
        unsafe { Log::new((*ngx_cycle).log) }
    }

    fn level(self) -> ngx_uint_t {
        // SAFETY: the log lives as long as its handle, and nginx sets the level only while it reads a configuration.
        unsafe { self.0.as_ref().log_level }
    }

    /// Returns whether HTTP debug messages are logged.
    #[inline]
    pub(crate) fn debugs_http(self) -> bool {
        self.level() & ngx::ffi::NGX_LOG_DEBUG_HTTP as ngx_uint_t != 0
    }

    /// Logs a message, if the log includes messages of this level.
    #[cold]
    #[inline(never)]
    pub(crate) fn write(self, level: u32, line: fmt::Arguments<'_>) {
        let level = level as ngx_uint_t;
        if level <= self.level() {
            self.write_line(level, line);
        }
    }

    /// Logs a debug message.
    #[cold]
    #[inline(never)]
    pub(crate) fn write_debug(self, line: fmt::Arguments<'_>) {
        self.write_line(ngx::ffi::NGX_LOG_DEBUG as ngx_uint_t, line);
    }

    fn write_line(self, level: ngx_uint_t, line: fmt::Arguments<'_>) {
        let mut buffer = [const { MaybeUninit::<u8>::uninit() }; LOG_BUFFER_SIZE];
        let line = write_fmt(&mut buffer, line);
        // SAFETY: the log lives as long as its handle, and nginx copies the message before it returns.
        unsafe { log_error(level, self.0.as_ptr(), 0, line) };
    }
}
