//! `session_sticky_status`: how sessions stand, as a page, as JSON and for Prometheus.
//!
//! [`endpoint`] makes the content of a location. [`listing`] goes along upstreams and their servers, a slice at a time, and
//! [`document`] and [`exposition`] write what it meets. [`stream`] sends it, and goes on when others had their turn.
//! [`explain`] answers what would become of a session.

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
