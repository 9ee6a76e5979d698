//! The grammar of header fields, searching, decimal numbers, and buffers for text.

mod decimal;
mod grammar;
mod search;
mod sink;

pub use decimal::{decimal, leading_decimal, to_ten_digits, DECIMAL};
pub use grammar::{
    is_attribute_value, is_cookie_value, is_domain, is_ows, is_path, is_token, trim, trim_end,
    trim_start, unquote,
};
pub use search::{contains, find, USUAL_LENGTH};
pub use sink::{Buffer, Length, Sink};

pub(crate) use grammar::trimmed;
pub(crate) use search::{find_near, lowest_in_word, places_in_word, Beginnings, FirstBytes};
