//! Cookies of ingress-nginx, which have the following values:
//!
//! ```text
//! md5(NAME address)|md5(md5(NAME) NAME)    affinity-mode: persistent
//! KEY|md5(md5(NAME) NAME)                  affinity-mode: balanced
//! ```
//!
//! NAME is the name of the backend, `namespace-service-port`. Digests are in hexadecimal. KEY consists of a time, a
//! process ID and a random number, separated by dots. Before versions 0.49 and 1.0, values had only the first part.

use alloc::boxed::Box;

use arrayvec::ArrayVec;

use crate::bytes::Sink;
use crate::id::{md5_hex, md5_hex_of, MD5_HEX};
use crate::memory::{self, OutOfMemory};
use crate::session::STAMP;

/// The length of the longest key: three or four numbers, each with at most the digits of a `double`.
const LONGEST_KEY: usize = 64;

/// A backend of ingress-nginx.
#[derive(Debug)]
pub struct Backend {
    name: Box<[u8]>,
    /// The end of a value, after the vertical bar.
    tail: [u8; MD5_HEX],
}

impl Backend {
    /// Returns the backend with this name.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
    pub fn new(name: &[u8]) -> Result<Self, OutOfMemory> {
        Ok(Backend {
            name: memory::boxed(name)?,
            tail: md5_hex_of(&[&md5_hex(name), name]),
        })
    }

    /// Returns the part of a value before the digest of the backend's name, if it is a value of this backend.
    pub fn split<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        let start = value.strip_suffix(&self.tail)?;
        start
            .strip_suffix(&[STAMP])
            .filter(|start| !start.is_empty())
    }

    /// Returns the key of a session with `affinity-mode: balanced`.
    pub fn key<'a>(&self, value: &'a [u8]) -> Option<&'a [u8]> {
        self.split(value).filter(|start| {
            start.len() <= LONGEST_KEY
                && start.contains(&b'.')
                && start.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.'))
        })
    }

    /// Passes the values of a server with `affinity-mode: persistent` to `add`, in the current form and in the old one.
    pub(super) fn each_id(
        &self,
        address: &[u8],
        add: &mut dyn FnMut(&[u8]) -> Result<(), OutOfMemory>,
    ) -> Result<(), OutOfMemory> {
        let id = md5_hex_of(&[&self.name, address]);
        let mut value = ArrayVec::<u8, { 2 * MD5_HEX + 1 }>::new();
        for part in [&id[..], &[STAMP], &self.tail] {
            value.put(part);
        }
        add(&value)?;
        add(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    // N=default-shop-80; md5() { md5sum | cut -c1-32; }
    // printf %s "$(printf %s $N | md5)$N" | md5; printf %s "${N}10.1.1.100:8080" | md5
    const TAIL: &[u8] = b"a630d342a7253deaa8858cf51930c012";
    const ID: &[u8] = b"d5fe153b5d95ec857e90fe0f34758014";

    fn value(start: &[u8]) -> Vec<u8> {
        [start, b"|", TAIL].concat()
    }

    #[test]
    fn ids_of_a_server() {
        let backend = Backend::new(b"default-shop-80").unwrap();
        let mut ids: Vec<Vec<u8>> = Vec::new();
        let mut add = |id: &[u8]| {
            ids.push(id.to_vec());
            Ok(())
        };
        backend.each_id(b"10.1.1.100:8080", &mut add).unwrap();
        assert_eq!(ids, [value(ID), ID.to_vec()]);
    }

    #[test]
    fn keys_of_sessions() {
        let backend = Backend::new(b"default-shop-80").unwrap();
        let key = |text: &[u8]| backend.key(text).map(<[u8]>::to_vec);
        for good in [&b"1784523424.123.41.7919"[..], b"1784523424.41.0", b"1.2"] {
            assert_eq!(key(&value(good)).as_deref(), Some(good));
        }
        let long = [b'.'; LONGEST_KEY + 1];
        for bad in [
            &b""[..],
            ID,
            b"12345678901234567890123456789012",
            b"1.2 ",
            b"1.2|",
            b"1,2",
            b"-1.2.3",
            &long,
        ] {
            assert_eq!(key(&value(bad)), None);
        }
        let good = value(b"1.2.3");
        for bad in [
            &good[..good.len() - 1],
            b"1.2.3",
            b"1.2.3|",
            TAIL,
            &[&good[..], b"|"].concat(),
        ] {
            assert_eq!(key(bad), None);
            assert_eq!(backend.split(bad), None);
        }
        assert_eq!(key(&good.to_ascii_uppercase()), None);
        assert_eq!(Backend::new(b"default-shop-81").unwrap().split(&good), None);
    }
}
