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
    // nginx runs behind the epoch.
    ngx_time() as u64
}

/// Returns the milliseconds of nginx's monotonic clock, which all its processes share.
#[inline]
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: nginx writes it when it updates its time, between two callbacks.
    unsafe { ngx_current_msec as u64 }
}

/// A second as the time of the error log.
pub(crate) struct Clock(pub(crate) time_t);

impl Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: a structure of numbers and a pointer, for which zero is legal; ngx_localtime() writes the numbers.
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

/// Writes a second as an HTTP-date, and returns its length. Until the year 9999 that is [`DATE`].
pub(crate) fn write_http_date(date: &mut [u8; DATE], at: time_t) -> usize {
    let start = date.as_mut_ptr();
    // SAFETY: ngx_http_time() writes an HTTP-date, for which `date` is as long as one.
    let end = unsafe { ngx_http_time(start, at) };
    (end.addr()).wrapping_sub(start.addr()).min(DATE)
}

/// Writes a second as nginx writes it in cookies, and returns its length: an HTTP-date with hyphens, and until the year
/// 2037 with two digits for the year.
pub(crate) fn write_cookie_date(date: &mut [u8; DATE], at: time_t) -> usize {
    let start = date.as_mut_ptr();
    // SAFETY: ngx_http_cookie_time() writes no more than an HTTP-date has, for which `date` is as long as one.
    let end = unsafe { ngx_http_cookie_time(start, at) };
    (end.addr()).wrapping_sub(start.addr()).min(DATE)
}
