//! For tests only: the directive `upstream_peers` responds with nginx's counters for the servers of its upstreams and the
//! memory lost in their zones, `change_servers` changes servers like other modules, and `own_balancer` is a third-party
//! load-balancing method. The argument `remove` removes a field from a request, and `cookies` shows or removes the cookies
//! of its response. README.md describes them.
//!
//! It needs an nginx with upstream zones, as in every distribution.

#![warn(missing_docs)]

mod balancer;
mod change;
mod cookies;
mod fields;
mod peers;
mod zone;

use core::ffi::{c_char, c_void};
use core::ptr;
use std::fmt::Write;

use ngx::core::{Status, NGX_CONF_ERROR};
use ngx::ffi::{
    ngx_command_t, ngx_conf_t, ngx_http_arg, ngx_http_complex_value_t, ngx_http_module_t,
    ngx_http_request_t, ngx_http_send_response, ngx_http_upstream_srv_conf_t, ngx_int_t,
    ngx_module_t, ngx_pid, ngx_pnalloc, ngx_str_t, ngx_uint_t, NGX_CONF_NOARGS, NGX_CONF_TAKE1,
    NGX_HTTP_LOC_CONF, NGX_HTTP_LOC_CONF_OFFSET, NGX_HTTP_MODULE, NGX_HTTP_OK,
    NGX_HTTP_SRV_CONF_OFFSET, NGX_HTTP_UPS_CONF,
};
use ngx::http::{
    HttpModuleLocationConf, HttpModuleMainConf, NgxHttpCoreModule, NgxHttpUpstreamModule,
};
use ngx::ngx_string;

static mut CONTEXT: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: None,
    postconfiguration: Some(install),
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
};

static mut COMMANDS: [ngx_command_t; 4] = [
    ngx_command_t {
        name: ngx_string!("upstream_peers"),
        type_: (NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS) as ngx_uint_t,
        set: Some(upstream_peers),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: ptr::null_mut(),
    },
    ngx_command_t {
        name: ngx_string!("change_servers"),
        type_: (NGX_HTTP_LOC_CONF | NGX_CONF_NOARGS) as ngx_uint_t,
        set: Some(change::change_servers),
        conf: NGX_HTTP_LOC_CONF_OFFSET,
        offset: 0,
        post: ptr::null_mut(),
    },
    ngx_command_t {
        name: ngx_string!("own_balancer"),
        type_: (NGX_HTTP_UPS_CONF | NGX_CONF_NOARGS | NGX_CONF_TAKE1) as ngx_uint_t,
        set: Some(balancer::own_balancer),
        conf: NGX_HTTP_SRV_CONF_OFFSET,
        offset: 0,
        post: ptr::null_mut(),
    },
    ngx_command_t::empty(),
];

/// The module.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static mut ngx_http_upstream_probe_module: ngx_module_t = ngx_module_t {
    ctx: (&raw mut CONTEXT).cast::<c_void>(),
    commands: (&raw mut COMMANDS).cast(),
    type_: NGX_HTTP_MODULE as _,
    exit_process: Some(change::exit_process),
    ..ngx_module_t::default()
};

/// The modules that nginx finds in the shared object.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static mut ngx_modules: [*const ngx_module_t; 2] =
    [&raw const ngx_http_upstream_probe_module, ptr::null()];

/// The names of these modules.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static mut ngx_module_names: [*const c_char; 2] =
    [c"ngx_http_upstream_probe_module".as_ptr(), ptr::null()];

/// The position of third-party filters (`HTTP_AUX_FILTER`), such as headers-more and Lua.
#[no_mangle]
#[allow(non_upper_case_globals)]
pub static mut ngx_module_order: [*const c_char; 3] = [
    c"ngx_http_upstream_probe_module".as_ptr(),
    c"ngx_http_copy_filter_module".as_ptr(),
    ptr::null(),
];

unsafe extern "C" fn install(cf: *mut ngx_conf_t) -> ngx_int_t {
    // SAFETY: nginx calls this once, when the http block was read completely.
    unsafe {
        cookies::install();
        fields::install(cf)
    }
}

unsafe extern "C" fn upstream_peers(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in a location.
    unsafe {
        let Some(core) = NgxHttpCoreModule::location_conf_mut(&*cf) else {
            return NGX_CONF_ERROR as *mut c_char;
        };
        core.handler = Some(answer);
    }
    ptr::null_mut()
}

/// Responds with all upstreams, or with the one named in the argument "upstream".
unsafe extern "C" fn answer(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls this for a live request; its pool keeps the text until it is sent.
    unsafe {
        let text = describe(r);
        let data = ngx_pnalloc((*r).pool, text.len()).cast::<u8>();
        if data.is_null() {
            return Status::NGX_ERROR.into();
        }
        ptr::copy_nonoverlapping(text.as_ptr(), data, text.len());

        let mut kind = ngx_string!("text/plain");
        let mut body: ngx_http_complex_value_t = core::mem::zeroed();
        body.value = ngx_str_t {
            len: text.len(),
            data,
        };
        ngx_http_send_response(r, NGX_HTTP_OK as ngx_uint_t, &raw mut kind, &raw mut body)
    }
}

unsafe fn describe(r: *mut ngx_http_request_t) -> String {
    let mut text = String::new();
    // SAFETY: the request is live; upstreams live as long as the cycle that it belongs to.
    unsafe {
        let all: &[*mut ngx_http_upstream_srv_conf_t] =
            NgxHttpUpstreamModule::main_conf(&*r).map_or(&[], |main| main.upstreams.as_slice());
        let blocks = all.iter().copied().filter(|us| !(**us).srv_conf.is_null());

        let asked = argument(r, b"upstream");
        let pid = ngx_pid;
        // Writing to a String does not fail.
        _ = writeln!(text, "worker pid={pid}");
        for us in blocks.filter(|us| asked.is_none_or(|name| name == bytes((**us).host))) {
            peers::describe(us, &mut text);
            zone::describe(us, all, &mut text);
        }
    }
    text
}

unsafe fn argument<'a>(r: *mut ngx_http_request_t, name: &[u8]) -> Option<&'a [u8]> {
    let mut value = ngx_str_t {
        len: 0,
        data: ptr::null_mut(),
    };
    // SAFETY: nginx only reads the name, and points the value into the request line.
    unsafe {
        let found = ngx_http_arg(r, name.as_ptr().cast_mut(), name.len(), &raw mut value);
        (Status(found) == Status::NGX_OK).then(|| bytes(value))
    }
}

/// The bytes of an nginx string.
///
/// # Safety
///
/// The string is valid, and not written while the bytes are used.
unsafe fn bytes<'a>(text: ngx_str_t) -> &'a [u8] {
    if text.len == 0 || text.data.is_null() {
        return &[];
    }
    // SAFETY: the caller promises that the string is valid and not written.
    unsafe { core::slice::from_raw_parts(text.data, text.len) }
}
