//! Reading the configuration: the words of a directive, other modules, upstreams, and lines in the log.

use core::ffi::{c_char, c_void, CStr};
use core::fmt::Display;
use core::marker::PhantomData;
use core::ptr;

use ngx::core::NGX_CONF_ERROR;
use ngx::ffi::{
    ngx_array_push, ngx_command_t, ngx_conf_full_name, ngx_conf_t, ngx_http_add_variable,
    ngx_http_compile_complex_value, ngx_http_compile_complex_value_t, ngx_http_complex_value_t,
    ngx_http_conf_ctx_t, ngx_http_get_variable_index, ngx_http_handler_pt,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_http_request_t, ngx_http_upstream_conf_t,
    ngx_int_t, ngx_module_t, ngx_str_t, ngx_uint_t, NGX_HTTP_VAR_NOCACHEABLE, NGX_LOG_EMERG,
    NGX_LOG_WARN,
};
use ngx::http::{
    HttpModuleLocationConf, HttpModuleMainConf, HttpModuleServerConf, NgxHttpCoreModule,
    NgxHttpUpstreamModule,
};
use ngx::{ngx_conf_log_error, ngx_log_error};
use session_cookie::memory::OutOfMemory;

use super::complex_value::ComplexValue;
use super::own_variable;
use super::pool::Pool;
use super::upstream::{Place, Upstream};
use super::variable::Variable;
use super::variables::CookieVariables;
use super::{bytes, string};

/// A handler of a phase.
pub(crate) type Handler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

/// The last phase before content.
const BEFORE_CONTENT: usize = ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as usize;

/// What a directive's handler returns when it has logged itself what is wrong.
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

    /// Returns what nginx knows it by.
    pub(super) fn as_ptr(self) -> *mut ngx_conf_t {
        self.cf
    }

    /// Returns the pool of the cycle.
    pub(super) fn pool(self) -> Pool<'c> {
        // SAFETY: `cf` is live, as `new` demands, and has the pool of the cycle.
        unsafe { Pool::new((*self.cf).pool) }
    }

    /// Makes a configuration in the pool of the cycle, which drops it when the cycle ends. Returns null if memory is short.
    pub(crate) fn create<T: Default>(self) -> *mut c_void {
        let conf = self.pool().place_dropped(T::default);
        conf.map_or(ptr::null_mut(), |conf| ptr::from_mut(conf).cast())
    }

    /// Keeps a value as long as the cycle.
    pub(crate) fn keep<T>(self, value: T) -> Result<&'c T, OutOfMemory> {
        let kept = self.pool().place_dropped(|| value);
        kept.map(|kept| &*kept).ok_or(OutOfMemory)
    }

    /// Returns the configuration of a module of the `http` block.
    pub(crate) fn main_conf<M: HttpModuleMainConf>(self) -> Option<&'c M::MainConf>
    where
        M::MainConf: 'static,
    {
        // SAFETY: `cf` is live, and the configuration lives as long as the cycle; whoever writes to it holds no handle then.
        unsafe { M::main_conf(&*self.cf) }
    }

    /// Lets a handler be called for each request in the last phase before content.
    pub(crate) fn call_before_content(self, handler: Handler) -> Result<(), OutOfMemory> {
        // SAFETY: the core module's configuration is in the cycle's pool, with an array of each phase; nginx reads it when
        // all of the http block was read, which is not yet. The new element is written whole.
        unsafe {
            let core = NgxHttpCoreModule::main_conf_mut(&*self.cf).ok_or(OutOfMemory)?;
            let phase = core.phases.get_mut(BEFORE_CONTENT).ok_or(OutOfMemory)?;
            let place = ngx_array_push(&raw mut phase.handlers).cast::<ngx_http_handler_pt>();
            *place.as_mut().ok_or(OutOfMemory)? = Some(handler);
        }
        Ok(())
    }

    /// Returns the variables of the configuration that show cookies. All directives were read, and nginx has not prepared
    /// the variables yet.
    pub(crate) fn cookie_variables(self) -> Result<CookieVariables, OutOfMemory> {
        // SAFETY: `cf` is live, and the core module's configuration is in the cycle's pool.
        let core = unsafe { NgxHttpCoreModule::main_conf(&*self.cf) };
        core.map_or(Ok(CookieVariables::default()), CookieVariables::of)
    }

    /// Makes a variable ready to be evaluated. All directives were read, and nginx has not prepared the variables yet.
    pub(crate) fn complete_variable(self, variable: &Variable) {
        // SAFETY: `cf` is live, and the core module's configuration is in the cycle's pool.
        if let Some(core) = unsafe { NgxHttpCoreModule::main_conf(&*self.cf) } {
            variable.complete(core);
        }
    }

    /// Returns the words of the directive that is being read, its name first.
    pub(crate) fn words(self) -> Words<'c> {
        Words {
            conf: self,
            start: 0,
        }
    }

    /// Returns the words behind the name of the directive.
    pub(crate) fn parameters(self) -> Words<'c> {
        Words {
            conf: self,
            start: 1,
        }
    }

    fn word(self, at: usize) -> Option<&'c [u8]> {
        // SAFETY: `args` is an array of strings; nginx allocates each in the cycle's pool and does not write to it again.
        unsafe {
            let words: &[ngx_str_t] = (*(*self.cf).args).as_slice();
            words.get(at).map(|word| bytes(*word))
        }
    }

    /// Does with each word of the directive what `edit` says of it and of its place.
    pub(crate) fn edit_words(self, mut edit: impl FnMut(usize, &'c [u8]) -> Edit) {
        let mut kept = 0usize;
        for (at, word) in self.words().iter().enumerate() {
            let word = match edit(at, word) {
                Edit::Keep => word,
                Edit::Replace(word) => word.to_bytes(),
                Edit::Remove => continue,
            };
            // SAFETY: `args` is an array of strings, to which nobody holds a reference. The place is at most that of
            // the word that was read last.
            unsafe {
                let words: &mut [ngx_str_t] = (*(*self.cf).args).as_slice_mut();
                if let Some(place) = words.get_mut(kept) {
                    *place = string(word);
                }
            }
            kept = kept.saturating_add(1);
        }
        // SAFETY: the array has had at least as many elements.
        unsafe { (*(*self.cf).args).nelts = kept };
    }

    /// Returns where the directive stands that is being read.
    pub(crate) fn place(self) -> Place<'c> {
        // SAFETY: while a directive is read there is a file, whose name is in the cycle's pool.
        unsafe {
            match (*self.cf).conf_file.as_ref() {
                Some(file) => Place {
                    file: bytes(file.file.name),
                    line: file.line,
                },
                None => Place { file: b"", line: 0 },
            }
        }
    }

    /// Logs an error of the directive that is being read, and returns what its handler has to return.
    pub(crate) fn refuse(self, error: impl Display) -> *mut c_char {
        ngx_conf_log_error!(NGX_LOG_EMERG, self.cf, "{}", error);
        ERROR
    }

    /// Logs an error of what was read before, and returns what nginx has to be told.
    pub(crate) fn refuse_block(self, error: impl Display) -> *mut c_char {
        // SAFETY: while a configuration is read there is a log.
        let log = unsafe { (*self.cf).log };
        ngx_log_error!(NGX_LOG_EMERG, log, "{}", error);
        ERROR
    }

    /// Logs a warning of the directive that is being read.
    pub(crate) fn warn(self, warning: impl Display) {
        ngx_conf_log_error!(NGX_LOG_WARN, self.cf, "{}", warning);
    }

    /// Logs a warning of what was read before: it has to tell the place.
    pub(crate) fn warn_of_block(self, warning: impl Display) {
        // SAFETY: while a configuration is read there is a log.
        let log = unsafe { (*self.cf).log };
        ngx_log_error!(NGX_LOG_WARN, log, "{}", warning);
    }

    /// Returns a module of this cycle by its name: a build of nginx may lack it, so its symbol cannot be linked to.
    pub(crate) fn module(self, name: &CStr) -> Option<&'c ngx_module_t> {
        // SAFETY: `cf` is live, as `new` demands, and the modules of the cycle live as long as the handle's `'c`.
        unsafe { module(self.cf, name) }
    }

    /// Hands the directive that is being read to the module that it was taken from, as nginx would have called it
    /// (`src/core/ngx_conf_file.c`, `ngx_conf_handler`). Returns `None` outside an `upstream` block, or if that module has
    /// no such directive.
    pub(crate) fn hand_over(self, module: &ngx_module_t, name: &[u8]) -> Option<*mut c_char> {
        self.current_upstream()?;
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

    /// Returns the upstream whose block is being read.
    pub(crate) fn current_upstream(self) -> Option<Upstream<'c>> {
        // SAFETY: `cf` is live, and its upstreams live as long as the cycle.
        unsafe { Upstream::new(NgxHttpUpstreamModule::server_conf_mut(&*self.cf)?) }
    }

    /// Returns all `upstream` blocks that were read; none of the upstreams that nginx makes of plain addresses.
    pub(crate) fn upstreams(self) -> impl Iterator<Item = Upstream<'c>> {
        // SAFETY: the configuration of the upstream module is in the cycle's pool. `upstreams` is an array of pointers,
        // to which nginx adds none while all of the block has been read.
        let all = unsafe {
            NgxHttpUpstreamModule::main_conf(&*self.cf)
                .map_or(&[][..], |main| main.upstreams.as_slice())
        };
        // SAFETY: the upstreams of the array live as long as the cycle.
        all.iter().filter_map(|us| unsafe { Upstream::new(*us) })
    }

    /// Returns the `upstream` block of this name.
    pub(crate) fn upstream(self, name: &[u8]) -> Option<Upstream<'c>> {
        self.upstreams()
            .find(|upstream| upstream.host().eq_ignore_ascii_case(name))
    }

    /// Returns the upstreams that the location being merged may pass to and that are known ahead: the address has no
    /// variable and names an `upstream` block. An `if` has that of its location besides its own.
    ///
    /// In a `merge_loc_conf` that runs after those of the modules that pass requests.
    pub(crate) fn passed_upstreams(self) -> impl Iterator<Item = Upstream<'c>> {
        PASSING.iter().filter_map(move |name| {
            let module = self.module(name)?;
            // SAFETY: `ctx` is a context of the http block, which has a place for each module's configuration of a
            // location; that of these modules begins with the structure.
            unsafe {
                let context = (*self.cf).ctx.cast::<ngx_http_conf_ctx_t>();
                let conf = *(*context).loc_conf.add(module.ctx_index);
                Upstream::new(conf.cast::<ngx_http_upstream_conf_t>().as_ref()?.upstream)
            }
        })
    }

    /// Returns whether the location being merged has a module that handles its requests.
    pub(crate) fn has_content_handler(self) -> bool {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool.
        let location = unsafe { NgxHttpCoreModule::location_conf(&*self.cf) };
        location.is_some_and(|location| location.handler.is_some())
    }

    /// Returns the name of the location being merged.
    pub(crate) fn location_name(self) -> &'c [u8] {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool, like the name.
        unsafe {
            let location = NgxHttpCoreModule::location_conf(&*self.cf);
            location.map_or(&[], |location| bytes(location.name))
        }
    }

    /// Returns whether the location being merged has `allow` or `deny`, of itself or from further out.
    pub(crate) fn has_access_rules(self) -> bool {
        let Some(module) = self.module(c"ngx_http_access_module") else {
            return false;
        };
        // SAFETY: `ctx` is a context of the http block, which has a place for each module's configuration of a location. That
        // of this module consists of pointers to its rules: of IPv4, of IPv6 and of unix sockets.
        unsafe {
            let context = (*self.cf).ctx.cast::<ngx_http_conf_ctx_t>();
            let conf =
                (*(*context).loc_conf.add(module.ctx_index)).cast::<[*const c_void; RULES]>();
            conf.as_ref()
                .is_some_and(|rules| rules.iter().any(|rules| !rules.is_null()))
        }
    }

    /// Returns a path as nginx opens it, from its prefix on where it is relative; `None`: memory is short.
    pub(crate) fn full_path(self, path: &'c [u8]) -> Option<&'c [u8]> {
        let mut path = string(path);
        // SAFETY: `cf` is live, and nginx puts the text into the cycle's pool.
        unsafe {
            let rc = ngx_conf_full_name((*self.cf).cycle, &raw mut path, 0);
            (rc == 0).then(|| bytes(path))
        }
    }

    /// Returns a path as nginx opens it, from the folder of the configuration on where it is relative; `None`: memory is
    /// short.
    pub(crate) fn path_beside(self, path: &'c [u8]) -> Option<&'c CStr> {
        let mut path = string(path);
        // SAFETY: `cf` is live. nginx ends words of a directive with a zero byte, and the text that it puts into the cycle's
        // pool.
        unsafe {
            let rc = ngx_conf_full_name((*self.cf).cycle, &raw mut path, 1);
            (rc == 0).then(|| CStr::from_ptr(path.data.cast::<c_char>()))
        }
    }

    /// Returns what tells the `server` block that is being merged from others.
    pub(crate) fn server_block(self) -> usize {
        // SAFETY: `ctx` is a context of the http block; the address is only compared.
        unsafe { (*(*self.cf).ctx.cast::<ngx_http_conf_ctx_t>()).srv_conf as usize }
    }

    /// Returns the variable of this name; `None` if there can be none, or if memory is short. nginx says why in its log, and
    /// refuses the configuration later if nothing defines the variable.
    pub(crate) fn variable(self, name: &'c [u8]) -> Result<Option<Variable>, OutOfMemory> {
        let mut text = string(name);
        // SAFETY: `cf` is live, and the name is in the cycle's pool, as a word of the directive.
        let index = unsafe { ngx_http_get_variable_index(self.cf, &raw mut text) };
        let index = usize::try_from(index).ok();
        index.map(|index| Variable::new(index, name)).transpose()
    }

    /// Adds a variable of the module; `None` if memory is short.
    pub(crate) fn add_variable(
        self,
        name: &'static [u8],
        handler: own_variable::Handler,
        number: usize,
    ) -> Option<()> {
        let mut name = string(name);
        // SAFETY: `cf` is live, and nginx copies the name. What it returns is in the cycle's pool, to be completed now.
        unsafe {
            let flags = NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t;
            let variable = ngx_http_add_variable(self.cf, &raw mut name, flags).as_mut()?;
            variable.get_handler = Some(handler);
            variable.data = number;
        }
        Some(())
    }

    /// Makes text with variables in it ready to be evaluated; `None` if it cannot be, or if memory is short.
    pub(crate) fn compile(self, text: &'c [u8]) -> Option<ComplexValue> {
        // SAFETY: value and text are in the cycle's pool, which is live. nginx reads the request for this call only, and
        // zero is a legal value of each of its members.
        unsafe {
            let value = self.pool().array::<ngx_http_complex_value_t>(1)?;
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

/// How many lists of rules `ngx_http_access_module` has (`src/http/modules/ngx_http_access_module.c`).
const RULES: usize = 1 + cfg!(nginx_inet6) as usize + cfg!(nginx_unix_domain) as usize;

/// What to do with a word of a directive.
pub(crate) enum Edit {
    Keep,
    Remove,
    /// nginx wants a zero byte behind each word.
    Replace(&'static CStr),
}

/// A handle of the words of a directive, from one of them on.
#[derive(Clone, Copy)]
pub(crate) struct Words<'c> {
    conf: Conf<'c>,
    start: usize,
}

impl<'c> Words<'c> {
    /// Returns the first word.
    pub(crate) fn first(self) -> Option<&'c [u8]> {
        self.conf.word(self.start)
    }

    /// Returns the words behind the first.
    pub(crate) fn rest(self) -> Self {
        Words {
            conf: self.conf,
            start: self.start.saturating_add(1),
        }
    }

    /// Returns none.
    pub(crate) fn end(self) -> Self {
        Words {
            conf: self.conf,
            start: usize::MAX,
        }
    }

    /// Returns whether there is none.
    pub(crate) fn is_empty(self) -> bool {
        self.first().is_none()
    }

    /// Returns each in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'c [u8]> {
        (self.start..).map_while(move |at| self.conf.word(at))
    }
}

/// Returns a module of this cycle by its name.
///
/// # Safety
///
/// `cf` is live, and what is kept of the module is kept no longer than its cycle.
pub(crate) unsafe fn module<'a>(cf: *mut ngx_conf_t, name: &CStr) -> Option<&'a ngx_module_t> {
    // SAFETY: while a configuration is read, the cycle's modules are a list that ends with null.
    unsafe {
        let mut modules = (*(*cf).cycle).modules;
        while let Some(module) = (*modules).as_ref() {
            if CStr::from_ptr(module.name) == name {
                return Some(module);
            }
            modules = modules.add(1);
        }
    }
    None
}

/// The modules that pass requests to an upstream and tell it in the first member of their location's
/// configuration, a `ngx_http_upstream_conf_t`.
const PASSING: [&CStr; 6] = [
    c"ngx_http_proxy_module",
    c"ngx_http_fastcgi_module",
    c"ngx_http_uwsgi_module",
    c"ngx_http_scgi_module",
    c"ngx_http_grpc_module",
    c"ngx_http_tunnel_module",
];

/// Reads a time: bare seconds, or nginx's `1h30m`.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    let mut value = string(text);
    // SAFETY: the string lives for the call, and ngx_parse_time() only reads it.
    let seconds = unsafe { ngx::ffi::ngx_parse_time(&raw mut value, 1) };
    u64::try_from(seconds).ok()
}

/// Reads a time that is not kept in seconds: bare seconds, or nginx's `1m30s500ms`.
pub(crate) fn milliseconds(text: &[u8]) -> Option<u64> {
    let mut value = string(text);
    // SAFETY: the string lives for the call, and ngx_parse_time() only reads it.
    let milliseconds = unsafe { ngx::ffi::ngx_parse_time(&raw mut value, 0) };
    u64::try_from(milliseconds).ok()
}

/// Reads a size: bytes, or nginx's `64k` and `1m`.
pub(crate) fn size(text: &[u8]) -> Option<usize> {
    let mut value = string(text);
    // SAFETY: the string lives for the call, and ngx_parse_size() only reads it.
    let size = unsafe { ngx::ffi::ngx_parse_size(&raw mut value) };
    usize::try_from(size).ok()
}
