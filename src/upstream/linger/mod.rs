//! Servers whose address has left DNS and which keep their sessions for a while (`linger=`).
//!
//! [`watch`] notices in each worker who has left and who is back, and writes it down for all; [`known`] is what a worker knows;
//! [`departed`] finds those that linger by their ids, and [`request`] lets a request go to one.

mod departed;
pub(crate) mod known;
mod request;
pub(crate) mod watch;

pub(crate) use departed::{lingering, Departed, Lingering};
pub(super) use request::{address_of, bind, follow, free, give_up};
