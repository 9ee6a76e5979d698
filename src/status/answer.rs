//! Responses to requests that change the state of a server.

use ngx::core::Status as Code;
use ngx::ffi::ngx_int_t;

use super::document::Document;
use super::listing::{Listing, Selection};
pub(crate) use super::reply::{refuse, Fault};
use super::stream::{self, Content};
use crate::nginx::request::Request;
use crate::nginx::upstream::Upstream;

/// Sends the servers of an upstream that have this ID or address.
pub(crate) fn server<'r>(
    request: Request<'r>,
    upstream: Upstream<'r>,
    server: &'r [u8],
) -> ngx_int_t {
    document(request, Selection::Server(upstream, server))
}

/// Sends an upstream and its servers.
pub(crate) fn upstream<'r>(request: Request<'r>, upstream: Upstream<'r>) -> ngx_int_t {
    document(request, Selection::Upstream(upstream))
}

fn document<'r>(request: Request<'r>, selection: Selection<'r>) -> ngx_int_t {
    match Listing::new(request, selection) {
        Ok(listing) => stream::begin(request, Content::Json(Document::new(listing, true))),
        Err(_) => Code::NGX_ERROR.into(),
    }
}
