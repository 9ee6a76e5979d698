//! The text format in which a table is saved.
//!
//! ```text
//! session_sticky_control 1
//! drain 0 app 127.0.0.1:8080
//! down 1764271300 app unix:/run/b%20c.sock
//! end 2
//! ```
//!
//! Each server has a line with its state, the second in which the state ends or 0, the upstream, and the address. The
//! last line shows that the text is complete.

use super::slot::Slot;
use super::{Entry, Override, State, MAX_NAMES};
use crate::bytes::{decimal, Sink};

const FIRST_LINE: &[u8] = b"session_sticky_control 1";

/// Returns an upper bound for the size in bytes of a text with this number of servers.
pub fn most(servers: usize) -> usize {
    let line = MAX_NAMES.saturating_mul(3).saturating_add(40);
    servers.saturating_mul(line).saturating_add(80)
}

/// Writes the text of a table.
pub struct Writer<'s, S> {
    sink: &'s mut S,
    servers: u64,
}

impl<'s, S: Sink> Writer<'s, S> {
    /// Begins a text.
    pub fn new(sink: &'s mut S) -> Self {
        sink.put(FIRST_LINE);
        sink.put(b"\n");
        Writer { sink, servers: 0 }
    }

    /// Writes a server.
    pub fn put(&mut self, entry: Entry<'_>) {
        self.sink.put(entry.over.state.as_str().as_bytes());
        self.sink.put(b" ");
        self.sink.put_decimal(entry.over.until.unwrap_or_default());
        for name in [entry.upstream, entry.address] {
            self.sink.put(b" ");
            encode(name, self.sink);
        }
        self.sink.put(b"\n");
        self.servers = self.servers.saturating_add(1);
    }

    /// Ends the text.
    pub fn end(self) {
        self.sink.put(b"end ");
        self.sink.put_decimal(self.servers);
        self.sink.put(b"\n");
    }
}

/// The number, from 1, of the first line that cannot be parsed, or of the missing last line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Damaged(pub usize);

/// Parses a text and passes its servers to `show`, or none of them if any line is damaged.
///
/// # Errors
///
/// Returns an error if a line is damaged.
pub fn read(text: &[u8], mut show: impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    walk(text, |_| {})?;
    walk(text, &mut show)
}

fn walk(text: &[u8], mut show: impl FnMut(Entry<'_>)) -> Result<(), Damaged> {
    let mut rest = text;
    let mut number = 0usize;
    loop {
        number = number.saturating_add(1);
        let damaged = Damaged(number);
        let end = rest.iter().position(|byte| *byte == b'\n').ok_or(damaged)?;
        let (line, after) = rest.split_at_checked(end).ok_or(damaged)?;
        rest = after.get(1..).ok_or(damaged)?;
        if number == 1 {
            if line != FIRST_LINE {
                return Err(damaged);
            }
        } else if let Some(count) = line.strip_prefix(b"end ") {
            let servers = number.saturating_sub(2) as u64;
            let is_whole = decimal(count) == Some(servers) && rest.is_empty();
            return is_whole.then_some(()).ok_or(damaged);
        } else {
            read_line(line, &mut show).ok_or(damaged)?;
        }
    }
}

/// Parses the line of a server.
fn read_line(line: &[u8], show: impl FnOnce(Entry<'_>)) -> Option<()> {
    let mut words = line.split(|byte| *byte == b' ');
    let state = match words.next()? {
        b"drain" => State::Drain,
        b"down" => State::Down,
        _ => return None,
    };
    let until = decimal(words.next()?).filter(|until| until.leading_zeros() >= u8::BITS)?;
    let mut names = [[0; MAX_NAMES]; 2];
    let [upstream, address] = &mut names;
    let upstream = decode(words.next()?, upstream)?;
    let address = decode(words.next()?, address)?;
    if words.next().is_some() || !Slot::has_room(upstream, address) {
        return None;
    }
    show(Entry {
        upstream,
        address,
        over: Override {
            state,
            until: (until != 0).then_some(until),
        },
    });
    Some(())
}

/// Returns whether a byte is written without encoding.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'[' | b']')
}

/// Writes a name, with bytes that could end it encoded as `%` and two hexadecimal digits.
fn encode(name: &[u8], sink: &mut impl Sink) {
    for byte in name {
        if is_plain(*byte) {
            sink.put_piece(&[*byte]);
        } else {
            let digit = |half: u8| {
                char::from_digit(u32::from(half & 15), 16).map_or(b'0', |digit| digit as u8)
            };
            sink.put_piece(&[b'%', digit(byte >> 4), digit(*byte)]);
        }
    }
}

/// Decodes a name. Returns `None` if [`encode`] has not written it, or if it is empty or too long.
fn decode<'n>(text: &[u8], name: &'n mut [u8; MAX_NAMES]) -> Option<&'n [u8]> {
    let mut bytes = text.iter().copied();
    let mut length = 0usize;
    while let Some(byte) = bytes.next() {
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
        let byte = match byte {
            b'%' => digit(bytes.next()?)?
                .checked_mul(16)?
                .checked_add(digit(bytes.next()?)?)?,
            _ if is_plain(byte) => byte,
            _ => return None,
        };
        *name.get_mut(length)? = byte;
        length = length.saturating_add(1);
    }
    name.get(..length).filter(|name| !name.is_empty())
}
