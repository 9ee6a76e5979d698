//! Lingering servers: servers whose address has disappeared from DNS but which keep their sessions for a while.
//!
//! [`Table`] stores them in memory shared by the worker processes. [`left`] finds the servers that have disappeared from a list.

mod slot;
mod table;
#[cfg(test)]
mod tests;

pub use slot::{Slot, MAX_ADDRESS};
pub use table::{seconds_left, Added, Header, Place, Table};

use siphasher::sip::SipHasher24;

use crate::key::{Key, Secret};
use core::hash::Hasher;

/// Identifies a `server` line of an upstream: a hash of both names and of whether it has `backup`. They come from the
/// configuration, so the hash needs no secret.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Line(Key);

impl Line {
    /// Returns the identifier of a line. It is the same in later configurations.
    pub fn new(upstream: &[u8], line: &[u8], is_backup: bool) -> Self {
        let secret = Secret([0, is_backup.into()]);
        Line(Key::of_pair(&secret, upstream, line))
    }
}

/// The address of a server as a `struct sockaddr`, padded with zeros.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Address {
    bytes: [u8; MAX_ADDRESS],
    length: u8,
}

impl Address {
    /// Copies an address. Returns `None` if it is longer than an address obtained from DNS can be.
    pub fn new(address: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_ADDRESS];
        bytes.get_mut(..address.len())?.copy_from_slice(address);
        let length = u8::try_from(address.len()).ok()?;
        Some(Address { bytes, length })
    }

    /// Returns the bytes of the address.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or(&self.bytes)
    }
}

/// A server whose address was obtained from DNS.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Server {
    /// The `server` line it belongs to.
    pub line: Line,
    /// The address.
    pub address: Address,
}

impl Server {
    fn hash(&self) -> u64 {
        let Key([one, two]) = self.line.0;
        let mut hasher = SipHasher24::new_with_keys(one, two);
        hasher.write(self.address.as_bytes());
        hasher.finish()
    }
}

/// Returns the servers in the list `before` that are missing from the list `now`. Both lists must be sorted.
pub fn left<'a>(before: &'a [Server], now: &'a [Server]) -> impl Iterator<Item = &'a Server> {
    let mut rest = now;
    before.iter().filter(move |server| {
        let earlier = rest.iter().take_while(|other| other < server).count();
        rest = rest.get(earlier..).unwrap_or_default();
        rest.first() != Some(server)
    })
}
