//! The sessions that were learned from responses, in memory that the workers share: key → server.
//!
//! All access happens under one lock, and a process may be killed at any instruction while it holds that lock, which
//! is then taken away from it. What the next process finds must be a table all the same. So:
//!
//! * Shared memory consists of atomics, and of indexes in place of pointers. Each index is checked when it is used, and
//!   each loop has a bound, so that no content of that memory leads to a panic, to memory outside, or to a loop without
//!   end.
//! * A session becomes visible by one store, that of the bucket which heads its chain, after everything else of it is
//!   in place; one store takes it out of its chain, before its slot is used for anything else. Whoever dies in between
//!   leaves a slot that no chain leads to: its session is forgotten.
//! * Such a slot is not lost. The hand of the clock comes by, finds it in no chain, and takes it.
//! * Another server replaces the one of a session in place: its length is 0 while its text is written, and no server is
//!   found then. Time of use, length and the mark of the clock are one word, so none of them belongs to another.
//!
//! The lock orders the stores of one holder before the loads of the next, and so does the kernel if the holder was
//! killed. What is left to say is in which order one holder stores: all loads and stores are relaxed, and a release
//! fence stands between stores whose order matters (`word.rs`).
//!
//! # Replacement
//!
//! There is no list of sessions by their use, which would take several stores at each request, and no timer. A session
//! that is looked up is judged by its age. A new session takes, in this order: a slot that was given back; one that was
//! never used; the one that the hand of the clock finds. The hand goes around all slots. It takes one that is empty,
//! whose session is expired, or was not used since the hand passed it. Otherwise it takes away the mark of use, which is
//! the session's second chance, and moves on. After 16 steps it looks at 16 slots elsewhere, as sessions in use may lie side
//! by side, and takes the oldest session that was not used since the hand passed it or, if there is none, the oldest of all.
//! This approximates the least recently used session with the one store that notes the time of use, and a bounded number of
//! steps for a new session.
//!
//! ```
//! use core::sync::atomic::AtomicU32;
//! use session_cookie::learned::{Header, Key, Layout, Secret, ServerId, Slot, Table, Tick, Timeout};
//!
//! let layout = Layout::of(4096).unwrap();
//! let header = Header::default();
//! let buckets: Vec<_> = (0..layout.buckets).map(|_| AtomicU32::default()).collect();
//! let slots: Vec<_> = (0..layout.slots).map(|_| Slot::default()).collect();
//! let table = Table::new(&header, &buckets, &slots);
//! table.clear(Secret([1, 2]));
//!
//! let key = Key::new(&table.secret(), b"session of the application");
//! let hour = Timeout::from_millis(3_600_000);
//! table.learn(key, &ServerId::new(b"a").unwrap(), Tick::from_millis(0), hour);
//! let server = table.find(key, Tick::from_millis(3_600_000), hour);
//! assert_eq!(server.unwrap().as_bytes(), b"a");
//! assert!(table.find(key, Tick::from_millis(7_300_000), hour).is_none());
//! ```

mod chain;
mod header;
mod layout;
mod server_id;
mod slot;
mod supply;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod transfer;

pub use crate::key::{Key, Secret};
pub use header::Header;
pub use layout::Layout;
pub use server_id::{ServerId, MAX_ID};
pub use slot::Slot;
pub use table::{Learned, Table};
pub use time::{Tick, Timeout};
