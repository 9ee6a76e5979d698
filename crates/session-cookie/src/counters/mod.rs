//! What requests did, counted in memory that the workers share.
//!
//! A server has a [`Slot`], which is found by a key, and a line of cache of its own for each worker, to which that adds
//! without a lock: [`Table::add`]. Nobody waits for anybody, and nothing is lost when a worker is killed. More workers than
//! there are lines share them, which costs time only. Whoever asks for the sums reads the lines of all workers.
//!
//! The servers of an upstream stand in a list, which begins in the first slot of a [`Group`]: three more lines, for
//! requests that no server has served, and for how often each verdict and each action was.
//!
//! All other functions are called under one lock. A process may be killed at any store while it holds that lock; what the
//! next one finds is a table all the same. Memory consists of atomics and of indexes that are checked, and each loop has a
//! bound. A slot is found once its bucket is stored, which is last; one that was taken and is not found is
//! [swept](Table::sweep).
//!
//! ```
//! use core::sync::atomic::AtomicU32;
//! use session_cookie::counters::{Count, Header, Key, Layout, Line, Secret, Slot, Table};
//!
//! let layout = Layout::new(16, 2).unwrap();
//! let header = Header::default();
//! let buckets: Vec<_> = (0..layout.buckets).map(|_| AtomicU32::default()).collect();
//! let slots: Vec<_> = (0..layout.slots).map(|_| Slot::default()).collect();
//! let lines: Vec<_> = (0..layout.lines).map(|_| Line::default()).collect();
//! let table = Table::new(&header, &buckets, &slots, &lines);
//! table.clear(Secret([1, 2]), 1_600_000_000);
//!
//! let secret = table.secret();
//! let group = table.register_group(Key::new(&secret, b"upstream"), 0).unwrap();
//! let server = table.register(Key::new(&secret, b"upstream 192.0.2.1:80"), group, 0).unwrap();
//! for worker in 0..4 {
//!     table.add(server, worker, Count::Bound);
//! }
//! assert_eq!(table.server(server).bound, 4);
//! assert_eq!(table.upstream(group).requests.bound, 4);
//! ```

mod counts;
mod group;
mod layout;
mod leaving;
mod slot;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod transfer;

pub use crate::key::{Key, Secret};
pub use counts::{ActionCounts, Count, RequestCounts, ServerCounts, UpstreamCounts, VerdictCounts};
pub use layout::Layout;
pub use leaving::Leaving;
pub use slot::{Group, Header, Line, Slot, SlotId};
pub use table::Table;
