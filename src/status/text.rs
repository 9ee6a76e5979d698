//! Names, IDs and addresses, which may contain any bytes. Responses are UTF-8: invalid sequences are replaced by U+FFFD, as by
//! `String::from_utf8_lossy`.

use core::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

/// A text that may not be valid UTF-8.
#[derive(Clone, Copy)]
pub(super) struct Text<'a>(pub(super) &'a [u8]);

impl Text<'_> {
    /// Calls `show` with the parts of the text in order.
    #[inline]
    pub(super) fn chunks(self, mut show: impl FnMut(&str)) {
        // Most texts are valid, which is faster to check as a whole.
        if let Ok(text) = core::str::from_utf8(self.0) {
            return show(text);
        }
        for chunk in self.0.utf8_chunks() {
            show(chunk.valid());
            if !chunk.invalid().is_empty() {
                show("\u{fffd}");
            }
        }
    }
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut result = Ok(());
        self.chunks(|text| result = result.and_then(|()| f.write_str(text)));
        result
    }
}

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match core::str::from_utf8(self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_str(self),
        }
    }
}
