//! The place of one server in shared memory.

use core::num::NonZeroU64;
use core::sync::atomic::AtomicU64;

use super::{Override, State};
use crate::word::{then, Word};

const WORDS: usize = 45;

/// How many bytes the name of an upstream and the address of a server may have together.
pub const MAX_NAMES: usize = WORDS * size_of::<u64>();

/// The place of one server. Two words tell whether there is one: what was said of it, and until when, and until when it asks
/// to drain. They are stored when the names are in place, and taken back before these are used for another.
#[repr(C, align(64))]
pub struct Slot {
    pub(super) state: AtomicU64,
    /// The second up to which the server asks to drain; 0: it does not.
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

/// What is known of a server: what the operator has said of it, and what it asks for itself.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// What was said.
    pub over: Option<Override>,
    /// The second up to which it asks to drain.
    pub asked: Option<u64>,
}

impl Standing {
    /// Returns whether nothing is known.
    pub(super) fn is_empty(self) -> bool {
        self == Standing::default()
    }

    /// Returns the first second in which some of it ends.
    pub(super) fn end(self) -> Option<u64> {
        let said = self.over.and_then(|over| over.until);
        said.into_iter().chain(self.asked).min()
    }
}

/// What has ended of a server.
pub struct Ended {
    pub(super) names: Names,
    /// What was said of it; `None`: it no longer asks to drain.
    pub over: Option<Override>,
}

impl Ended {
    /// Returns the name of its upstream, and its address.
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
    /// Returns whether names have room in a slot.
    pub(super) fn has_room(upstream: &[u8], address: &[u8]) -> bool {
        upstream.len().saturating_add(address.len()) <= MAX_NAMES
    }

    /// Returns what was said of the server in this slot, if there is one.
    pub(super) fn over(&self) -> Option<Override> {
        unpack(self.state.get())
    }

    /// Returns up to when the server in this slot asks to drain.
    pub(super) fn asked(&self) -> Option<u64> {
        NonZeroU64::new(self.asked.get()).map(NonZeroU64::get)
    }

    /// Returns what is known of the server in this slot; nothing, if there is none.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            over: self.over(),
            asked: self.asked(),
        }
    }

    /// Says something else of the server in this slot; `None`: nothing any more.
    pub(super) fn set_over(&self, over: Option<Override>) {
        self.state.set(over.map_or(EMPTY, pack));
    }

    /// Notes up to when the server in this slot asks to drain; `None`: it does not.
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

    /// Puts a server into this slot, in the place of another.
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
