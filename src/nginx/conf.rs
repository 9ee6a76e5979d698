//! Reading the configuration: the words of a directive, other modules, upstreams, and messages in the log.

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

/// A phase handler.
pub(crate) type Handler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

/// The last phase before the content phase.
const BEFORE_CONTENT: usize = ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE as usize;

/// Returned by a directive's handler that has already logged the error.
pub(crate) const ERROR: *mut c_char = NGX_CONF_ERROR as *mut c_char;

/// Returned by a directive's handler on success.
pub(crate) const OK: *mut c_char = ptr::null_mut();

/// A handle of the `http` configuration being read. It holds no reference into nginx's memory; what its methods return is in the
/// cycle's pool.
#[derive(Clone, Copy)]
pub(crate) struct Conf<'c> {
    cf: *mut ngx_conf_t,
    cycle: PhantomData<&'c ()>,
}

impl<'c> Conf<'c> {
    /// Creates the handle at the start of a callback.
    ///
    /// # Safety
    ///
    /// nginx has called a directive's handler or a module function with `cf` inside the `http` block, and the handle is not used
    /// after that call. Values of lifetime `'c` are kept only in memory of the same cycle.
    pub(crate) unsafe fn new(cf: *mut ngx_conf_t) -> Self {
        Conf {
            cf,
            cycle: PhantomData,
        }
    }

    /// Returns nginx's pointer to the configuration.
    pub(super) fn as_ptr(self) -> *mut ngx_conf_t {
        self.cf
    }

    /// Returns the cycle's pool.
    pub(super) fn pool(self) -> Pool<'c> {
        // SAFETY: `cf` is live, as `new` requires, and has the cycle's pool.
        unsafe { Pool::new((*self.cf).pool) }
    }

    /// Allocates a configuration in the cycle's pool; it is dropped with the cycle. Returns null if memory is short.
    pub(crate) fn create<T: Default>(self) -> *mut c_void {
        let conf = self.pool().place_dropped(T::default);
        conf.map_or(ptr::null_mut(), |conf| ptr::from_mut(conf).cast())
    }

    /// Keeps a value for the lifetime of the cycle.
    pub(crate) fn keep<T>(self, value: T) -> Result<&'c T, OutOfMemory> {
        let kept = self.pool().place_dropped(|| value);
        kept.map(|kept| &*kept).ok_or(OutOfMemory)
    }

    /// Returns a module's configuration in the `http` block.
    pub(crate) fn main_conf<M: HttpModuleMainConf>(self) -> Option<&'c M::MainConf>
    where
        M::MainConf: 'static,
    {
        // SAFETY: `cf` is live, and the configuration lives as long as the cycle. Callbacks that write to it do not read it
        // through a handle.
        unsafe { M::main_conf(&*self.cf) }
    }

    /// Adds a handler to the last phase before the content phase.
    pub(crate) fn call_before_content(self, handler: Handler) -> Result<(), OutOfMemory> {
        // SAFETY: the core module's configuration is in the cycle's pool and has an array of handlers for each phase, which nginx
        // does not read before the whole `http` block has been read. The new element is written completely.
        unsafe {
            let core = NgxHttpCoreModule::main_conf_mut(&*self.cf).ok_or(OutOfMemory)?;
            let phase = core.phases.get_mut(BEFORE_CONTENT).ok_or(OutOfMemory)?;
            let place = ngx_array_push(&raw mut phase.handlers).cast::<ngx_http_handler_pt>();
            *place.as_mut().ok_or(OutOfMemory)? = Some(handler);
        }
        Ok(())
    }

    /// Returns the configuration's variables that show cookies. To be called after all directives have been read, and before
    /// nginx initializes the variables.
    pub(crate) fn cookie_variables(self) -> Result<CookieVariables, OutOfMemory> {
        // SAFETY: `cf` is live, and the core module's configuration is in the cycle's pool.
        let core = unsafe { NgxHttpCoreModule::main_conf(&*self.cf) };
        core.map_or(Ok(CookieVariables::default()), CookieVariables::of)
    }

    /// Makes a variable ready for evaluation. To be called after all directives have been read, and before nginx initializes the
    /// variables.
    pub(crate) fn complete_variable(self, variable: &Variable) {
        // SAFETY: `cf` is live, and the core module's configuration is in the cycle's pool.
        if let Some(core) = unsafe { NgxHttpCoreModule::main_conf(&*self.cf) } {
            variable.complete(core);
        }
    }

    /// Returns the words of the current directive, beginning with its name.
    pub(crate) fn words(self) -> Words<'c> {
        Words {
            conf: self,
            start: 0,
        }
    }

    /// Returns the parameters of the current directive.
    pub(crate) fn parameters(self) -> Words<'c> {
        Words {
            conf: self,
            start: 1,
        }
    }

    fn word(self, at: usize) -> Option<&'c [u8]> {
        // SAFETY: `args` is an array of strings. nginx allocates each of them in the cycle's pool and does not modify it
        // afterwards.
        unsafe {
            let words: &[ngx_str_t] = (*(*self.cf).args).as_slice();
            words.get(at).map(|word| bytes(*word))
        }
    }

    /// Edits the words of the current directive. `edit` is called with the position and the text of each.
    pub(crate) fn edit_words(self, mut edit: impl FnMut(usize, &'c [u8]) -> Edit) {
        let mut kept = 0usize;
        for (at, word) in self.words().iter().enumerate() {
            let word = match edit(at, word) {
                Edit::Keep => word,
                Edit::Replace(word) => word.to_bytes(),
                Edit::Remove => continue,
            };
            // SAFETY: `args` is an array of strings to which no reference exists. The position is not beyond that of the word
            // just read, so words not read yet are unchanged.
            unsafe {
                let words: &mut [ngx_str_t] = (*(*self.cf).args).as_slice_mut();
                if let Some(place) = words.get_mut(kept) {
                    *place = string(word);
                }
            }
            kept = kept.saturating_add(1);
        }
        // SAFETY: `kept` is at most the number of elements before.
        unsafe { (*(*self.cf).args).nelts = kept };
    }

    /// Returns the place of the current directive.
    pub(crate) fn place(self) -> Place<'c> {
        // SAFETY: `conf_file` is null or the file being read, whose name is in the cycle's pool.
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

    /// Logs an error in the current directive, and returns the value that its handler must return.
    pub(crate) fn refuse(self, error: impl Display) -> *mut c_char {
        ngx_conf_log_error!(NGX_LOG_EMERG, self.cf, "{}", error);
        ERROR
    }

    /// Logs an error in directives read earlier, and returns the value that the callback must return.
    pub(crate) fn refuse_block(self, error: impl Display) -> *mut c_char {
        // SAFETY: a log exists while a configuration is read.
        let log = unsafe { (*self.cf).log };
        ngx_log_error!(NGX_LOG_EMERG, log, "{}", error);
        ERROR
    }

    /// Logs a warning about the current directive.
    pub(crate) fn warn(self, warning: impl Display) {
        ngx_conf_log_error!(NGX_LOG_WARN, self.cf, "{}", warning);
    }

    /// Logs a warning about directives read earlier; the message must include their place.
    pub(crate) fn warn_of_block(self, warning: impl Display) {
        // SAFETY: a log exists while a configuration is read.
        let log = unsafe { (*self.cf).log };
        ngx_log_error!(NGX_LOG_WARN, log, "{}", warning);
    }

    /// Returns a module of this cycle by name. It may be missing from this nginx, so its symbol cannot be linked.
    pub(crate) fn module(self, name: &CStr) -> Option<&'c ngx_module_t> {
        // SAFETY: `cf` is live, as `new` requires, and the modules of its cycle live for `'c`.
        unsafe { module(self.cf, name) }
    }

    /// Passes the current directive to the module that originally defines it, as `ngx_conf_handler` would
    /// (`src/core/ngx_conf_file.c`). Returns `None` outside an `upstream` block, or if the module has no such directive.
    pub(crate) fn hand_over(self, module: &ngx_module_t, name: &[u8]) -> Option<*mut c_char> {
        self.current_upstream()?;
        // SAFETY: a module's commands end with an empty name. In an `upstream` block, `ctx` is an HTTP context with an array of
        // configurations at the offset that a command specifies. nginx calls the directive with the array's element for its
        // module, which may be null.
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

    /// Returns all `upstream` blocks read so far, without the upstreams that nginx makes implicitly from addresses.
    pub(crate) fn upstreams(self) -> impl Iterator<Item = Upstream<'c>> {
        // SAFETY: the configuration of the upstream module is in the cycle's pool. `upstreams` is an array of pointers, to which
        // nginx adds none once the whole block has been read.
        let all = unsafe {
            NgxHttpUpstreamModule::main_conf(&*self.cf)
                .map_or(&[][..], |main| main.upstreams.as_slice())
        };
        // SAFETY: the upstreams of the array live as long as the cycle.
        all.iter().filter_map(|us| unsafe { Upstream::new(*us) })
    }

    /// Returns the `upstream` block with this name.
    pub(crate) fn upstream(self, name: &[u8]) -> Option<Upstream<'c>> {
        self.upstreams()
            .find(|upstream| upstream.host().eq_ignore_ascii_case(name))
    }

    /// Returns the upstreams to which the location being merged may pass requests, if known in advance: the address contains no
    /// variables and names an `upstream` block. An `if` block has the upstream of its location in addition to its own.
    ///
    /// Only for use in a `merge_loc_conf` that runs after those of the modules that pass requests.
    pub(crate) fn passed_upstreams(self) -> impl Iterator<Item = Upstream<'c>> {
        PASSING.iter().filter_map(move |name| {
            let module = self.module(name)?;
            // SAFETY: `ctx` is a context of the `http` block, which has a slot for each module's configuration of a location. The
            // configuration of these modules begins with a `ngx_http_upstream_conf_t`.
            unsafe {
                let context = (*self.cf).ctx.cast::<ngx_http_conf_ctx_t>();
                let conf = *(*context).loc_conf.add(module.ctx_index);
                Upstream::new(conf.cast::<ngx_http_upstream_conf_t>().as_ref()?.upstream)
            }
        })
    }

    /// Returns whether the location being merged has a content handler.
    pub(crate) fn has_content_handler(self) -> bool {
        // SAFETY: `cf` is live, and the configuration of the core module is in the cycle's pool.
        let location = unsafe { NgxHttpCoreModule::location_conf(&*self.cf) };
        location.is_some_and(|location| location.handler.is_some())
    }

    /// Returns the name of the location being merged.
    pub(crate) fn location_name(self) -> &'c [u8] {
        // SAFETY: `cf` is live, and the configuration of the core module and the name are in the cycle's pool.
        unsafe {
            let location = NgxHttpCoreModule::location_conf(&*self.cf);
            location.map_or(&[], |location| bytes(location.name))
        }
    }

    /// Returns whether the location being merged has `allow` or `deny` rules, its own or inherited.
    pub(crate) fn has_access_rules(self) -> bool {
        let Some(module) = self.module(c"ngx_http_access_module") else {
            return false;
        };
        // SAFETY: `ctx` is a context of the `http` block, which has a slot for each module's configuration of a location. The
        // access module's consists of `RULES` pointers: to the rules for IPv4, IPv6 and unix sockets.
        unsafe {
            let context = (*self.cf).ctx.cast::<ngx_http_conf_ctx_t>();
            let conf =
                (*(*context).loc_conf.add(module.ctx_index)).cast::<[*const c_void; RULES]>();
            conf.as_ref()
                .is_some_and(|rules| rules.iter().any(|rules| !rules.is_null()))
        }
    }

    /// Returns a path as nginx opens it: a relative path is resolved against the prefix. `None` if memory is short.
    pub(crate) fn full_path(self, path: &'c [u8]) -> Option<&'c [u8]> {
        let mut path = string(path);
        // SAFETY: `cf` is live, and nginx allocates the result in the cycle's pool.
        unsafe {
            let rc = ngx_conf_full_name((*self.cf).cycle, &raw mut path, 0);
            (rc == 0).then(|| bytes(path))
        }
    }

    /// Returns a path as nginx opens it: a relative path is resolved against the directory of the configuration file. `None` if
    /// memory is short.
    pub(crate) fn path_beside(self, path: &'c [u8]) -> Option<&'c CStr> {
        let mut path = string(path);
        // SAFETY: `cf` is live. The words of a directive end with a zero byte, as does the text that nginx allocates in the
        // cycle's pool.
        unsafe {
            let rc = ngx_conf_full_name((*self.cf).cycle, &raw mut path, 1);
            (rc == 0).then(|| CStr::from_ptr(path.data.cast::<c_char>()))
        }
    }

    /// Returns a value that identifies the `server` block being merged.
    pub(crate) fn server_block(self) -> usize {
        // SAFETY: `ctx` is a context of the `http` block; the address is only compared.
        unsafe { (*(*self.cf).ctx.cast::<ngx_http_conf_ctx_t>()).srv_conf as usize }
    }

    /// Returns the variable with this name; `None` if the name is not valid or memory is short, which nginx logs. nginx refuses
    /// the configuration later if no module defines the variable.
    pub(crate) fn variable(self, name: &'c [u8]) -> Result<Option<Variable>, OutOfMemory> {
        let mut text = string(name);
        // SAFETY: `cf` is live, and the name is a word of the directive, in the cycle's pool.
        let index = unsafe { ngx_http_get_variable_index(self.cf, &raw mut text) };
        let index = usize::try_from(index).ok();
        index.map(|index| Variable::new(index, name)).transpose()
    }

    /// Adds one of the module's variables; `None` if memory is short.
    pub(crate) fn add_variable(
        self,
        name: &'static [u8],
        handler: own_variable::Handler,
        number: usize,
    ) -> Option<()> {
        let mut name = string(name);
        // SAFETY: `cf` is live, and nginx copies the name. The returned variable is in the cycle's pool, and may be modified now.
        unsafe {
            let flags = NGX_HTTP_VAR_NOCACHEABLE as ngx_uint_t;
            let variable = ngx_http_add_variable(self.cf, &raw mut name, flags).as_mut()?;
            variable.get_handler = Some(handler);
            variable.data = number;
        }
        Some(())
    }

    /// Compiles text with variables; `None` if it is not valid or memory is short.
    pub(crate) fn compile(self, text: &'c [u8]) -> Option<ComplexValue> {
        // SAFETY: value and text are in the cycle's pool, which is live. nginx reads `request` during this call only, and zero is
        // a valid value for each of its members.
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

/// The number of rule lists in the configuration of `ngx_http_access_module` (`src/http/modules/ngx_http_access_module.c`).
const RULES: usize = 1 + cfg!(nginx_inet6) as usize + cfg!(nginx_unix_domain) as usize;

/// What to do with a word of the directive.
pub(crate) enum Edit {
    Keep,
    Remove,
    /// With a terminating zero byte, which nginx needs after each word.
    Replace(&'static CStr),
}

/// A handle of the words of a directive, beginning at one of them.
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

    /// Returns the words after the first.
    pub(crate) fn rest(self) -> Self {
        Words {
            conf: self.conf,
            start: self.start.saturating_add(1),
        }
    }

    /// Returns no words.
    pub(crate) fn end(self) -> Self {
        Words {
            conf: self.conf,
            start: usize::MAX,
        }
    }

    /// Returns whether there are no words left.
    pub(crate) fn is_empty(self) -> bool {
        self.first().is_none()
    }

    /// Returns the words in order.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'c [u8]> {
        (self.start..).map_while(move |at| self.conf.word(at))
    }
}

/// Returns a module of this cycle by name.
///
/// # Safety
///
/// `cf` is live, and the module is not used for longer than its cycle lives.
pub(crate) unsafe fn module<'a>(cf: *mut ngx_conf_t, name: &CStr) -> Option<&'a ngx_module_t> {
    // SAFETY: while a configuration is read, the cycle's modules are an array of pointers that ends with null.
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

/// The modules that pass requests to an upstream. Their configuration of a location begins with a `ngx_http_upstream_conf_t`,
/// which specifies the upstream.
const PASSING: [&CStr; 6] = [
    c"ngx_http_proxy_module",
    c"ngx_http_fastcgi_module",
    c"ngx_http_uwsgi_module",
    c"ngx_http_scgi_module",
    c"ngx_http_grpc_module",
    c"ngx_http_tunnel_module",
];

/// Parses a time in seconds: a plain number, or nginx's `1h30m`.
pub(crate) fn seconds(text: &[u8]) -> Option<u64> {
    let mut value = string(text);
    // SAFETY: the string is valid during the call, and ngx_parse_time() only reads it.
    let seconds = unsafe { ngx::ffi::ngx_parse_time(&raw mut value, 1) };
    u64::try_from(seconds).ok()
}

/// Parses a time, and returns it in milliseconds: a plain number of seconds, or nginx's `1m30s500ms`.
pub(crate) fn milliseconds(text: &[u8]) -> Option<u64> {
    let mut value = string(text);
    // SAFETY: the string is valid during the call, and ngx_parse_time() only reads it.
    let milliseconds = unsafe { ngx::ffi::ngx_parse_time(&raw mut value, 0) };
    u64::try_from(milliseconds).ok()
}

/// Parses a size: bytes, or nginx's `64k` and `1m`.
pub(crate) fn size(text: &[u8]) -> Option<usize> {
    let mut value = string(text);
    // SAFETY: the string is valid during the call, and ngx_parse_size() only reads it.
    let size = unsafe { ngx::ffi::ngx_parse_size(&raw mut value) };
    usize::try_from(size).ok()
}
