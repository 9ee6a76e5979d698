//! Request counters in memory that the worker processes share.
//!
//! A server has a [`Slot`], found by its key, and one cache line per worker, which the worker increments atomically and without
//! a lock: [`Table::add`]. No worker waits for another, and no count is lost if a worker is killed. If there are more workers
//! than lines, some of them share a line, which only costs time. The sums are calculated from the lines of all workers.
//!
//! The servers of an upstream form a list that begins in the first slot of a [`Group`]. A group has three slots of its
//! own: for requests that are not counted for a server, for the verdicts, and for the actions.
//!
//! Functions that look up, register or free slots must be called under one lock: [`Table::find`], [`Table::find_group`],
//! [`Table::register`], [`Table::register_group`] and [`Table::sweep`]. A process may be killed at any store while it holds
//! that lock; the table then is still valid. Memory consists of atomics and of indexes that are checked, and every loop is
//! bounded. A slot can be found once it is linked to its bucket, which is the last store. A slot that was taken but cannot
//! be found is freed by [`Table::sweep`].
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
