//! Session persistence by cookie, without a web server.
//!
//! A load balancer that keeps a client on one server does four things, each of which has a module:
//!
//! 1. it reads a `Cookie` field, and hides a pair of it from the upstream server ([`cookie`]);
//! 2. it decodes the value ([`session`]) and judges it ([`verdict`]);
//! 3. it looks up the server of the id ([`roster`], [`id`]), under the rules of the configuration ([`policy`]);
//! 4. it decides what the response does ([`action`]), and writes or edits `Set-Cookie` ([`set_cookie`]); [`cache_control`] keeps
//!    that from shared caches.
//!
//! [`learned`] is a table of sessions whose servers are known without a cookie of ours, [`counters`] of what requests
//! did, and [`control`] of what an operator has said of servers, all in memory that processes share.
//! [`endpoint`] reads what is asked of the page that shows how sessions stand.
//! [`keys`] makes ids that tell nothing of a server, and signatures; [`foreign`] reads what other systems have set.
//! [`mod@unreachable`] keeps what is known of servers that do not accept connections, and [`bytes`] has the grammar of all
//! these texts.
//!
//! Everything is a function of its arguments: there is no clock, and no panic whatever the bytes are. Only what is made
//! before requests, or once for many, allocates, by the functions of [`memory`]: where memory is short, the caller is
//! told.

#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![cfg_attr(
    not(test),
    deny(
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::disallowed_types
    )
)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        clippy::unwrap_used
    )
)]

extern crate alloc;

pub mod action;
pub mod bytes;
pub mod cache_control;
pub mod control;
pub mod cookie;
pub mod counters;
pub mod endpoint;
pub mod foreign;
pub mod foreknown;
pub mod id;
mod key;
pub mod keys;
pub mod learned;
pub mod linger;
pub mod memory;
pub mod policy;
pub mod roster;
pub mod session;
pub mod set_cookie;
pub mod status;
pub mod unreachable;
pub mod verdict;
mod word;
