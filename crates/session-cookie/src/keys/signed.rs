//! The form of a signed value: a text, and behind it the signature by one key, or by two with a dot between them.

/// What parts the signature from the text.
pub(crate) const MARK: u8 = b'|';

/// The length of the signature by one key.
pub(crate) const SIGNATURE: usize = 22;

/// What parts the signatures, or the ids, of two keys.
pub(crate) const BETWEEN: u8 = b'.';

/// The signature by one key.
pub(crate) type Text = [u8; SIGNATURE];

/// A value in its two parts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signed<'a> {
    /// What is signed.
    pub text: &'a [u8],
    /// The signature by one key.
    pub(crate) first: &'a Text,
    /// The signature by another, with a dot between them.
    pub(crate) second: Option<&'a Text>,
}

impl<'a> Signed<'a> {
    /// Splits a value before its signature, by the place of that: nothing that is written as a stamp is as long.
    #[inline]
    pub fn parse(value: &'a [u8]) -> Option<Self> {
        let (before, last) = value.split_last_chunk()?;
        let (text, first, second) = match before {
            [text @ .., MARK] => (text, last, None),
            [before @ .., BETWEEN] => match before.split_last_chunk()? {
                ([text @ .., MARK], first) => (text, first, Some(last)),
                _ => return None,
            },
            _ => return None,
        };
        Some(Signed {
            text,
            first,
            second,
        })
    }

    /// Returns whether the signature has digits of base64url only. A right one has: this tells where none is verified.
    pub(crate) fn is_well_formed(&self) -> bool {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let mut digits = self.first.iter().chain(self.second.into_iter().flatten());
        digits.all(is_digit)
    }
}
