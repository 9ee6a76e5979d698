//! Session persistence by cookie, without a web server.
//!
//! A load balancer that keeps each client on one server performs four steps:
//!
//! 1. It reads the `Cookie` field of the request, and may hide a pair of it from the upstream server ([`cookie`]).
//! 2. It decodes the value of the cookie ([`session`]) and judges it ([`verdict`]).
//! 3. It looks up the server with the ID in the cookie ([`roster`], [`id`]) according to the configuration ([`policy`]).
//! 4. It decides what to do with the response ([`action`], for most requests in advance: [`foreknown`]), and writes or edits
//!    `Set-Cookie` ([`set_cookie`]). [`cache_control`] prevents shared caches from storing a response that sets the cookie.
//!
//! Several tables are kept in memory that processes share: [`learned`] maps sessions of the application to servers,
//! [`linger`] remembers servers whose addresses have disappeared from DNS, [`counters`] counts requests, and
//! [`control`] holds the server states that are set at run time.
//!
//! [`endpoint`] parses requests to the status page, and [`status`] defines the outcome of a request for its session.
//! [`keys`] generates IDs that reveal nothing about servers, and signatures. [`foreign`] reads cookies set by other
//! systems. [`mod@unreachable`] keeps track of servers that do not accept connections, and [`bytes`] implements the
//! grammar of header fields.
//!
//! The crate reads no clock: results depend only on the arguments and the tables. No input causes a panic. Memory is
//! allocated only for data that is built before requests are processed or that many requests use, by the functions of
//! [`memory`], which return an error if allocation fails.

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
