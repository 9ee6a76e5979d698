//! nginx's variables that show cookies, whose values a request remembers.
//!
//! An operator may give a variable of their own such a name, by `set`, `map`, `auth_request_set` or a named capture: its
//! value is theirs, and neither a client nor hiding may change it. nginx evaluates `$cookie_NAME` by itself only where the
//! configuration does not define it, or only by `set`. In the latter case it depends on the request whose value it is:
//! `set` copies what it evaluates, while nginx's own value points into a `Cookie` field.

use ngx::ffi::{
    ngx_hash_key_t, ngx_http_core_main_conf_t, ngx_http_request_t, ngx_http_variable_t,
    NGX_HTTP_VAR_WEAK,
};

use super::bytes;

/// Those that the configuration uses.
#[derive(Default)]
pub(crate) struct CookieVariables(Vec<(usize, Owner)>);

/// Whose the value is that a request remembers at this index.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Owner {
    /// nginx's own: `$http_cookie`, which nobody can define, and each `$cookie_NAME` that nobody does.
    Nginx,
    /// Also the operator's: a `$cookie_NAME` that `set` defines, here or elsewhere.
    Either,
}

impl CookieVariables {
    /// Looks for them in the configuration.
    ///
    /// # Safety
    ///
    /// All directives were read, and nginx has not prepared the variables yet.
    pub(crate) unsafe fn of(core: &ngx_http_core_main_conf_t) -> Self {
        // SAFETY: arrays of variables, whose names live as long as the cycle.
        unsafe {
            let variables: &[ngx_http_variable_t] = core.variables.as_slice();
            let mut found = Vec::new();
            for (index, variable) in variables.iter().enumerate() {
                let name = bytes(variable.name);
                if name != b"http_cookie" && !name.starts_with(b"cookie_") {
                    continue;
                }
                let owner = match definition(core, name) {
                    Some(_) if name == b"http_cookie" => Owner::Nginx,
                    None => Owner::Nginx,
                    Some(definition) if (*definition).flags & NGX_HTTP_VAR_WEAK as usize != 0 => {
                        Owner::Either
                    }
                    Some(_) => continue,
                };
                found.push((index, owner));
            }
            CookieVariables(found)
        }
    }

    /// Makes the request forget what nginx evaluated before its cookies, which were these fields, changed.
    ///
    /// # Safety
    ///
    /// `r` is live, with the configuration in which they were looked for.
    #[inline]
    pub(crate) unsafe fn forget<'a>(
        &self,
        r: *mut ngx_http_request_t,
        fields: impl Iterator<Item = &'a [u8]> + Clone,
    ) {
        // SAFETY: a request remembers a value for every variable of its configuration.
        unsafe {
            for (index, owner) in &self.0 {
                let value = (*r).variables.add(*index);
                let data = (*value).data.cast_const();
                if *owner == Owner::Nginx
                    || ((*value).valid() != 0 && fields.clone().any(|field| holds(field, data)))
                {
                    (*value).set_valid(0);
                    (*value).set_not_found(0);
                }
            }
        }
    }
}

/// Could this be where a cookie's value begins in a field? Behind its start: there an empty value may stand that `set` was
/// given, just before the field was written into the same pool.
fn holds(field: &[u8], data: *const u8) -> bool {
    let field = field.as_ptr_range();
    field.start < data && data < field.end
}

/// What defines the variable in the configuration, beside the prefix of its name.
unsafe fn definition(
    core: &ngx_http_core_main_conf_t,
    name: &[u8],
) -> Option<*const ngx_http_variable_t> {
    // SAFETY: as in `CookieVariables::of`; each value is a variable.
    unsafe {
        let keys: &[ngx_hash_key_t] = core.variables_keys.as_ref()?.keys.as_slice();
        keys.iter()
            .find(|key| bytes(key.key) == name)
            .map(|key| key.value.cast_const().cast())
    }
}
