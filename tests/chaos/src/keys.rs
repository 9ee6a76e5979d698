//! The keys of ids and signatures, and what is made of them: computed here, not asked of the module.

use std::fmt::Write as _;

use base64ct::{Base64UrlUnpadded, Encoding};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::topology::hex;

/// Keys are numbered in the order in which they come.
pub(crate) type KeyId = usize;

/// How many keys of a file say what a cookie says.
const WRITING: usize = 2;

/// What the ids and signatures of a cookie begin with: 128 bits of a MAC.
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

/// The id of a server by a key.
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

/// The keys by which the signatures of a text were made, of those before `end`; `None`: some of them are by no key.
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

/// By which keys the parts of a cookie were made, where they are by keys.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) id: Option<Vec<KeyId>>,
    pub(crate) signatures: Option<Vec<KeyId>>,
}

impl Made {
    fn parts(&self) -> impl Iterator<Item = &Vec<KeyId>> {
        self.id.iter().chain(&self.signatures)
    }

    /// Does a configuration with these keys understand it?
    pub(crate) fn is_understood(&self, keys: &[KeyId]) -> bool {
        let is_known = |part: &Vec<KeyId>| part.iter().any(|key| keys.contains(key));
        self.parts().all(is_known)
    }

    /// Is it what a configuration with these keys writes?
    pub(crate) fn is_of(&self, keys: &[KeyId]) -> bool {
        let writing = &keys[..keys.len().min(WRITING)];
        self.parts().all(|part| part == writing)
    }
}
