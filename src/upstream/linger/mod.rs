//! Servers whose address has left DNS and which keep their sessions for a while (`linger=`).
//!
//! In each worker, [`watch`] detects which servers have left or returned, and records it in shared memory; [`known`] is what
//! a worker knows; [`departed`] looks up lingering servers by ID, and [`request`] sends a request to one.

mod departed;
pub(crate) mod known;
mod request;
pub(crate) mod watch;

pub(crate) use departed::{lingering, Departed, Lingering};
pub(super) use request::{address_of, bind, follow, free, give_up};
