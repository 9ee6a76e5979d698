//! Reading the configuration: arguments, other modules, upstreams, and whose turn a directive is.

use core::ffi::{c_char, c_void, CStr};
use core::fmt::Display;
use core::marker::PhantomData;
use core::ptr;

use ngx::core::NGX_CONF_ERROR;
use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t,
    ngx_http_complex_value_t, ngx_http_conf_ctx_t, ngx_http_upstream_conf_t,
    ngx_http_upstream_srv_conf_t, ngx_module_t, ngx_str_t, NGX_LOG_EMERG, NGX_LOG_WARN,
};
use ngx::http::{
    HttpModuleConfExt, HttpModuleMainConf, HttpModuleServerConf, NgxHttpUpstreamModule,
};

use ngx::ngx_conf_log_error;

use super::complex_value::ComplexValue;
use super::{bytes, pool, string};

/// What a directive's handler returns when it has said itself what is wrong.
pub(crate) const ERROR: *mut c_char = NGX_CONF_ERROR as *mut c_char;

/// What a directive's handler returns when all is well.
pub(crate) const OK: *mut c_char = ptr::null_mut();

/// A handle of the configuration of `http` that is being read. It holds no reference into nginx's memory; what it
/// returns is in the cycle's pool.
#[derive(Clone, Copy)]
pub(crate) struct Conf<'c> {
    cf: *mut ngx_conf_t,
    cycle: PhantomData<&'c ()>,
}

impl<'c> Conf<'c> {
    /// Makes the handle at the start of a callback.
    ///
    /// # Safety
    ///
    /// nginx has called a directive's handler or a function of the module with `cf`, inside the `http` block, and the
    /// handle is not used after that call. What is kept of `'c` is kept in memory of the same cycle.
    pub(crate) unsafe fn new(cf: *mut ngx_conf_t) -> Self {
        Conf {
            cf,
            cycle: PhantomData,
        }
    }

    /// Returns the words behind the name of the directive.
    pub(crate) fn parameters(self) -> Words<'c> {
        Words {
            conf: self,
            next: 1,
        }
    }

    fn word(self, at: usize) -> Option<&'c [u8]> {
        // SAFETY: `args` is an array of strings; nginx allocates each in the cycle's pool and does not write to it again.
        unsafe {
            let words: &[ngx_str_t] = (*(*self.cf).args).as_slice();
            words.get(at).map(|word| bytes(*word))
        }
    }

    /// Logs an error of the directive that is being read, and returns what its handler has to return.
    pub(crate) fn refuse(self, error: impl Display) -> *mut c_char {
        ngx_conf_log_error!(NGX_LOG_EMERG, self.cf, "{}", error);
        ERROR
    }

    /// Logs a warning of the directive that is being read.
    pub(crate) fn warn(self, warning: impl Display) {
        ngx_conf_log_error!(NGX_LOG_WARN, self.cf, "{}", warning);
    }

    /// Returns a module of this cycle by its name: a build of nginx may lack it, so its symbol cannot be linked to.
    pub(crate) fn module(self, name: &CStr) -> Option<&'c ngx_module_t> {
        // SAFETY: `cf` is live, as `new` demands.
        unsafe { module(self.cf, name) }
    }

    /// Hands the directive that is being read to the module that it was taken from, as nginx would have called it
    /// (`src/core/ngx_conf_file.c`, `ngx_conf_handler`). Returns `None` if that module has no such directive.
    ///
    /// In an `upstream` block.
    pub(crate) fn hand_over(self, module: &ngx_module_t, name: &[u8]) -> Option<*mut c_char> {
        // SAFETY: a module's commands end with an empty name. In an upstream block `ctx` is a context of http, which has
        // an array of configurations at the offset that a command names. A directive of such a block is called with what
        // the array has of its module, null too.
        unsafe {
            let mut command: *mut ngx_command_t = module.commands;
            while (*command).name.len != 0 {
                if bytes((*command).name) == name {
                    let confs = (*self.cf).ctx.byte_add((*command).conf);
                    let conf = *(*confs.cast::<*mut *mut c_void>()).add(module.ctx_index);
                    return Some((*command).set?(self.cf, command, conf));
                }
                command = command.add(1);
            }
        }
        None
    }

    /// Makes text with variables in it ready to be evaluated; `None` if it cannot be, or if memory is short.
    pub(crate) fn compile(self, text: &'c [u8]) -> Option<ComplexValue> {
        // SAFETY: value and text are in the cycle's pool, which is live. nginx reads the request for this call only, and
        // zero is a legal value of each of its members.
        unsafe {
            let value = pool::array::<ngx_http_complex_value_t>((*self.cf).pool, 1)?;
            value.write_bytes(0, 1);
            let mut source = string(text);
            let mut request: ngx_http_compile_complex_value_t = core::mem::zeroed();
            request.cf = self.cf;
            request.value = &raw mut source;
            request.complex_value = value.as_ptr();
            (ngx_http_compile_complex_value(&raw mut request) == 0)
                .then(|| ComplexValue::new(value))
        }
    }
}

/// The words of a directive, in order.
#[derive(Clone)]
pub(crate) struct Words<'c> {
    conf: Conf<'c>,
    next: usize,
}

impl<'c> Iterator for Words<'c> {
    type Item = &'c [u8];

    fn next(&mut self) -> Option<&'c [u8]> {
        let word = self.conf.word(self.next)?;
        self.next = self.next.saturating_add(1);
        Some(word)
    }
}

/// The words of the directive that is being read, its name first.
///
/// # Safety
///
/// `cf` is the `ngx_conf_t` of a directive's handler.
pub(crate) unsafe fn words<'a>(cf: *mut ngx_conf_t) -> &'a mut [ngx_str_t] {
    // SAFETY: args is an array of ngx_str_t in a directive's handler; nginx keeps it while it is read.
    unsafe {
        let args = (*cf).args;
        core::slice::from_raw_parts_mut((*args).elts.cast(), (*args).nelts)
    }
}

/// Where the directive stands that is being read, as nginx prints it.
///
/// # Safety
///
/// As for [`words`].
pub(crate) unsafe fn place<'a>(cf: *mut ngx_conf_t) -> (&'a [u8], usize) {
    // SAFETY: while a directive is read there is a file, whose name lives as long as the cycle.
    unsafe {
        let Some(file) = (*cf).conf_file.as_ref() else {
            return (b"", 0);
        };
        (bytes(file.file.name), file.line)
    }
}

/// A module of this cycle, by name: a build of nginx may lack it, so its symbol cannot be linked to.
///
/// # Safety
///
/// `cf` is live.
pub(crate) unsafe fn module<'a>(
    cf: *mut ngx_conf_t,
    name: &core::ffi::CStr,
) -> Option<&'a ngx_module_t> {
    // SAFETY: while a configuration is read, the cycle's modules are a list that ends with null.
    unsafe {
        let mut modules = (*(*cf).cycle).modules;
        while let Some(module) = (*modules).as_ref() {
            if core::ffi::CStr::from_ptr(module.name) == name {
                return Some(module);
            }
            modules = modules.add(1);
        }
    }
    None
}

/// Hands the directive that is being read to the module that it was taken from, as nginx would have
/// called it (`src/core/ngx_conf_file.c`, `ngx_conf_handler`). `None`: that module has no such directive.
///
/// # Safety
///
/// `cf` is that of a directive's handler in an `upstream` block.
pub(crate) unsafe fn hand_over(
    cf: *mut ngx_conf_t,
    module: &ngx_module_t,
    name: &[u8],
) -> Option<*mut c_char> {
    // SAFETY: a module's commands end with an empty name. A directive in an upstream block has a
    // configuration in the context at the offset that its command names.
    unsafe {
        let mut command: *mut ngx_command_t = module.commands;
        while (*command).name.len != 0 {
            if bytes((*command).name) == name {
                let confs = (*cf)
                    .ctx
                    .byte_add((*command).conf)
                    .cast::<*mut *mut c_void>();
                let conf = *(*confs).add(module.ctx_index);
                return Some((*command).set?(cf, command, conf));
            }
            command = command.add(1);
        }
    }
    None
}

/// The upstream whose block is being read.
///
/// # Safety
///
/// As for [`hand_over`].
pub(crate) unsafe fn current_upstream(cf: *mut ngx_conf_t) -> *mut ngx_http_upstream_srv_conf_t {
    // SAFETY: `cf` is live; in an upstream block the context has the upstream module's configuration.
    let us = unsafe { NgxHttpUpstreamModule::server_conf_mut(&*cf) };
    us.map_or(ptr::null_mut(), |us| us)
}

/// Where an `upstream` block stands, as nginx prints it.
///
/// # Safety
///
/// `us` is an explicit upstream of a configuration that is being read.
pub(crate) unsafe fn declared_at<'a>(us: *mut ngx_http_upstream_srv_conf_t) -> (&'a [u8], usize) {
    // SAFETY: nginx gives every explicit upstream the name of its file.
    unsafe {
        let file = core::ffi::CStr::from_ptr((*us).file_name.cast());
        (file.to_bytes(), (*us).line)
    }
}

/// All `upstream` blocks of the configuration that is being read, or of a cycle; none of the upstreams
/// that nginx makes of plain addresses.
///
/// # Safety
///
/// `conf` is in the `http` block, or a complete cycle.
pub(crate) unsafe fn upstreams<'a>(
    conf: *const impl HttpModuleConfExt,
) -> impl Iterator<Item = *mut ngx_http_upstream_srv_conf_t> + 'a {
    // SAFETY: the caller's promise; `upstreams` is an array of pointers that live as long as the cycle.
    let all: &[*mut ngx_http_upstream_srv_conf_t] = unsafe {
        NgxHttpUpstreamModule::main_conf(&*conf).map_or(&[], |main| main.upstreams.as_slice())
    };
    // SAFETY: as above.
    all.iter()
        .copied()
        .filter(|us| unsafe { !(**us).srv_conf.is_null() })
}

/// The modules that pass requests to an upstream and tell it in the first member of their location's
/// configuration, a `ngx_http_upstream_conf_t`.
const PASSING: [&core::ffi::CStr; 5] = [
    c"ngx_http_proxy_module",
    c"ngx_http_fastcgi_module",
    c"ngx_http_uwsgi_module",
    c"ngx_http_scgi_module",
    c"ngx_http_grpc_module",
];

/// The upstreams that the location being merged may pass to and that are known ahead: the address has no
/// variable and names an `upstream` block. An `if` has that of its location besides its own.
///
/// # Safety
///
/// `cf` is that of a `merge_loc_conf` that runs after those of the passing modules.
pub(crate) unsafe fn passed_upstreams(
    cf: *mut ngx_conf_t,
) -> Vec<*mut ngx_http_upstream_srv_conf_t> {
    // SAFETY: while a location is merged, the context has the configurations of that location.
    let upstream = |name: &core::ffi::CStr| unsafe {
        let context = (*cf).ctx.cast::<ngx_http_conf_ctx_t>();
        let conf = *(*context).loc_conf.add(module(cf, name)?.ctx_index);
        let upstream = conf.cast::<ngx_http_upstream_conf_t>().as_ref()?.upstream;
        (!upstream.is_null() && !(*upstream).srv_conf.is_null()).then_some(upstream)
    };
    PASSING.iter().filter_map(|name| upstream(name)).collect()
}

/// Reads a time: bare seconds, or nginx's `1h30m`.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    let mut value = super::string(text);
    // SAFETY: ngx_parse_time reads the string only.
    let seconds = unsafe { ngx::ffi::ngx_parse_time(&raw mut value, 1) };
    u64::try_from(seconds).ok()
}
