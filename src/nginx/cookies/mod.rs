//! The `Cookie` fields of a request, and a request's own view of them.
//!
//! Requests share header fields: a subrequest begins with a copy of the list's head, so that changing a
//! field in place would change it for its parent too, whenever that one happens to be sent. A view therefore
//! is a list of the request's own, with `Cookie` fields of its own, unless it is certain that no other request
//! has the field ([`SingleCookie`]). The fields as the client sent them are kept with the view in the pool, where the
//! next location or a subrequest finds them: what is hidden once stays hidden, but can still be read.

mod fields;
mod list;
mod single;
mod view;

pub(crate) use fields::Cookies;
pub(super) use fields::Values;
pub(super) use list::parts;
pub(crate) use single::SingleCookie;
pub(crate) use view::{SinglePair, View};
