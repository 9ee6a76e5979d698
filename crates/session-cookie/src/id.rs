//! Ids: what a cookie names a server by.

use md5::{Digest, Md5};

/// Length of [`md5_hex`].
pub const MD5_HEX: usize = 32;

/// MD5 of a server's name, as nginx prints its address, in lower-case hexadecimal.
///
/// The same id as Tengine's `hash=md5` and nginx's own `sticky cookie`
/// (`ngx_http_upstream_init_round_robin_sid`), so that sessions survive a move between them.
pub fn md5_hex(name: &[u8]) -> [u8; MD5_HEX] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";

    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
    let mut hex = [0; MD5_HEX];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(Md5::digest(name)) {
        if let [high, low] = pair {
            *high = digit(byte >> 4);
            *low = digit(byte & 15);
        }
    }
    hex
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_id_of_the_seed() {
        assert_eq!(
            &super::md5_hex(b"127.0.0.3:821"),
            b"d349ca31adc862f4d7e6faa19e516d6d"
        );
    }
}
