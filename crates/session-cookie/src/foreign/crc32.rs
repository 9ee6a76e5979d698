//! CRC-32, as gzip and Ethernet have it (ISO/IEC 8802-3, section 3.2.9).

/// What each byte makes of a sum.
static TABLE: [u32; 256] = table();

#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing)] // evaluated by the compiler
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut sum = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 {
                sum >> 1 ^ 0xedb8_8320
            } else {
                sum >> 1
            };
            bit += 1;
        }
        table[byte] = sum;
        byte += 1;
    }
    table
}

/// A sum that is not finished.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sum(u32);

impl Sum {
    /// Returns that of a text.
    pub fn of(text: &[u8]) -> Self {
        Sum(u32::MAX).and(text)
    }

    /// Returns that of the text and what follows it.
    #[inline]
    pub fn and(self, more: &[u8]) -> Self {
        let add = |sum: u32, byte: &u8| {
            let [low, ..] = sum.to_le_bytes();
            let made = TABLE.get(usize::from(low ^ byte)).copied();
            made.unwrap_or_default() ^ sum >> 8
        };
        Sum(more.iter().fold(self.0, add))
    }

    /// Returns the CRC.
    #[inline]
    pub fn finish(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sums() {
        assert_eq!(Sum::of(b"").finish(), 0);
        assert_eq!(Sum::of(b"123456789").finish(), 0xcbf4_3926);
        assert_eq!(Sum::of(b"1234").and(b"56789").finish(), 0xcbf4_3926);
    }
}
