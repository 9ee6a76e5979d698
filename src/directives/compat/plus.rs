//! `sticky_cookie_insert name [expires=time | max] [domain=] [path=]` of NGINX Plus before 1.5.7, which became
//! `sticky cookie`.

use core::ffi::{c_char, c_void};

use ngx::ffi::{ngx_command_t, ngx_conf_t};

use super::{attributes, nginx, Error, Parsed};

const DIRECTIVE: &str = "sticky_cookie_insert";

const NAMES: &str = "expires=, domain=, path=";

pub(crate) unsafe extern "C" fn sticky_cookie_insert(
    cf: *mut ngx_conf_t,
    _: *mut ngx_command_t,
    _: *mut c_void,
) -> *mut c_char {
    // SAFETY: nginx calls this for a directive in an upstream block.
    unsafe { super::read(cf, parse) }
}

fn parse<'a>(parameters: &[&'a [u8]]) -> Result<Parsed<'a>, Error<'a>> {
    let [name, parameters @ ..] = parameters else {
        return Err(Error::Count(DIRECTIVE));
    };
    let mut parsed = Parsed::new(DIRECTIVE, nginx::policy()?);
    parsed.name(name)?;
    for word in parameters {
        match attributes::split(word) {
            (b"expires", Some(value)) => nginx::expires(&mut parsed, value)?,
            (b"domain", Some(value)) => attributes::domain(&mut parsed, value)?,
            (b"path", Some(value)) => attributes::literal_path(&mut parsed, value)?,
            _ => {
                return Err(Error::Parameter {
                    directive: DIRECTIVE,
                    word,
                    names: NAMES,
                })
            }
        }
    }
    Ok(parsed)
}
