//! Server IDs, stored by value.

use core::num::NonZeroU8;

/// The maximum length of an ID: an MD5 digest in hexadecimal digits.
pub const MAX_ID: usize = 32;

pub(super) const WORDS: usize = MAX_ID / size_of::<u64>();

/// The ID of a server: a text of 1 to [`MAX_ID`] bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ServerId {
    /// The text, padded with zeros.
    text: [[u8; size_of::<u64>()]; WORDS],
    length: NonZeroU8,
}

impl ServerId {
    /// Copies a text. Returns `None` if it is empty or too long.
    pub fn new(text: &[u8]) -> Option<Self> {
        let length = NonZeroU8::new(u8::try_from(text.len()).ok()?)?;
        let mut id = ServerId {
            text: Default::default(),
            length,
        };
        id.text
            .as_flattened_mut()
            .get_mut(..text.len())?
            .copy_from_slice(text);
        Some(id)
    }

    /// Returns the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        let text = self.text.as_flattened();
        text.get(..usize::from(self.length())).unwrap_or(text)
    }

    #[inline(always)]
    pub(super) fn length(&self) -> u8 {
        self.length.get()
    }

    #[inline(always)]
    pub(super) fn words(&self) -> [u64; WORDS] {
        self.text.map(u64::from_ne_bytes)
    }

    /// The inverse of [`ServerId::words`] and [`ServerId::length`]. Returns `None` if the length is invalid.
    #[inline(always)]
    pub(super) fn from_words(words: [u64; WORDS], length: u8) -> Option<Self> {
        let length = NonZeroU8::new(length).filter(|length| usize::from(length.get()) <= MAX_ID)?;
        Some(ServerId {
            text: words.map(u64::to_ne_bytes),
            length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_32_bytes() {
        let text = [b'x'; MAX_ID + 1];
        for length in 1..=MAX_ID {
            let id = ServerId::new(&text[..length]).unwrap();
            assert_eq!(id.as_bytes(), &text[..length]);
            assert_eq!(ServerId::from_words(id.words(), id.length()), Some(id));
        }
        assert_eq!(ServerId::new(b""), None);
        assert_eq!(ServerId::new(&text), None);
        assert_eq!(ServerId::new(&[b'x'; 257]), None);
        assert_eq!(ServerId::from_words([0; WORDS], 0), None);
        assert_eq!(ServerId::from_words([0; WORDS], 33), None);
    }
}
