//! Cookies of F5 BIG-IP, which contain the address and port of a server (K6917):
//!
//! ```text
//! 1677787402.36895.0000                            10.1.1.100:8080, with the bytes of both numbers reversed
//! vi20010112000000000000000000000030.20480         [2001:112::30]:80, with the bytes of the port reversed
//! rd5o00000000000000000000ffffc0000201o80          192.0.2.1:80 in route domain 5
//! rd3o20010112000000000000000000000030o80          [2001:112::30]:80 in route domain 3
//! ```
//!
//! Servers of one pool rarely differ only in their route domains, so any route domain is accepted. Encrypted values are
//! not supported.

use core::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;

use crate::bytes::Sink;
use crate::memory::OutOfMemory;

/// The end of a value with an IPv4 address. It is reserved.
const RESERVED: &[u8] = b".0000";

/// The byte before the address and before the port in a value with a route domain.
const BETWEEN: u8 = b'o';

/// The number of digits of the highest route domain, 65534.
const LONGEST_DOMAIN: usize = 5;

/// The length of an IPv6 address in hexadecimal.
const DIGITS: usize = 32;

/// The length of the longest value without its route domain: an IPv6 address, two letters, a dot and a port.
const LONGEST: usize = DIGITS + 3 + 5;

/// Passes two texts to `add`: the value of a server, and the part after the route domain of its value with one.
/// Addresses that are not IP addresses have none.
pub(super) fn each_id(
    address: &[u8],
    add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
) -> Result<(), OutOfMemory> {
    let address = core::str::from_utf8(address).ok();
    let Some(address) = address.and_then(|text| text.parse::<SocketAddr>().ok()) else {
        return Ok(());
    };
    let port = address.port();
    let mut value = ArrayVec::<u8, LONGEST>::new();
    match address.ip() {
        IpAddr::V4(ip) => {
            value.put_decimal(u32::from_le_bytes(ip.octets()).into());
            value.put(b".");
            value.put_decimal(port.swap_bytes().into());
            value.put(RESERVED);
        }
        IpAddr::V6(ip) => {
            value.put(b"vi");
            value.put(&hex(ip.octets()));
            value.put(b".");
            value.put_decimal(port.swap_bytes().into());
        }
    }
    add(&value)?;

    let mapped = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    value.clear();
    value.put(&[BETWEEN]);
    value.put(&hex(mapped.octets()));
    value.put(&[BETWEEN]);
    value.put_decimal(port.into());
    add(&value)
}

/// Returns the part of a value after its route domain, if it has one.
pub(super) fn without_domain(value: &[u8]) -> Option<&[u8]> {
    let rest = value.strip_prefix(b"rd")?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (_, rest) = rest.split_at_checked(digits)?;
    let is_domain = (1..=LONGEST_DOMAIN).contains(&digits);
    (is_domain && rest.first() == Some(&BETWEEN)).then_some(rest)
}

fn hex(address: [u8; DIGITS / 2]) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    // The encoding cannot fail: the text is twice as long.
    let _ = base16ct::lower::encode(&address, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn ids(address: &str) -> Vec<String> {
        let mut ids = Vec::new();
        let mut add = |id: &[u8]| {
            ids.push(String::from_utf8(id.to_vec()).unwrap());
            Ok(())
        };
        each_id(address.as_bytes(), &mut add).unwrap();
        ids
    }

    /// From K6917: Overview of BIG-IP persistence cookie encoding.
    #[test]
    fn published_values() {
        assert_eq!(ids("10.1.1.100:8080")[0], "1677787402.36895.0000");
        let domain = |value: &str| without_domain(value.as_bytes()).unwrap().to_vec();
        let five = domain("rd5o00000000000000000000ffffc0000201o80");
        assert_eq!(ids("192.0.2.1:80")[1].as_bytes(), five);
        let six = ids("[2001:112::30]:80");
        assert_eq!(six[0], "vi20010112000000000000000000000030.20480");
        let three = domain("rd3o20010112000000000000000000000030o80");
        assert_eq!(six[1].as_bytes(), three);
    }

    #[test]
    fn the_longest_value_is_whole() {
        let longest = "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535";
        assert!(ids(longest)[0].ends_with("ff.65535"));
        assert!(ids(longest)[1].ends_with("ffo65535"));
        assert_eq!(ids("255.255.255.255:65535")[0], "4294967295.65535.0000");
    }

    #[test]
    fn other_servers_have_none() {
        for address in [
            "unix:/run/a.sock",
            "a.example:80",
            "192.0.2.1",
            "",
            "\u{fffd}",
        ] {
            assert_eq!(ids(address), Vec::<String>::new());
        }
    }

    #[test]
    fn other_values_have_no_route_domain() {
        for value in [
            &b""[..],
            b"rd",
            b"rdo1",
            b"rd5",
            b"rd5x1",
            b"rd-5o1",
            b"rd123456o1",
            b"RD5o1",
            b"5o1",
            b"rd\xff",
        ] {
            assert_eq!(without_domain(value), None);
        }
        assert_eq!(without_domain(b"rd65534o"), Some(&b"o"[..]));
    }
}
