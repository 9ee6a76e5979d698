//! Servers whose address has left DNS, and which keep their sessions for a while: they linger.
//!
//! [`Table`] holds them in memory that the workers share, and [`left`] tells which servers a list has lost.

mod slot;
mod table;
#[cfg(test)]
mod tests;

pub use slot::{Slot, MAX_ADDRESS};
pub use table::{seconds_left, Added, Header, Place, Table};

use siphasher::sip::SipHasher24;

use crate::key::{Key, Secret};
use core::hash::Hasher;

/// What the names of an upstream and of a `server` line are known by. They come from the configuration, so it need not be
/// secret.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Line(Key);

impl Line {
    /// Returns what a line is known by, in this configuration and in those that follow.
    pub fn new(upstream: &[u8], line: &[u8], is_backup: bool) -> Self {
        let secret = Secret([0, is_backup.into()]);
        Line(Key::of_pair(&secret, upstream, line))
    }
}

/// The address of a server as the system has it, a `struct sockaddr`, with zeros behind it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Address {
    bytes: [u8; MAX_ADDRESS],
    length: u8,
}

impl Address {
    /// Returns the address; `None`: it is longer than those that DNS tells.
    pub fn new(address: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_ADDRESS];
        bytes.get_mut(..address.len())?.copy_from_slice(address);
        let length = u8::try_from(address.len()).ok()?;
        Some(Address { bytes, length })
    }

    /// Returns its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length.into()).unwrap_or(&self.bytes)
    }
}

/// A server that DNS has told of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Server {
    /// The line that it comes of.
    pub line: Line,
    /// Its address.
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

/// Returns the servers that were in a list and are not in that of now; both are sorted.
pub fn left<'a>(before: &'a [Server], now: &'a [Server]) -> impl Iterator<Item = &'a Server> {
    let mut rest = now;
    before.iter().filter(move |server| {
        let earlier = rest.iter().take_while(|other| other < server).count();
        rest = rest.get(earlier..).unwrap_or_default();
        rest.first() != Some(server)
    })
}
