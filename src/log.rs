//! Macros for lines in nginx's log, by level, through any value that [has a log](crate::nginx::log::HasLog).

/// Writes a line at level `error`.
macro_rules! log_error {
    ($log:expr, $($line:tt)+) => {
        $crate::nginx::log::HasLog::log(&$log)
            .write(ngx::ffi::NGX_LOG_ERR, format_args!($($line)+))
    };
}

/// Writes a line at level `warn`.
macro_rules! log_warn {
    ($log:expr, $($line:tt)+) => {
        $crate::nginx::log::HasLog::log(&$log)
            .write(ngx::ffi::NGX_LOG_WARN, format_args!($($line)+))
    };
}

/// Writes a line at level `notice`.
macro_rules! log_notice {
    ($log:expr, $($line:tt)+) => {
        $crate::nginx::log::HasLog::log(&$log)
            .write(ngx::ffi::NGX_LOG_NOTICE, format_args!($($line)+))
    };
}

/// Writes a line at level `info`.
macro_rules! log_info {
    ($log:expr, $($line:tt)+) => {
        $crate::nginx::log::HasLog::log(&$log)
            .write(ngx::ffi::NGX_LOG_INFO, format_args!($($line)+))
    };
}

/// Writes a line at level `debug` if nginx was built with `--with-debug`; otherwise, generates no code.
macro_rules! log_debug {
    ($log:expr, $($line:tt)+) => {
        if cfg!(ngx_feature = "debug") {
            let log = $crate::nginx::log::HasLog::log(&$log);
            if log.debugs_http() {
                log.write_debug(format_args!($($line)+));
            }
        }
    };
}

pub(crate) use {
    log_debug as debug, log_error as error, log_info as info, log_notice as notice,
    log_warn as warn,
};
