//! Writes values as JSON, with serde_json.

use std::io;

use serde::Serialize;
use session_cookie::bytes::Sink;

/// Writes a value.
pub(super) fn write(value: &impl Serialize, out: &mut impl Sink) {
    // This fails only if the writer fails, which it does not.
    let _ = serde_json::to_writer(Writer(out), value);
}

/// Writes an object without the closing brace, so that members can be added.
pub(super) fn write_open(value: &impl Serialize, out: &mut impl Sink) {
    let _ = serde_json::to_writer(Open::new(out), value);
}

/// A writer that never fails, because serde_json allocates memory for an error. If memory is short, the sink records it.
struct Writer<'a, S>(&'a mut S);

impl<S: Sink> io::Write for Writer<'_, S> {
    #[inline]
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.put(text);
        Ok(text.len())
    }

    #[inline]
    fn write_all(&mut self, text: &[u8]) -> io::Result<()> {
        self.0.put(text);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A [`Writer`] that omits the last closing brace.
struct Open<'a, S> {
    out: Writer<'a, S>,
    /// Whether a closing brace was written last and is held back.
    brace: bool,
}

impl<'a, S: Sink> Open<'a, S> {
    fn new(out: &'a mut S) -> Self {
        Open {
            out: Writer(out),
            brace: false,
        }
    }
}

impl<S: Sink> io::Write for Open<'_, S> {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.brace {
            self.out.0.put(b"}");
        }
        let text_before = text.strip_suffix(b"}");
        self.brace = text_before.is_some();
        self.out.0.put(text_before.unwrap_or(text));
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
