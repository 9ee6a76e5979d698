//! `session_sticky_control`: servers are drained and taken down while nginx runs, in all workers, without a reload.
//!
//! [`patch`] is asked to, and says so in memory that the workers share. Each of them compares one number with it when a
//! request begins, and writes into nginx's lists of servers what has changed ([`apply`]). [`state_file`] keeps it longer than
//! that memory. Servers that [ask](asked) to drain stand there as well.

pub(crate) mod applied;
pub(crate) mod apply;
pub(crate) mod asked;
pub(crate) mod guard;
pub(crate) mod patch;
pub(crate) mod said;
pub(crate) mod start;
pub(crate) mod state_file;
