//! Bytes of header fields: white space, tokens, and a writer that cannot overflow.

/// Is this optional white space (OWS) of RFC 9110, section 5.6.3?
pub const fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Cuts white space at both ends.
#[inline]
pub fn trim(text: &[u8]) -> &[u8] {
    trim_end(trim_start(text))
}

/// Cuts white space at the start.
#[inline]
pub fn trim_start(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text {
        if !is_ows(*first) {
            break;
        }
        text = rest;
    }
    text
}

/// Cuts white space at the end.
#[inline]
pub fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., last] = text {
        if !is_ows(*last) {
            break;
        }
        text = rest;
    }
    text
}

/// Takes one pair of double quotes off a value that stands in them (RFC 6265, section 4.1.1).
pub fn unquote(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

/// Is this a token (RFC 9110, section 5.6.2), the form that a cookie's name must have?
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// Is every byte a cookie-octet (RFC 6265, section 4.1.1), so that it can stand in a cookie's value?
pub fn is_cookie_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\'))
}

/// Is this an attribute's value (RFC 6265, section 4.1.1): no control character, no semicolon?
pub fn is_attribute_value(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| matches!(byte, b' '..=b'~') && *byte != b';')
}

/// Is this a host name as the `Domain` attribute takes it, with or without a leading dot?
///
/// Labels of letters, digits, hyphens and underscores; RFC 6265, section 5.2.3, drops the dot.
pub fn is_domain(text: &[u8]) -> bool {
    let name = text.strip_prefix(b".").unwrap_or(text);
    name.split(|byte| *byte == b'.').all(|label| {
        !label.is_empty()
            && label
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    })
}

/// Writes into memory that the caller owns. What does not fit is dropped.
#[derive(Debug)]
pub struct Writer<'a> {
    memory: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the front of `memory`.
    pub fn new(memory: &'a mut [u8]) -> Self {
        Writer { memory, length: 0 }
    }

    /// Appends `text`, or as much of it as there is room for.
    #[inline]
    pub fn put(&mut self, text: &[u8]) {
        let Some(room) = self.memory.get_mut(self.length..) else {
            return;
        };
        let fits = text.len().min(room.len());
        if let (Some(to), Some(from)) = (room.get_mut(..fits), text.get(..fits)) {
            to.copy_from_slice(from);
            self.length = self.length.saturating_add(fits);
        }
    }

    /// Appends a number in decimal.
    pub fn put_decimal(&mut self, mut number: u64) {
        let mut digits = [b'0'; DECIMAL];
        let mut start = DECIMAL;
        for (position, digit) in digits.iter_mut().enumerate().rev() {
            #[allow(clippy::cast_possible_truncation)]
            let lowest = (number % 10) as u8;
            *digit = b'0' | lowest;
            number /= 10;
            start = position;
            if number == 0 {
                break;
            }
        }
        self.put(digits.get(start..).unwrap_or_default());
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Was nothing written yet?
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// Digits of the largest `u64`.
pub const DECIMAL: usize = 20;

/// Reads a decimal number: digits only, no sign, no overflow.
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn white_space_is_cut_at_both_ends() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b"  "), b"");
    }

    #[test]
    fn only_a_whole_pair_of_quotes_is_taken_off() {
        assert_eq!(unquote(b"\"a\""), b"a");
        assert_eq!(unquote(b"\"a"), b"\"a");
        assert_eq!(unquote(b"\""), b"\"");
    }

    #[test]
    fn domains() {
        for good in ["www.xxx.com", ".taobao.com", "localhost", "a-b.c_d.e"] {
            assert!(is_domain(good.as_bytes()), "{good}");
        }
        for bad in ["", ".", "a..b", "a;Secure", "a b", "..a"] {
            assert!(!is_domain(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn a_number_with_a_sign_or_too_large_is_none() {
        assert_eq!(decimal(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "-1", "+1", "1x", "18446744073709551616", " 1"] {
            assert_eq!(decimal(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn a_number_survives_writing_and_reading(number: u64) {
            let mut memory = [0; DECIMAL];
            let mut writer = Writer::new(&mut memory);
            writer.put_decimal(number);
            let length = writer.len();
            prop_assert_eq!(decimal(&memory[..length]), Some(number));
        }

        #[test]
        fn a_writer_never_exceeds_its_memory(texts: [alloc::vec::Vec<u8>; 4], size in 0usize..16) {
            let mut memory = alloc::vec![0; size];
            let mut writer = Writer::new(&mut memory);
            for text in &texts {
                writer.put(text);
            }
            let length = writer.len();
            prop_assert_eq!(&memory[..length], &texts.concat()[..length]);
        }
    }
}
