//! `session_sticky_status`: the state of upstreams, servers and sessions as a page, as JSON and for Prometheus.
//!
//! [`endpoint`] handles requests. [`listing`] iterates over upstreams and servers in slices, which [`document`] and
//! [`exposition`] write and [`stream`] sends; other events are processed between slices. [`explain`] shows how the next
//! request of a session would be handled.

pub(crate) mod answer;
mod document;
pub(crate) mod endpoint;
mod explain;
mod exposition;
mod json;
mod line;
mod listing;
mod reply;
mod shared_addresses;
mod stream;
mod text;
