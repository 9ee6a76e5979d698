//! Signatures of values with stamps.
//!
//! ```text
//! d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556447041|MDEyMzQ1Njc4OWFiY2RlZg
//! ```
//!
//! What is signed is the text before it as it stands in the cookie, so that no two readings of a value have one signature.
//! The key is derived for the name of the cookie; nothing else of an upstream counts, so that proxies whose upstreams have
//! different names understand each other.

use core::fmt::{self, Debug, Formatter};

use alloc::boxed::Box;

use arrayvec::ArrayVec;
use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::{Choice, ConstantTimeEq};

use super::hmac::{wipe_stack, Key, TRUNCATED};
use super::{Keys, BETWEEN, WRITING};
use crate::bytes::Sink;
use crate::memory::{self, OutOfMemory};
use crate::session::STAMP;

/// The length of the signature by one key, in base64url without padding (RFC 4648, section 5).
const SIGNATURE: usize = (TRUNCATED * 8).div_ceil(6);

/// The most bytes that [`Signer::sign`] writes.
pub(crate) const SIGNATURES: usize = WRITING * (1 + SIGNATURE);

/// What the key of a cookie is derived from, before its name. No address of a server begins like this, which is what ids are
/// made of with the same key.
const PURPOSE: &[u8] = b"\0signature of cookie ";

/// What signs the values of one cookie.
pub struct Signer(Box<[Key]>);

impl Debug for Signer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// A value in its two parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signed<'a> {
    /// What is signed.
    pub text: &'a [u8],
    /// The signatures by one key, or by two with a dot between them.
    pub signatures: &'a [u8],
}

impl<'a> Signed<'a> {
    /// Splits a value before its signature, if it has what may be one: nothing that can be a stamp is as long.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        const ONE: usize = 1 + SIGNATURE;
        const TWO: usize = ONE + ONE;
        let lengths = [ONE, TWO].into_iter();
        lengths
            .filter_map(|length| value.split_at_checked(value.len().checked_sub(length)?))
            .find_map(|(text, rest)| {
                let signatures = rest.strip_prefix(&[STAMP])?;
                is_signature(signatures).then_some(Signed { text, signatures })
            })
    }

    /// Returns the signatures by single keys.
    fn each(&self) -> impl Iterator<Item = &'a [u8]> {
        self.signatures.split(|byte| *byte == BETWEEN)
    }
}

/// Returns whether a text looks like signatures.
fn is_signature(text: &[u8]) -> bool {
    text.split(|byte| *byte == BETWEEN).all(|one| {
        let mut bytes = one.iter();
        one.len() == SIGNATURE
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

impl Keys {
    /// Returns what signs the values of the cookie with this name.
    ///
    /// # Errors
    ///
    /// Memory is short.
    pub fn signer(&self, cookie: &[u8]) -> Result<Signer, OutOfMemory> {
        let keys = self.derive(cookie);
        wipe_stack();
        keys.map(Signer)
    }

    #[inline(never)]
    fn derive(&self, cookie: &[u8]) -> Result<Box<[Key]>, OutOfMemory> {
        let mut keys = memory::with_capacity(self.len())?;
        for key in &self.0 {
            if let Some(derived) = key.derive(&[PURPOSE, cookie]) {
                memory::push(&mut keys, derived)?;
            }
        }
        memory::into_boxed(keys)
    }
}

impl Signer {
    /// Writes the signatures of a text in pieces, each behind its mark: by each of the keys that write.
    pub(crate) fn sign(&self, text: &[&[u8]], out: &mut impl Sink) {
        for (number, key) in self.0.iter().take(WRITING).enumerate() {
            out.put(if number == 0 { &[STAMP] } else { &[BETWEEN] });
            out.put(&signature(key, text));
        }
    }

    /// Returns whether any of the keys has made any of the signatures. The time that it takes for wrong ones tells nothing of
    /// right ones.
    pub fn verifies(&self, signed: &Signed<'_>) -> bool {
        self.0.iter().any(|key| {
            let expected = signature(key, &[signed.text]);
            // The texts are compared: several stand for one MAC, as the last digit has bits to spare.
            let is_right = signed.each().fold(Choice::from(0), |is_right, given| {
                is_right | expected.as_slice().ct_eq(given)
            });
            is_right.into()
        })
    }
}

/// Returns the signature of a text in pieces by one key.
fn signature(key: &Key, text: &[&[u8]]) -> ArrayVec<u8, SIGNATURE> {
    let mut digits = [0; SIGNATURE];
    // It is as long as it takes.
    let _ = Base64UrlUnpadded::encode(&key.mac(text), &mut digits);
    digits.into()
}
