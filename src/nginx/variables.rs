//! nginx's variables that show cookies, and their values cached in a request.
//!
//! A configuration may define a variable with such a name by `set`, `map`, `auth_request_set` or a named capture. Its value then
//! belongs to the configuration; neither clients nor hiding may change it. nginx itself evaluates `$cookie_NAME` only if the
//! configuration does not define it, or defines it only by `set`. In the latter case, the value of a particular request may have
//! either source: `set` copies the evaluated text, while nginx's own value points into a `Cookie` field.

use ngx::ffi::{ngx_hash_key_t, ngx_http_core_main_conf_t, ngx_http_variable_t, NGX_HTTP_VAR_WEAK};

use session_cookie::memory::{push, OutOfMemory};

use super::bytes;
use super::request::Request;

/// The variables that the configuration uses.
#[derive(Default)]
pub(crate) struct CookieVariables(Vec<(usize, Owner)>);

/// The source of the value that a request caches at an index.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Owner {
    /// nginx: `$http_cookie`, which a configuration cannot define, and each `$cookie_NAME` that it does not define.
    Nginx,
    /// nginx or `set`: a `$cookie_NAME` defined by `set` anywhere in the configuration.
    Either,
}

impl CookieVariables {
    /// Finds the variables in the configuration.
    pub(super) fn of(core: &ngx_http_core_main_conf_t) -> Result<Self, OutOfMemory> {
        // SAFETY: `variables` is an array of `ngx_http_variable_t` in the cycle's pool, to which nginx adds none while it is
        // read.
        let variables: &[ngx_http_variable_t] = unsafe { core.variables.as_slice() };
        let mut found = Vec::new();
        for (index, variable) in variables.iter().enumerate() {
            // SAFETY: the name of a variable is a word of the configuration or a literal, and lives as long as the cycle.
            let name = unsafe { bytes(variable.name) };
            if name == b"http_cookie" {
                push(&mut found, (index, Owner::Nginx))?;
            } else if name.starts_with(b"cookie_") {
                if let Some(owner) = owner_of(core, name) {
                    push(&mut found, (index, owner))?;
                }
            }
        }
        Ok(CookieVariables(found))
    }

    /// Invalidates the values that nginx cached from the request's cookies before they changed. `fields` are the `Cookie` fields
    /// before the change.
    #[inline]
    #[allow(clippy::disallowed_methods)] // an iterator over borrowed fields
    pub(crate) fn forget<'a>(
        &self,
        request: Request<'_>,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        for (index, owner) in &self.0 {
            // SAFETY: a request has a cached value for each variable of its configuration.
            let value = unsafe { &mut *(*request.as_ptr()).variables.add(*index) };
            let data = value.data.cast_const();
            if *owner == Owner::Nginx
                || (value.valid() != 0 && fields.clone().any(|field| holds(field, data)))
            {
                value.set_valid(0);
                value.set_not_found(0);
            }
        }
    }
}

/// Returns whether the configuration does not define the variable with this index: nginx evaluates it by its name's prefix.
pub(super) fn is_undefined(core: &ngx_http_core_main_conf_t, index: usize) -> bool {
    // SAFETY: `variables` is an array of `ngx_http_variable_t` in the cycle's pool, to which nginx adds none while it is read.
    let variables: &[ngx_http_variable_t] = unsafe { core.variables.as_slice() };
    variables.get(index).is_some_and(|variable| {
        // SAFETY: the name of a variable is a word of the configuration or a literal, and lives as long as the cycle.
        let name = unsafe { bytes(variable.name) };
        flags_of(core, name).is_none()
    })
}

/// Returns whether `data` may be the start of a cookie's value in the field. The field's first byte is excluded: an empty value
/// given to `set` may point there, if it was allocated from the same pool just before the field.
fn holds(field: &[u8], data: *const u8) -> bool {
    let field = field.as_ptr_range();
    field.start < data && data < field.end
}

/// Returns the source of a `$cookie_NAME`; `None` if the configuration alone determines it.
fn owner_of(core: &ngx_http_core_main_conf_t, name: &[u8]) -> Option<Owner> {
    match flags_of(core, name) {
        None => Some(Owner::Nginx),
        Some(flags) => (flags & NGX_HTTP_VAR_WEAK as usize != 0).then_some(Owner::Either),
    }
}

/// Returns the flags of the variable's definition in the configuration; `None` if it is not defined.
fn flags_of(core: &ngx_http_core_main_conf_t, name: &[u8]) -> Option<usize> {
    // SAFETY: the array lives as long as the configuration is read; each key is the name of a variable, and its value is that
    // variable.
    unsafe {
        let keys: &[ngx_hash_key_t] = core.variables_keys.as_ref()?.keys.as_slice();
        let key = keys.iter().find(|key| bytes(key.key) == name)?;
        Some((*key.value.cast::<ngx_http_variable_t>()).flags)
    }
}
