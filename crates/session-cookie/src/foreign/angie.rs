//! Cookies of Angie's `sticky cookie`: what names a server, its `sid=` or the MD5 of its address, or with `sticky_secret` the
//! MD5 of that and of the secret.

use crate::id::{md5_hex, md5_hex_of};
use crate::memory::OutOfMemory;

/// Hands over the value of a server by its id, if it has one, or by its address.
pub(super) fn each_id(
    id: Option<&[u8]>,
    address: &[u8],
    secret: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let of_address = md5_hex(address);
    let name = id.unwrap_or(&of_address);
    if secret.is_empty() {
        add(name)
    } else {
        add(&md5_hex_of(&[name, secret]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn value(id: Option<&[u8]>, secret: &[u8]) -> String {
        let mut value = String::new();
        let mut add = |text: &[u8]| {
            value.push_str(core::str::from_utf8(text).unwrap());
            Ok(())
        };
        each_id(id, b"127.0.0.1:8080", secret, &mut add).unwrap();
        value
    }

    /// md5() { md5sum | cut -c1-32; }; printf %s "$(printf %s 127.0.0.1:8080 | md5)hidden" | md5; printf %s ahidden | md5
    #[test]
    fn values_of_a_server() {
        assert_eq!(value(None, b""), "5958c386bf5e9109ac10d2a628645aea");
        assert_eq!(value(None, b"hidden"), "273abb52ab20052939c2089a012ab6cf");
        assert_eq!(value(Some(b"a"), b""), "a");
        assert_eq!(
            value(Some(b"a"), b"hidden"),
            "3a3b10fec41856fd5fa63c744086a8c2"
        );
    }
}
