//! Lines of the Prometheus text format.

use session_cookie::bytes::Sink;

use super::text::Text;

/// A sample that is being written.
pub(super) struct Line<'a, S> {
    out: &'a mut S,
    /// The separator before the next label.
    before: &'static [u8],
}

impl<'a, S: Sink> Line<'a, S> {
    /// Begins a line.
    pub(super) fn begin(out: &'a mut S, name: &str) -> Self {
        out.put(name.as_bytes());
        Line { out, before: b"{" }
    }

    /// Writes a label. Its value may be any bytes.
    pub(super) fn label(self, name: &str, value: &[u8]) -> Self {
        self.out.put(self.before);
        self.out.put(name.as_bytes());
        self.out.put(b"=\"");
        Text(value).chunks(|text| escape(text, self.out));
        self.out.put(b"\"");
        Line {
            before: b",",
            ..self
        }
    }

    /// Ends the line with the value of the sample.
    pub(super) fn end(self, number: u64) {
        self.out.put(if self.before == b"{" { b" " } else { b"} " });
        self.out.put_decimal(number);
        self.out.put(b"\n");
    }
}

/// Writes a part of a label's value, with escapes.
fn escape(text: &str, out: &mut impl Sink) {
    let mut rest = text.as_bytes();
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'\\' | b'"' | b'\n'))
    {
        let (plain, special) = rest.split_at_checked(at).unwrap_or((rest, &[]));
        out.put(plain);
        out.put(match special.first() {
            Some(b'\\') => b"\\\\",
            Some(b'"') => b"\\\"",
            _ => b"\\n",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.put(rest);
}
