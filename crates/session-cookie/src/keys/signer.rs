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

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::{Choice, ConstantTimeEq};

use super::hmac::{wipe_stack, Key, TRUNCATED};
use super::signed::{Signed, Text, BETWEEN, MARK, SIGNATURE};
use super::{Keys, WRITING};
use crate::bytes::Sink;
use crate::memory::{self, OutOfMemory};

// In base64url without padding (RFC 4648, section 5).
const _: () = assert!(SIGNATURE == (TRUNCATED * 8).div_ceil(6));

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

/// What a [`Signer`] finds of the signature of a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signature {
    /// It is as the signer makes it.
    Current,
    /// It is right, but by other keys than those that sign now.
    Old,
    /// It is wrong.
    Wrong,
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
            out.put(if number == 0 { &[MARK] } else { &[BETWEEN] });
            out.put(&signature(key, text));
        }
    }

    /// Tells whether any of the keys has made the signature, or one of two. The time that it takes for a wrong one tells nothing
    /// of the right one.
    pub fn verify(&self, signed: &Signed<'_>) -> Signature {
        for (number, key) in self.0.iter().enumerate() {
            // The texts are compared: several stand for one MAC, as the last digit has bits to spare.
            let expected = signature(key, &[signed.text]);
            let is_first = equals(&expected, signed.first);
            let is_second =
                (signed.second).map_or(Choice::from(0), |given| equals(&expected, given));
            if (is_first | is_second).into() {
                let is_current = number == 0 && is_first.into() && self.is_second_right(signed);
                return if is_current {
                    Signature::Current
                } else {
                    Signature::Old
                };
            }
        }
        Signature::Wrong
    }

    /// Returns whether there is a signature by the second key that is right, or neither.
    fn is_second_right(&self, signed: &Signed<'_>) -> bool {
        match (self.0.get(1), signed.second) {
            (Some(key), Some(given)) => equals(&signature(key, &[signed.text]), given).into(),
            (key, given) => key.is_none() && given.is_none(),
        }
    }
}

/// Compares two signatures, in two words that share a few bytes. It takes the same time wherever they differ.
fn equals(one: &Text, other: &Text) -> Choice {
    let start = |text: &Text| {
        text.first_chunk()
            .map_or(0, |bytes| u128::from_ne_bytes(*bytes))
    };
    let end = |text: &Text| {
        text.last_chunk()
            .map_or(0, |bytes| u64::from_ne_bytes(*bytes))
    };
    start(one).ct_eq(&start(other)) & end(one).ct_eq(&end(other))
}

/// Returns the signature of a text in pieces by one key.
fn signature(key: &Key, text: &[&[u8]]) -> Text {
    let mut digits = [0; SIGNATURE];
    // It is as long as it takes.
    let _ = Base64UrlUnpadded::encode(&key.mac(text), &mut digits);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Buffer;
    use crate::policy::Policy;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556440041";
    const NEW: &[u8] = b"p5k70pnK8x1NSB4vr71rDQ";
    const OLD: &[u8] = b"4e8yaMMZhS8IOFoNIVj-lQ";

    fn keys(text: &[u8]) -> Keys {
        Keys::read(text).unwrap().keys
    }

    fn signed(key_file: &[u8]) -> Vec<u8> {
        let mut out = Buffer::with_capacity(TEXT.len() + SIGNATURES).unwrap();
        out.put(TEXT);
        let signer = keys(key_file).signer(b"route").unwrap();
        signer.sign(&[&TEXT[..40], &TEXT[40..]], &mut out);
        out.as_bytes().to_vec()
    }

    fn verify(signatures: &[&[u8]], key_file: &[u8]) -> Signature {
        let value = [TEXT, b"|", &signatures.join(&b"."[..])].concat();
        let signer = keys(key_file).signer(b"route").unwrap();
        signer.verify(&Signed::parse(&value).unwrap())
    }

    /// What other programs make of it: openssl dgst -sha256 -mac HMAC, twice.
    #[test]
    fn values_by_one_key_and_by_two() {
        let one = [TEXT, b"|", NEW].concat();
        assert_eq!(signed(b"a key for examples\n"), one);
        let two = [&one, &b"."[..], OLD].concat();
        let both = b"a key for examples\nanother key for examples\n";
        assert_eq!(signed(both), two);
        let three = b"a key for examples\nanother key for examples\na key for nothing\n";
        assert_eq!(signed(three), two);
    }

    #[test]
    fn a_signature_by_any_key_is_right_and_by_the_first_two_current() {
        use Signature::{Current, Old, Wrong};
        let new = b"a key for examples\n";
        let both = b"a key for examples\nanother key for examples\n";
        let three = b"a key for nothing\na key for examples\nanother key for examples\n";
        let other = b"a key for nothing\n";
        for (signatures, of_new, of_both, of_three, of_other) in [
            (&[NEW][..], Current, Old, Old, Wrong),
            (&[OLD], Wrong, Old, Old, Wrong),
            (&[NEW, OLD], Old, Current, Old, Wrong),
            (&[OLD, NEW], Old, Old, Old, Wrong),
            (&[OLD, OLD], Wrong, Old, Old, Wrong),
            (&[OLD, b"0000000000000000000000"], Wrong, Old, Old, Wrong),
            (&[b"0000000000000000000000"], Wrong, Wrong, Wrong, Wrong),
        ] {
            assert_eq!(verify(signatures, new), of_new);
            assert_eq!(verify(signatures, both), of_both);
            assert_eq!(verify(signatures, three), of_three);
            assert_eq!(verify(signatures, other), of_other);
        }
    }

    #[test]
    fn a_signature_is_told_by_its_place() {
        let parse = |value: &str| {
            let signed = Signed::parse(value.as_bytes())?;
            Some((signed.text.len(), signed.second.is_some()))
        };
        let one = "0123456789012345678901";
        for (value, parts) in [
            (alloc::format!("a|1|1|{one}"), Some((5, false))),
            (alloc::format!("|{one}"), Some((0, false))),
            (alloc::format!("a|{one}|{one}"), Some((24, false))),
            (alloc::format!("a|1|1|{one}.{one}"), Some((5, true))),
            (alloc::format!("|{one}.{one}"), Some((0, true))),
            (alloc::format!("a|{one}.{one}.{one}"), None),
            (alloc::format!("a|0{one}"), None),
            (alloc::format!("a|0{one}.{one}"), None),
            (alloc::format!("a.{one}"), None),
            (alloc::format!("{one}.{one}"), None),
            (one.into(), None),
            ("a|18446744073709551615|18446744073709551615".into(), None),
            ("".into(), None),
        ] {
            assert_eq!(parse(&value), parts, "{value}");
        }
    }

    #[test]
    fn signatures_differ_wherever_they_do() {
        let one: Text = core::array::from_fn(|at| at as u8);
        assert!(bool::from(equals(&one, &one)));
        for (at, bit) in (0..SIGNATURE).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = one;
            other[at] ^= 1 << bit;
            assert!(!bool::from(equals(&one, &other)), "byte {at}, bit {bit}");
        }
    }

    #[test]
    fn without_keys_nothing_is_right() {
        let signer = Keys::default().signer(b"route").unwrap();
        let value = [TEXT, b"|", NEW].concat();
        let signed = Signed::parse(&value).unwrap();
        assert_eq!(signer.verify(&signed), Signature::Wrong);
    }

    #[test]
    fn no_key_is_shown() {
        let key = b"a key that nobody is to see";
        let policy = Policy {
            signer: Some(keys(key).signer(b"route").unwrap()),
            keys: keys(key),
            ..Policy::new().unwrap()
        };
        let shown = alloc::format!("{policy:?}");
        assert!(
            shown.contains("keys: 1 keys, signer: Some(1 keys)"),
            "{shown}"
        );
    }

    proptest! {
        #[test]
        fn any_value_is_parted_or_not(value: Vec<u8>, signature in "[|.]?[|.0-9]{21,23}") {
            for value in [&value[..], &[&value[..], signature.as_bytes()].concat()] {
                let Some(signed) = Signed::parse(value) else {
                    continue;
                };
                let mut joined = [signed.text, b"|", signed.first].concat();
                if let Some(second) = signed.second {
                    joined.extend(b".");
                    joined.extend(second);
                }
                prop_assert_eq!(joined, value);
            }
        }
    }
}
