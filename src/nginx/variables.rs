//! nginx's variables that show cookies, whose values a request remembers.
//!
//! An operator may give a variable of their own such a name, by `set`, `map`, `auth_request_set` or a named capture: its
//! value is theirs, and neither a client nor hiding may change it. nginx evaluates `$cookie_NAME` by itself only where the
//! configuration does not define it, or only by `set`. In the latter case it depends on the request whose value it is:
//! `set` copies what it evaluates, while nginx's own value points into a `Cookie` field.

use ngx::ffi::{ngx_hash_key_t, ngx_http_core_main_conf_t, ngx_http_variable_t, NGX_HTTP_VAR_WEAK};

use session_cookie::memory::{push, OutOfMemory};

use super::bytes;
use super::request::Request;

/// Those that the configuration uses.
#[derive(Default)]
pub(crate) struct CookieVariables(Vec<(usize, Owner)>);

/// Whose the value is that a request remembers at this index.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Owner {
    /// nginx's own: `$http_cookie`, which nobody can define, and each `$cookie_NAME` that nobody does.
    Nginx,
    /// Also the operator's: a `$cookie_NAME` that `set` defines anywhere in the configuration.
    Either,
}

impl CookieVariables {
    /// Looks for them in the configuration.
    pub(super) fn of(core: &ngx_http_core_main_conf_t) -> Result<Self, OutOfMemory> {
        // SAFETY: nginx has made `variables` an array of these in the cycle's pool, and adds none meanwhile.
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

    /// Makes the request forget what nginx evaluated before its cookies, which were these fields, changed.
    #[inline]
    #[allow(clippy::disallowed_methods)] // an iterator over borrowed fields
    pub(crate) fn forget<'a>(
        &self,
        request: Request<'_>,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        for (index, owner) in &self.0 {
            // SAFETY: a request remembers a value for every variable of its configuration.
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

/// Returns whether nothing in the configuration defines the variable of this index: nginx knows it by a prefix of its name.
pub(super) fn is_undefined(core: &ngx_http_core_main_conf_t, index: usize) -> bool {
    // SAFETY: nginx has made `variables` an array of these in the cycle's pool, and adds none meanwhile.
    let variables: &[ngx_http_variable_t] = unsafe { core.variables.as_slice() };
    variables.get(index).is_some_and(|variable| {
        // SAFETY: the name of a variable is a word of the configuration or a literal, and lives as long as the cycle.
        let name = unsafe { bytes(variable.name) };
        flags_of(core, name).is_none()
    })
}

/// Returns whether this may be where a cookie's value begins in a field. Behind its start: there an empty value may stand that `set` was
/// given, just before the field was written into the same pool.
fn holds(field: &[u8], data: *const u8) -> bool {
    let field = field.as_ptr_range();
    field.start < data && data < field.end
}

/// Returns whose values a `$cookie_NAME` has; `None`: the operator's alone.
fn owner_of(core: &ngx_http_core_main_conf_t, name: &[u8]) -> Option<Owner> {
    match flags_of(core, name) {
        None => Some(Owner::Nginx),
        Some(flags) => (flags & NGX_HTTP_VAR_WEAK as usize != 0).then_some(Owner::Either),
    }
}

/// Returns the flags of what defines the variable in the configuration, beside the prefix of its name.
fn flags_of(core: &ngx_http_core_main_conf_t, name: &[u8]) -> Option<usize> {
    // SAFETY: an array in memory that lives as long as the configuration is read; each key is the name of a variable.
    unsafe {
        let keys: &[ngx_hash_key_t] = core.variables_keys.as_ref()?.keys.as_slice();
        let key = keys.iter().find(|key| bytes(key.key) == name)?;
        Some((*key.value.cast::<ngx_http_variable_t>()).flags)
    }
}
