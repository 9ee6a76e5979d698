//! The format of a signed value: a text, followed by a signature made with one key or by two signatures separated by a dot.

/// The separator between the text and the signature.
pub(crate) const MARK: u8 = b'|';

/// The length of a signature made with one key.
pub(crate) const SIGNATURE: usize = 22;

/// The separator between the signatures, or the IDs, made with two keys.
pub(crate) const BETWEEN: u8 = b'.';

/// A signature made with one key.
pub(crate) type Text = [u8; SIGNATURE];

/// A value split into its text and its signatures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Signed<'a> {
    /// The text that is signed.
    pub text: &'a [u8],
    /// The signature made with one key.
    pub(crate) first: &'a Text,
    /// The signature made with another key, if there are two.
    pub(crate) second: Option<&'a Text>,
}

impl<'a> Signed<'a> {
    /// Splits off the signature, which is found by its position: no timestamp is as long as a signature.
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

    /// Returns `true` if the signature contains only base64url digits. Used where signatures are not verified.
    pub(crate) fn is_well_formed(&self) -> bool {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let mut digits = self.first.iter().chain(self.second.into_iter().flatten());
        digits.all(is_digit)
    }
}
