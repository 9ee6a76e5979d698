//! Requests to the status page: the requested [resource](Resource) and [`Format`], and percent-encoded texts.

mod format;
mod percent;
mod resource;

pub use format::Format;
pub use percent::{decode, parameter, Undecodable};
pub use resource::Resource;
