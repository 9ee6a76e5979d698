//! Signatures of values with timestamps.
//!
//! ```text
//! d349ca31adc862f4d7e6faa19e516d6d|1556447041|1556447041|MDEyMzQ1Njc4OWFiY2RlZg
//! ```
//!
//! The signature covers the preceding text exactly as it appears in the cookie, so two spellings of a value never share a
//! signature. The signing key is derived from the key in the file and the name of the cookie. Nothing else depends on the
//! upstream, so proxies whose upstreams have different names accept each other's cookies.

use core::fmt::{self, Debug, Formatter};

use alloc::boxed::Box;

use base64ct::{Base64UrlUnpadded, Encoding};
use subtle::{Choice, ConstantTimeEq};

use super::hmac::{wipe_stack, Key, TRUNCATED};
use super::signed::{Signed, Text, BETWEEN, MARK, SIGNATURE};
use super::{Keys, WRITING};
use crate::bytes::Sink;
use crate::memory::{self, OutOfMemory};

// Signatures are written in base64url without padding (RFC 4648, section 5).
const _: () = assert!(SIGNATURE == (TRUNCATED * 8).div_ceil(6));

/// The maximum number of bytes that [`Signer::sign`] writes.
pub(crate) const SIGNATURES: usize = WRITING * (1 + SIGNATURE);

/// The text that precedes the name of the cookie when its key is derived. No server address begins with it; the same keys are
/// used to make server IDs from addresses.
const PURPOSE: &[u8] = b"\0signature of cookie ";

/// Signs and verifies the values of one cookie.
pub struct Signer(Box<[Key]>);

impl Debug for Signer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

/// The result of verifying a signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signature {
    /// The signature is the one that the signer would make.
    Current,
    /// The signature is correct, but not made with the current writing keys.
    Old,
    /// The signature is wrong.
    Wrong,
}

impl Keys {
    /// Returns the signer for the cookie with this name.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfMemory`] if memory allocation fails.
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
    /// Writes the signatures of a text given in pieces, one per writing key, each preceded by its separator.
    pub(crate) fn sign(&self, text: &[&[u8]], out: &mut impl Sink) {
        for (number, key) in self.0.iter().take(WRITING).enumerate() {
            out.put(if number == 0 { &[MARK] } else { &[BETWEEN] });
            out.put(&signature(key, text));
        }
    }

    /// Verifies the signatures with each of the keys. One correct signature is enough. The time needed to reject a wrong
    /// signature reveals nothing about the correct one.
    pub fn verify(&self, signed: &Signed<'_>) -> Signature {
        for (number, key) in self.0.iter().enumerate() {
            // Compares the encoded signatures: the last digit has unused bits, so several texts decode to the same MAC.
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

    /// Returns `true` if the second signature is correct, or if there is neither a second key nor a second signature.
    fn is_second_right(&self, signed: &Signed<'_>) -> bool {
        match (self.0.get(1), signed.second) {
            (Some(key), Some(given)) => equals(&signature(key, &[signed.text]), given).into(),
            (key, given) => key.is_none() && given.is_none(),
        }
    }
}

/// Compares two signatures in constant time, as two words that overlap by two bytes.
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

/// Returns the signature of a text given in pieces, made with one key.
fn signature(key: &Key, text: &[&[u8]]) -> Text {
    let mut digits = [0; SIGNATURE];
    // The buffer has exactly the required length, so this cannot fail.
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

    /// The expected values were computed with `openssl dgst -sha256 -mac HMAC`, run twice.
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
