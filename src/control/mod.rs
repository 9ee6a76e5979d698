//! `session_sticky_control`: servers are drained and taken down while nginx is running, in all workers, without a reload.
//!
//! [`patch`] handles the request and writes the new state to shared memory. When a request begins, each worker compares one
//! number with that memory, and writes changes to nginx's lists of servers ([`apply`]). [`state_file`] keeps the states
//! across restarts. The shared memory also holds the servers that [ask](asked) to drain.

pub(crate) mod applied;
pub(crate) mod apply;
pub(crate) mod asked;
pub(crate) mod guard;
pub(crate) mod patch;
pub(crate) mod said;
pub(crate) mod start;
pub(crate) mod state_file;
