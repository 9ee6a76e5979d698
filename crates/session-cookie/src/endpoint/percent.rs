//! Percent-encoding (RFC 3986, section 2.1), and the parameters of a query or a form.

use alloc::boxed::Box;

use crate::memory::{push, with_capacity, OutOfMemory};

/// The reason why a text could not be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undecodable {
    /// A percent sign is not followed by two hexadecimal digits.
    Malformed,
    /// Memory allocation failed.
    OutOfMemory,
}

impl From<OutOfMemory> for Undecodable {
    fn from(_: OutOfMemory) -> Self {
        Undecodable::OutOfMemory
    }
}

/// Decodes a text once. A plus sign is not decoded, even in a query or a form: the values are those of cookies, which
/// contain no spaces.
///
/// # Errors
///
/// Returns an error if the text is malformed or memory allocation fails.
///
/// ```
/// use session_cookie::endpoint::{decode, Undecodable};
///
/// assert_eq!(decode(b"unix:%2Frun%2Fa+b").as_deref(), Ok(&b"unix:/run/a+b"[..]));
/// assert_eq!(decode(b"100%"), Err(Undecodable::Malformed));
/// ```
pub fn decode(text: &[u8]) -> Result<Box<[u8]>, Undecodable> {
    let mut decoded = with_capacity(text.len())?;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let byte = match byte {
            b'%' => {
                let (digits, after) = rest.split_first_chunk().ok_or(Undecodable::Malformed)?;
                rest = after;
                byte_of(*digits).ok_or(Undecodable::Malformed)?
            }
            byte => *byte,
        };
        push(&mut decoded, byte)?;
    }
    Ok(crate::memory::boxed(&decoded)?)
}

fn byte_of([high, low]: [u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from((digit(high)? << 4) | digit(low)?).ok()
}

/// Returns the value of the first parameter with this name in a query or a form, still encoded. Names are compared
/// without decoding.
pub fn parameter<'a>(query: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    query.split(|byte| *byte == b'&').find_map(|pair| {
        let mut parts = pair.splitn(2, |byte| *byte == b'=');
        (parts.next()? == name).then(|| parts.next().unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    #[test]
    fn a_text_is_decoded_once() {
        let decoded = |text: &str| decode(text.as_bytes()).map(<[u8]>::into_vec);
        assert_eq!(decoded("a%2525+%c3%A9"), Ok(b"a%25+\xc3\xa9".to_vec()));
        assert_eq!(decoded(""), Ok(Vec::new()));
        for malformed in ["%", "%1", "a%g0", "%0g", "%%41", "% 1", "%+1", "%-1"] {
            assert_eq!(
                decoded(malformed),
                Err(Undecodable::Malformed),
                "{malformed}"
            );
        }
    }

    #[test]
    fn the_first_parameter_of_the_name_counts() {
        let query = b"a&value=1=2&value=3&=x&values";
        assert_eq!(parameter(query, b"value"), Some(&b"1=2"[..]));
        assert_eq!(parameter(query, b"a"), Some(&b""[..]));
        assert_eq!(parameter(query, b"b"), None);
        assert_eq!(parameter(b"", b"value"), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(text: Vec<u8>) {
            let encoded = text.iter().fold(alloc::string::String::new(), |mut encoded, byte| {
                use core::fmt::Write;
                match byte {
                    b'a'..=b'z' => encoded.push(char::from(*byte)),
                    _ => write!(encoded, "%{byte:02x}").unwrap(),
                }
                encoded
            });
            let decoded = decode(encoded.as_bytes());
            prop_assert_eq!(decoded.as_deref(), Ok(&text[..]));
        }

        #[test]
        fn any_bytes_may_be_given(text: Vec<u8>, name: Vec<u8>) {
            if let Ok(decoded) = decode(&text) {
                prop_assert!(decoded.len() <= text.len());
            }
            parameter(&text, &name);
        }
    }
}
