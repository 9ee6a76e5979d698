//! Server selection: a wrapper around the balancer of an upstream. Either the cookie or the balancer chooses the server.
//!
//! In the order of nginx's calls: [`chain`] prepares an upstream once. [`balancer`] prepares each request, for which [`lookup`]
//! reads the cookie, and chooses a server for each try; [`release`] frees it. [`visit`] is the state of a request.

pub(crate) mod asking;
mod backups;
mod balancer;
mod bind;
pub(crate) mod chain;
mod controlled;
pub(crate) mod count;
pub(crate) mod counting;
mod directory;
pub(crate) mod early;
pub(crate) mod explain;
mod exposed;
mod failure;
mod follow;
mod foreign;
mod known;
mod lend;
pub(crate) mod linger;
mod lookup;
mod other_values;
mod proof;
mod release;
mod same_id;
mod served;
pub(crate) mod servers;
mod slots;
pub(crate) mod source;
mod strict;
mod switches;
mod unavailable;
pub(crate) mod visit;
mod willing;

use ngx::core::Status;
use ngx::ffi::ngx_int_t;

pub(super) const OK: ngx_int_t = Status::NGX_OK.0;

pub(super) const DONE: ngx_int_t = Status::NGX_DONE.0;

pub(super) const BUSY: ngx_int_t = Status::NGX_BUSY.0;

pub(super) const ERROR: ngx_int_t = Status::NGX_ERROR.0;
