//! Signed values.

use super::{any_stamps_text, encode, stamps_text, Session, STAMP};
use crate::bytes::Sink;
use crate::keys::{Signer, MARK};

pub use crate::keys::Signed;

const _: () = assert!(MARK == STAMP);

impl Signer {
    /// Writes the value of a cookie in insert mode, followed by its signature. An ID without timestamps is not signed.
    ///
    /// ```
    /// use session_cookie::bytes::Buffer;
    /// use session_cookie::keys::Keys;
    /// use session_cookie::session::signed::Signed;
    /// use session_cookie::session::{Session, Stamps};
    ///
    /// let signer = Keys::read(b"a key for examples")?.keys.signer(b"route")?;
    /// let stamps = Stamps { last_seen: 1_556_447_041, first_seen: 1_556_440_041 };
    /// let mut value = Buffer::with_capacity(80)?;
    /// signer.encode(&Session { id: b"a", stamps: Some(stamps) }, &mut value);
    /// let signed = Signed::parse(value.as_bytes());
    /// assert_eq!(signed.map(|signed| signed.text), Some(&b"a|1556447041|1556440041"[..]));
    /// # Ok::<(), session_cookie::keys::Unusable>(())
    /// ```
    pub fn encode(&self, session: &Session, out: &mut impl Sink) {
        encode(session, out);
        let Some(stamps) = session.stamps else {
            return;
        };
        match stamps_text(stamps) {
            Some(text) => self.sign(&[session.id, &text], out),
            None => self.sign(&[session.id, &any_stamps_text(stamps)], out),
        }
    }
}
