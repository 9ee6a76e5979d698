//! Session persistence by cookie, without a web server.
//!
//! A load balancer that keeps a client on one server does four things, and each has a room here:
//!
//! 1. it reads a `Cookie` header, and hides a pair of it from the server ([`cookie`]);
//! 2. it decodes the value ([`session`]) and judges it ([`verdict`]);
//! 3. it looks the named server up ([`roster`]), under the rules that the operator gave ([`policy`]);
//! 4. it decides what the response does ([`action`]), and writes or edits `Set-Cookie` ([`set_cookie`]).
//!
//! What a load balancer learns of servers that do not accept connections has a room of its own ([`mod@unreachable`]).
//!
//! Everything is a function of its arguments: no clock, no panic whatever the bytes are. Only policies and
//! rosters allocate, which are made before requests, or once for many.

#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
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
pub mod cookie;
pub mod id;
pub mod memory;
pub mod policy;
pub mod roster;
pub mod session;
pub mod set_cookie;
pub mod unreachable;
pub mod verdict;
