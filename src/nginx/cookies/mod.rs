//! The `Cookie` fields of a request, and a request's own view of them.
//!
//! Requests share header fields: a subrequest begins with a copy of the list's head. Changing a field in place would also change
//! it for the parent request, even if that is sent upstream later. A view is therefore a list of the request's own, with its own
//! `Cookie` fields, unless it is certain that no other request uses the field ([`SingleCookie`]). The fields as sent by the
//! client are kept with the view in the pool, where the next location or a subrequest finds them: a hidden cookie stays hidden
//! from upstream servers, but the module can still read it.

mod fields;
mod list;
mod single;
mod view;

pub(crate) use fields::Cookies;
pub(super) use fields::Values;
pub(super) use list::parts;
pub(crate) use single::SingleCookie;
pub(crate) use view::{SinglePair, View};
