//! Cookies of Angie's `sticky cookie`: the server's `sid=`, or the MD5 of its address. With `sticky_secret`, the value
//! is the MD5 of that text followed by the secret.

use crate::id::{md5_hex, md5_hex_of};
use crate::memory::OutOfMemory;

/// Passes the values of a server, from its ID if it has one or else from its address, to `add`. With a secret, the
/// value from the address is also accepted for a server with an ID, because it may have had no `sid=`. Without a secret
/// it is not, because anyone could compute it.
pub(super) fn each_id(
    id: Option<&[u8]>,
    address: &[u8],
    secret: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let of_address = md5_hex(address);
    if secret.is_empty() {
        return add(id.unwrap_or(&of_address));
    }
    if let Some(id) = id {
        add(&md5_hex_of(&[id, secret]))?;
    }
    add(&md5_hex_of(&[&of_address, secret]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn values(id: Option<&[u8]>, secret: &[u8]) -> Vec<String> {
        let mut values = Vec::new();
        let mut add = |text: &[u8]| {
            values.push(String::from_utf8(text.to_vec()).unwrap());
            Ok(())
        };
        each_id(id, b"127.0.0.1:8080", secret, &mut add).unwrap();
        values
    }

    /// md5() { md5sum | cut -c1-32; }; printf %s "$(printf %s 127.0.0.1:8080 | md5)hidden" | md5; printf %s ahidden | md5
    #[test]
    fn values_of_a_server() {
        let salted = "273abb52ab20052939c2089a012ab6cf";
        assert_eq!(values(None, b""), ["5958c386bf5e9109ac10d2a628645aea"]);
        assert_eq!(values(None, b"hidden"), [salted]);
        assert_eq!(values(Some(b"a"), b""), ["a"]);
        let salted_id = "3a3b10fec41856fd5fa63c744086a8c2";
        assert_eq!(values(Some(b"a"), b"hidden"), [salted_id, salted]);
    }
}
