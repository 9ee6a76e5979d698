//! Requests to the endpoint that shows how sessions stand: which of its [resources](Resource) one asks for, in which
//! [`Format`], and the texts in it that are percent-encoded.

mod format;
mod percent;
mod resource;

pub use format::Format;
pub use percent::{decode, parameter, Undecodable};
pub use resource::Resource;
