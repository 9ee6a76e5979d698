//! nginx's time.

use core::fmt::{self, Display};

use ngx::ffi::{
    ngx_current_msec, ngx_http_cookie_time, ngx_http_time, ngx_localtime, ngx_time, ngx_tm_t,
    time_t,
};
use session_cookie::set_cookie::DATE;

/// Returns the seconds since the epoch.
#[inline(always)]
pub(crate) fn now() -> u64 {
    // nginx's time is never before the epoch.
    ngx_time() as u64
}

/// Returns the milliseconds of nginx's monotonic clock, which is the same in all its processes.
#[inline]
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: nginx updates it only between callbacks.
    unsafe { ngx_current_msec as u64 }
}

/// A time in seconds, printed like that of the error log.
pub(crate) struct Clock(pub(crate) time_t);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the structure consists of numbers and a pointer, for which zero is valid; ngx_localtime() sets the numbers.
        let time = unsafe {
            let mut time: ngx_tm_t = core::mem::zeroed();
            ngx_localtime(self.0, &raw mut time);
            time
        };
        write!(
            f,
            "{:02}:{:02}:{:02}",
            time.tm_hour, time.tm_min, time.tm_sec
        )
    }
}

/// Writes a time as an HTTP-date, and returns its length, which is [`DATE`] until the year 9999.
pub(crate) fn write_http_date(date: &mut [u8; DATE], at: time_t) -> usize {
    let start = date.as_mut_ptr();
    // SAFETY: `date` has the length of an HTTP-date, which is what ngx_http_time() writes.
    let end = unsafe { ngx_http_time(start, at) };
    (end.addr()).wrapping_sub(start.addr()).min(DATE)
}

/// Writes a time as nginx does in cookies, and returns its length: an HTTP-date with hyphens and, until the year 2037, with a
/// two-digit year.
pub(crate) fn write_cookie_date(date: &mut [u8; DATE], at: time_t) -> usize {
    let start = date.as_mut_ptr();
    // SAFETY: `date` has the length of an HTTP-date, and ngx_http_cookie_time() writes no more than that.
    let end = unsafe { ngx_http_cookie_time(start, at) };
    (end.addr()).wrapping_sub(start.addr()).min(DATE)
}
