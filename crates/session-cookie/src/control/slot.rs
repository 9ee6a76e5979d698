//! The slot of a server in shared memory.

use core::num::NonZeroU64;
use core::sync::atomic::AtomicU64;

use super::{Override, State};
use crate::word::{then, Word};

const WORDS: usize = 45;

/// The maximum total length of the name of an upstream and the address of a server, in bytes.
pub const MAX_NAMES: usize = WORDS * size_of::<u64>();

/// A slot for one server. Two words show whether the slot is in use: one with the state that was set and the second in
/// which it ends, and one with the second up to which the server has requested draining. They are stored after the names,
/// and cleared before the names are overwritten.
#[repr(C, align(64))]
pub struct Slot {
    pub(super) state: AtomicU64,
    /// The second up to which the server has requested draining; 0 if it has not.
    pub(super) asked: AtomicU64,
    /// The lengths of both names.
    pub(super) lengths: AtomicU64,
    pub(super) names: [AtomicU64; WORDS],
}

const _: () = assert!(size_of::<Slot>() == 384);

impl Default for Slot {
    fn default() -> Self {
        Slot {
            state: AtomicU64::new(EMPTY),
            asked: AtomicU64::new(0),
            lengths: AtomicU64::new(0),
            names: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

/// A server whose state an operator has set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    /// The name of its upstream.
    pub upstream: &'a [u8],
    /// Its address as nginx prints it.
    pub address: &'a [u8],
    /// The state that was set.
    pub over: Override,
}

/// The recorded state of a server: set by an operator, and requested by the server itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// The state that an operator has set.
    pub over: Option<Override>,
    /// The second up to which the server has requested draining.
    pub asked: Option<u64>,
}

impl Standing {
    /// Returns whether no state is recorded.
    pub(super) fn is_empty(self) -> bool {
        self == Standing::default()
    }

    /// Returns the earliest second in which one of the two ends.
    pub(super) fn end(self) -> Option<u64> {
        let said = self.over.and_then(|over| over.until);
        said.into_iter().chain(self.asked).min()
    }
}

/// A recorded state that has ended.
pub struct Ended {
    pub(super) names: Names,
    /// The state that an operator had set; `None` if draining that the server had requested has ended.
    pub over: Option<Override>,
}

impl Ended {
    /// Returns the name of the upstream, and the address of the server.
    pub fn names(&self) -> (&[u8], &[u8]) {
        self.names.get().unwrap_or_default()
    }
}

/// A copy of the names in a slot.
pub(super) struct Names {
    bytes: [[u8; size_of::<u64>()]; WORDS],
    upstream: usize,
    address: usize,
}

impl Names {
    /// Returns a copy of the names, or `None` if they do not fit in a slot.
    fn new(upstream: &[u8], address: &[u8]) -> Option<Self> {
        let mut names = Names {
            bytes: [[0; size_of::<u64>()]; WORDS],
            upstream: upstream.len(),
            address: address.len(),
        };
        let end = upstream.len().checked_add(address.len())?;
        let (first, second) = names
            .bytes
            .as_flattened_mut()
            .get_mut(..end)?
            .split_at_mut(upstream.len());
        first.copy_from_slice(upstream);
        second.copy_from_slice(address);
        Some(names)
    }

    /// Returns the name of the upstream, and the address.
    pub(super) fn get(&self) -> Option<(&[u8], &[u8])> {
        let end = self.upstream.checked_add(self.address)?;
        (self.bytes.as_flattened())
            .get(..end)?
            .split_at_checked(self.upstream)
    }
}

const LENGTH: u64 = 0xffff;

impl Slot {
    /// Returns whether names fit in a slot.
    pub(super) fn has_room(upstream: &[u8], address: &[u8]) -> bool {
        upstream.len().saturating_add(address.len()) <= MAX_NAMES
    }

    /// Returns the state that an operator has set for the server in this slot.
    pub(super) fn over(&self) -> Option<Override> {
        unpack(self.state.get())
    }

    /// Returns the second up to which the server in this slot has requested draining.
    pub(super) fn asked(&self) -> Option<u64> {
        NonZeroU64::new(self.asked.get()).map(NonZeroU64::get)
    }

    /// Returns the recorded state of the server in this slot; empty if the slot is not in use.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            over: self.over(),
            asked: self.asked(),
        }
    }

    /// Sets or removes the operator's state of the server in this slot.
    pub(super) fn set_over(&self, over: Option<Override>) {
        self.state.set(over.map_or(EMPTY, pack));
    }

    /// Sets or removes the second up to which the server in this slot has requested draining.
    pub(super) fn set_asked(&self, until: Option<u64>) {
        self.asked.set(until.unwrap_or_default());
    }

    /// Returns a copy of the names.
    pub(super) fn names(&self) -> Names {
        let lengths = self.lengths.get();
        #[allow(clippy::cast_possible_truncation)] // 16 bits
        Names {
            bytes: self.names.each_ref().map(|word| word.get().to_ne_bytes()),
            upstream: (lengths & LENGTH) as usize,
            address: (lengths >> u16::BITS & LENGTH) as usize,
        }
    }

    /// Returns whether these are the names in this slot.
    pub(super) fn holds(&self, upstream: &[u8], address: &[u8]) -> bool {
        if self.lengths.get() != lengths(upstream, address) {
            return false;
        }
        let mut names = upstream.iter().chain(address);
        let words = self.names.iter().map(|word| word.get().to_ne_bytes());
        words
            .flatten()
            .zip(&mut names)
            .all(|(one, other)| one == *other)
            && names.next().is_none()
    }

    /// Stores a server in this slot, replacing any other.
    pub(super) fn fill(&self, upstream: &[u8], address: &[u8], standing: Standing) {
        let Some(names) = Names::new(upstream, address) else {
            return;
        };
        self.set_over(None);
        self.set_asked(None);
        then();
        for (word, bytes) in self.names.iter().zip(names.bytes) {
            word.set(u64::from_ne_bytes(bytes));
        }
        self.lengths.set(lengths(upstream, address));
        then();
        self.set_over(standing.over);
        self.set_asked(standing.asked);
    }
}

fn lengths(upstream: &[u8], address: &[u8]) -> u64 {
    // Both lengths are at most `MAX_NAMES`.
    (upstream.len() as u64 & LENGTH) | (address.len() as u64 & LENGTH) << u16::BITS
}

const EMPTY: u64 = 0;
const DRAIN: u64 = 1;
const DOWN: u64 = 2;
const KIND: u64 = 0xff;

/// Packs a state into a word: the state in the lowest byte, and above it the second in which it ends, or 0.
fn pack(over: Override) -> u64 {
    let kind = match over.state {
        State::Drain => DRAIN,
        State::Down => DOWN,
    };
    let until = over.until.unwrap_or_default().min(u64::MAX >> u8::BITS);
    until << u8::BITS | kind
}

fn unpack(word: u64) -> Option<Override> {
    let state = match word & KIND {
        DRAIN => State::Drain,
        DOWN => State::Down,
        _ => return None,
    };
    Some(Override {
        state,
        until: NonZeroU64::new(word >> u8::BITS).map(NonZeroU64::get),
    })
}
