//! HMAC-SHA-256 (RFC 2104) with a key that is prepared: what both of its passes begin with is computed once.

use hmac::block_api::HmacCore;
use hmac::digest::block_api::{Buffer, FixedOutputCore, UpdateCore};
use hmac::KeyInit;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// How many bytes of a MAC are used: 128 bits (RFC 2104, section 5).
pub(super) const TRUNCATED: usize = 16;

/// A prepared key. Of these states, and of the copies that are used up for a MAC, nothing is left when they are dropped.
pub(super) struct Key(HmacCore<Sha256>);

impl Key {
    /// Prepares a key of any length; there is none that HMAC does not take.
    pub(super) fn new(key: &[u8]) -> Option<Self> {
        HmacCore::new_from_slice(key).ok().map(Key)
    }

    /// Returns a key that is derived from this one: the MAC of a text in pieces.
    pub(super) fn derive(&self, text: &[&[u8]]) -> Option<Self> {
        let mut mac = Zeroizing::new([0; 32]);
        self.write_mac(text, &mut mac);
        Key::new(mac.as_slice())
    }

    /// Returns the truncated MAC of a text in pieces.
    #[inline]
    pub(super) fn mac(&self, text: &[&[u8]]) -> [u8; TRUNCATED] {
        let mut mac = [0; 32];
        self.write_mac(text, &mut mac);
        mac.first_chunk().copied().unwrap_or_default()
    }

    /// `Hmac` itself would copy its states once more to finish.
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

/// How much of the stack preparing keys has used, at the most: twice what it takes where nothing is optimized.
const STACK: usize = 16 << 10;

/// Overwrites what was left on the stack by the functions that the caller has called: where a key is moved, a copy of its
/// states stays behind.
#[inline(never)]
pub(super) fn wipe_stack() {
    [0_u8; STACK].zeroize();
}
