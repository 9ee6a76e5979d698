//! The keys of sessions and servers in shared memory.

use core::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

/// The secret of a table. A client that does not know it cannot choose sessions that fall into the same bucket.
#[derive(Clone, Copy)]
pub struct Secret(pub [u64; 2]);

/// The 128-bit SipHash-2-4 of a text. Collisions are assumed not to occur.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Key(pub(crate) [u64; 2]);

impl Key {
    /// Returns the key of a session. No lock is needed.
    #[inline]
    pub fn new(secret: &Secret, session: &[u8]) -> Self {
        let Secret([first, second]) = *secret;
        let mut hasher = SipHasher24::new_with_keys(first, second);
        hasher.write(session);
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }

    /// Returns the key of two texts, the first of which contains no zero byte.
    pub fn of_pair(secret: &Secret, first: &[u8], second: &[u8]) -> Self {
        let Secret([one, two]) = *secret;
        let mut hasher = SipHasher24::new_with_keys(one, two);
        hasher.write(first);
        hasher.write(&[0]);
        hasher.write(second);
        let hash = hasher.finish128();
        Key([hash.h1, hash.h2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test vector of SipHash's authors for 15 bytes.
    #[test]
    fn the_hash_is_siphash_2_4_128() {
        let secret = Secret([0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]);
        let session: [u8; 15] = core::array::from_fn(|number| number as u8);
        let key = Key::new(&secret, &session);
        assert!(key == Key([0x11a8_b033_99e9_9354, 0xd9c3_cf97_0fec_087e]));
        assert!(key != Key::new(&Secret([0, 0]), &session));
        assert!(key != Key::new(&secret, &session[..14]));
    }
}
