//! The place of one server in shared memory.

use core::num::NonZeroU64;
use core::sync::atomic::AtomicU64;

use super::{Override, State};
use crate::word::{then, Word};

const WORDS: usize = 46;

/// How many bytes the name of an upstream and the address of a server may have together.
pub const MAX_NAMES: usize = WORDS * size_of::<u64>();

/// The place of one server. One word tells whether there is one, what it is, and until when: it is stored when the names
/// are in place, and taken back before they are used for another.
#[repr(C, align(64))]
pub struct Slot {
    pub(super) state: AtomicU64,
    /// The lengths of both names.
    pub(super) lengths: AtomicU64,
    pub(super) names: [AtomicU64; WORDS],
}

const _: () = assert!(size_of::<Slot>() == 384);

impl Default for Slot {
    fn default() -> Self {
        Slot {
            state: AtomicU64::new(EMPTY),
            lengths: AtomicU64::new(0),
            names: [const { AtomicU64::new(0) }; WORDS],
        }
    }
}

/// A server of which something was said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Entry<'a> {
    /// The name of its upstream.
    pub upstream: &'a [u8],
    /// Its address as nginx prints it.
    pub address: &'a [u8],
    /// What was said.
    pub over: Override,
}

/// A copy of what was said of a server.
pub struct Said {
    pub(super) names: Names,
    pub(super) over: Override,
}

impl Said {
    /// Returns what was said.
    pub fn entry(&self) -> Entry<'_> {
        let nothing = Entry {
            upstream: &[],
            address: &[],
            over: self.over,
        };
        self.names.entry(self.over).unwrap_or(nothing)
    }
}

/// A copy of the names in a slot.
pub(super) struct Names {
    bytes: [[u8; size_of::<u64>()]; WORDS],
    upstream: usize,
    address: usize,
}

impl Names {
    /// Returns the names in one text; `None`: they have no room in a slot.
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

    pub(super) fn entry(&self, over: Override) -> Option<Entry<'_>> {
        let end = self.upstream.checked_add(self.address)?;
        let (upstream, address) = self
            .bytes
            .as_flattened()
            .get(..end)?
            .split_at_checked(self.upstream)?;
        Some(Entry {
            upstream,
            address,
            over,
        })
    }
}

const LENGTH: u64 = 0xffff;

impl Slot {
    /// Returns whether names have room in a slot.
    pub(super) fn has_room(upstream: &[u8], address: &[u8]) -> bool {
        upstream.len().saturating_add(address.len()) <= MAX_NAMES
    }

    /// Returns what was said of the server in this slot, if there is one.
    pub(super) fn over(&self) -> Option<Override> {
        unpack(self.state.get())
    }

    /// Says something else of the server in this slot; `None` takes it away.
    pub(super) fn set_over(&self, over: Option<Override>) {
        self.state.set(over.map_or(EMPTY, pack));
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

    /// Puts a server into this slot, which has none.
    pub(super) fn fill(&self, upstream: &[u8], address: &[u8], over: Override) {
        let Some(names) = Names::new(upstream, address) else {
            return;
        };
        self.state.set(EMPTY);
        then();
        for (word, bytes) in self.names.iter().zip(names.bytes) {
            word.set(u64::from_ne_bytes(bytes));
        }
        self.lengths.set(lengths(upstream, address));
        then();
        self.state.set(pack(over));
    }
}

fn lengths(upstream: &[u8], address: &[u8]) -> u64 {
    // Both are at most `MAX_NAMES`.
    (upstream.len() as u64 & LENGTH) | (address.len() as u64 & LENGTH) << u16::BITS
}

const EMPTY: u64 = 0;
const DRAIN: u64 = 1;
const DOWN: u64 = 2;
const KIND: u64 = 0xff;

/// Returns the word of a state: what it is in the lowest byte, and above it when it ends, or 0.
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
