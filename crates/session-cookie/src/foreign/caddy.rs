//! Cookies of Caddy's `lb_policy cookie`: the HMAC-SHA-256 of a server's address, in hexadecimal. The secret may be empty.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::memory::OutOfMemory;

/// The length of a value.
const LENGTH: usize = 64;

/// The port that Caddy appends to an address without one.
const PORT: &[u8] = b":80";

/// Passes the value of a server with this address, as written, to `add`.
pub(super) fn each_id(
    name: &[u8],
    secret: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let lacks_port = !name.contains(&b':') || name.ends_with(b"]");
    let port = if lacks_port { PORT } else { b"" };
    // This cannot fail: a key may have any length.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return Ok(());
    };
    let mac = mac.chain_update(name).chain_update(port).finalize();
    let mut value = [0; LENGTH];
    // The encoding cannot fail: the text is twice as long as the digest.
    let _ = base16ct::lower::encode(&mac.into_bytes(), &mut value);
    add(&value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn value(name: &[u8], secret: &[u8]) -> String {
        let mut value = String::new();
        let mut add = |text: &[u8]| {
            value.push_str(core::str::from_utf8(text).unwrap());
            Ok(())
        };
        each_id(name, secret, &mut add).unwrap();
        value
    }

    /// printf %s localhost:8080 | openssl dgst -sha256 -hmac hunter2
    #[test]
    fn values_of_a_server() {
        let keyed = "6ec88674a3f7188107959f63b08c4b774b470c318e23fca0beecdf4192578c78";
        assert_eq!(value(b"localhost:8080", b"hunter2"), keyed);
        let unkeyed = "99ecdee07a8861d4b318456ec98e46c5d0d811cdc33238b75c1464058ab9a500";
        assert_eq!(value(b"localhost:8080", b""), unkeyed);
    }

    #[test]
    fn a_name_without_a_port_is_on_port_80() {
        assert_eq!(value(b"a", b"k"), value(b"a:80", b"k"));
        assert_eq!(value(b"[::1]", b"k"), value(b"[::1]:80", b"k"));
        assert_ne!(value(b"[::1]:81", b"k"), value(b"[::1]:80", b"k"));
    }
}
