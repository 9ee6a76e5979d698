//! Sessions learned from responses, in memory shared by the worker processes: a map from session key to server ID.
//!
//! All access happens under one lock. A process may be killed at any instruction while it holds the lock, which is then forcibly
//! released. The next process must still find a consistent table. Therefore:
//!
//! * Shared memory consists of atomics, and uses indexes instead of pointers. Each index is checked when it is used, and each
//!   loop is bounded, so no content of the memory can cause a panic, an access outside of it, or an endless loop.
//! * A session becomes visible with a single store, to the bucket at the head of its chain, after all its other fields are
//!   written. It is removed from its chain with a single store before its slot is reused. A process killed in between leaves a
//!   slot that is in no chain; the session in it is lost.
//! * Such a slot is not leaked: the clock hand reaches it, finds that it is in no chain, and reuses it.
//! * The server of a session is replaced in place. The length of its ID is 0 while the text is written, so no server is found
//!   then. The time of last use, the length and the reference bit are stored in one word and therefore always belong together.
//!
//! The lock orders the stores of one holder before the loads of the next, and so does the kernel if the holder was killed. Only
//! the order of the stores of a single holder remains to be ensured: all loads and stores are relaxed, and a release fence
//! separates stores whose order matters (`word.rs`).
//!
//! # Replacement
//!
//! There is no timer, and no list of sessions ordered by use, which would take several stores per request. Whether a session has
//! expired is checked when it is looked up. A new session takes, in order of preference, the slot that was freed last, a slot
//! that was never used, or the slot found by the clock hand. The hand moves around all slots. It takes a slot that is empty,
//! whose session has expired, or whose session was not used since the hand last passed it. Otherwise, it clears the session's
//! reference bit, which gives the session a second chance, and moves on. After 16 steps, it examines 16 slots elsewhere, because
//! sessions in use may be adjacent, and takes the oldest session that was not used since the hand last passed it or, if there is
//! none, the oldest session of all. This approximates least-recently-used replacement, and costs one store to record the time of
//! use and a bounded number of steps for a new session.
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
