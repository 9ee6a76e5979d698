//! HMAC-SHA-256 (RFC 2104) with a prepared key: the initial states of both passes are computed only once.

use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, FixedOutputCore, UpdateCore};
use hmac::KeyInit;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// The length of a truncated MAC, in bytes: 128 bits (RFC 2104, section 5).
pub(super) const TRUNCATED: usize = 16;

/// A prepared key. Its states, and their copies used to compute a MAC, are wiped when they are dropped.
pub(super) struct Key(HmacCore<Sha256>);

impl Key {
    /// Prepares a key. HMAC accepts keys of any length, so this always returns `Some`.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        HmacCore::new_from_slice(key).ok().map(Key)
    }

    /// Returns a key derived from this one: the MAC of a text given in pieces.
    pub(super) fn derive(&self, text: &[&[u8]]) -> Option<Self> {
        let mut mac = Zeroizing::new([0; 32]);
        self.write_mac(text, &mut mac);
        Key::new(mac.as_slice())
    }

    /// Returns the truncated MAC of a text given in pieces.
    #[inline]
    pub(super) fn mac(&self, text: &[&[u8]]) -> [u8; TRUNCATED] {
        let mut mac = [0; 32];
        self.write_mac(text, &mut mac);
        mac.first_chunk().copied().unwrap_or_default()
    }

    /// Computes the full MAC. Used instead of `Hmac`, which makes one more copy of its states to finish.
    #[inline]
    fn write_mac(&self, text: &[&[u8]], mac: &mut [u8; 32]) {
        #[allow(clippy::disallowed_methods)] // a copy allocates nothing
        let mut core = self.0.clone();
        let mut buffer = Buffer::<HmacCore<Sha256>>::default();
        for piece in text {
            buffer.digest_blocks(piece, |blocks| core.update_blocks(blocks));
        }
        core.finalize_fixed_core(&mut buffer, mac.into());
    }
}

/// The number of bytes of stack to wipe: twice what preparing keys uses in unoptimized code.
const STACK: usize = 16 << 10;

/// Overwrites the stack used by the functions that the caller has called. Moving a key leaves a copy of its states on the stack.
#[inline(never)]
pub(super) fn wipe_stack() {
    [0_u8; STACK].zeroize();
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn full_mac(key: &[u8], text: &[&[u8]]) -> String {
        let mut mac = [0; 32];
        Key::new(key).unwrap().write_mac(text, &mut mac);
        mac.iter()
            .map(|byte| alloc::format!("{byte:02x}"))
            .collect()
    }

    /// RFC 4231, section 4.
    #[test]
    fn published_macs() {
        let long_text = "This is a test using a larger than block-size key and a larger than block-size data. The key \
             needs to be hashed before being used by the HMAC algorithm.";
        let fourth: Vec<u8> = (1..=25).collect();
        let vectors: [(&[u8], &[u8], &str); 7] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 20],
                &[0xdd; 50],
                "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
            ),
            (
                &fourth,
                &[0xcd; 50],
                "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
            ),
            // only the first 128 bits are published
            (
                &[0x0c; 20],
                b"Test With Truncation",
                "a3b6167473100ee06e0c796c2955552b",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                long_text.as_bytes(),
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, text, mac) in vectors {
            assert!(full_mac(key, &[text]).starts_with(mac), "{mac}");
        }
    }

    proptest! {
        #[test]
        fn a_mac_is_that_of_the_joined_pieces(
            key in proptest::collection::vec(any::<u8>(), 0..200),
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..150), 0..4),
        ) {
            let slices: Vec<_> = pieces.iter().map(Vec::as_slice).collect();
            let mac = full_mac(&key, &slices);
            prop_assert_eq!(&full_mac(&key, &[&pieces.concat()]), &mac);
            let truncated = Key::new(&key).unwrap().mac(&slices);
            prop_assert_eq!(alloc::format!("{:032x}", u128::from_be_bytes(truncated)), &mac[..32]);
            // The same MAC, computed by `Hmac`.
            let mut other = hmac::Hmac::<Sha256>::new_from_slice(&key).unwrap();
            slices.iter().for_each(|piece| hmac::Mac::update(&mut other, piece));
            let other = hmac::Mac::finalize(other).into_bytes();
            prop_assert_eq!(&other[..16], &truncated[..]);
            let derived = Key::new(&key).unwrap().derive(&slices).unwrap();
            prop_assert_eq!(derived.mac(&[]), Key::new(&other).unwrap().mac(&[]));
        }
    }
}
