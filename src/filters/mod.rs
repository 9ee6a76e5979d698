//! Changes to the request in the precontent phase ([`hide`]), and to the response ([`set_cookie`]).

mod act;
mod attributes;
mod chain;
mod follow;
pub(crate) mod hide;
mod respond;
pub(crate) mod set_cookie;
