//! The keys of IDs and signatures, and the values made with them: computed here, independently of the module.

use std::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::topology::hex;

/// Keys are numbered in the order in which they are added.
pub(crate) type KeyId = usize;

/// The number of keys in a file with which cookies are made.
const WRITING: usize = 2;

/// The length in bytes of IDs and signatures before encoding: 128 bits of a MAC.
const TRUNCATED: usize = 16;

fn key(number: KeyId) -> String {
    format!("key {number} of this run of chaos")
}

/// The text of a key file, the newest key first.
pub(crate) fn file(keys: &[KeyId]) -> String {
    keys.iter().fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "{}", key(*number));
        text
    })
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The keyed ID of a server.
pub(crate) fn id(number: KeyId, address: &str) -> String {
    hex(&mac(key(number).as_bytes(), address)[..TRUNCATED])
}

fn signature(number: KeyId, cookie: &str, text: &str) -> String {
    let derived = mac(
        key(number).as_bytes(),
        &format!("\0signature of cookie {cookie}"),
    );
    Base64UrlUnpadded::encode_string(&mac(&derived, text)[..TRUNCATED])
}

/// The keys of a text's signatures, among those before `end`; `None` if a signature is made with none of them.
pub(crate) fn signed_by(
    end: KeyId,
    cookie: &str,
    text: &str,
    signatures: &str,
) -> Option<Vec<KeyId>> {
    let by = |given: &str| {
        (0..end)
            .rev()
            .find(|number| signature(*number, cookie, text) == given)
    };
    signatures.split('.').map(by).collect()
}

/// The keys with which the parts of a cookie were made; `None` for a part without keys.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) id: Option<Vec<KeyId>>,
    pub(crate) signatures: Option<Vec<KeyId>>,
}

impl Made {
    fn parts(&self) -> impl Iterator<Item = &Vec<KeyId>> {
        self.id.iter().chain(&self.signatures)
    }

    /// Whether a configuration with these keys accepts it.
    pub(crate) fn is_understood(&self, keys: &[KeyId]) -> bool {
        let is_known = |part: &Vec<KeyId>| part.iter().any(|key| keys.contains(key));
        self.parts().all(is_known)
    }

    /// Whether a configuration with these keys writes it.
    pub(crate) fn is_of(&self, keys: &[KeyId]) -> bool {
        let writing = &keys[..keys.len().min(WRITING)];
        self.parts().all(|part| part == writing)
    }
}
