//! Values that are signed.

use super::{Judge, Lookup, Reading, Verdict};
use crate::bytes::unquote;
use crate::keys::{Signature, Signed, Signer};
use crate::session::{decode, decode_usual, Session};

/// What a value is where values are signed.
enum Opened<'a> {
    /// A text that is signed.
    Signed(&'a [u8]),
    /// A text without a signature.
    Unsigned(&'a [u8]),
    /// A text whose signature is wrong.
    Forged(&'a [u8]),
}

fn open<'a>(value: &'a [u8], signer: &Signer) -> Opened<'a> {
    let value = unquote(value);
    match Signed::parse(value) {
        Some(signed) if signer.verify(&signed) != Signature::Wrong => Opened::Signed(signed.text),
        Some(signed) => Opened::Forged(signed.text),
        None => Opened::Unsigned(value),
    }
}

impl<L: Copy, C: Fn() -> u64 + Copy> Judge<'_, L, C> {
    /// Judges a single value where values are signed.
    #[inline(never)]
    pub(super) fn judge_signed<'a, N>(
        &self,
        value: &'a [u8],
        signer: &Signer,
        reading: &mut Reading<'a>,
    ) -> Option<N>
    where
        L: Lookup<N>,
    {
        let mode = self.policy.mode;
        let (text, verdict) = match open(value, signer) {
            Opened::Signed(text) => match decode_usual(text, mode) {
                Some(session) => return self.weigh(session, reading),
                None => (text, Verdict::Valid),
            },
            Opened::Unsigned(text) if self.policy.accepts_unsigned => (text, Verdict::Accepted),
            Opened::Unsigned(text) | Opened::Forged(text) => (text, Verdict::Forged),
        };
        let session = match decode(text, mode) {
            Ok(session) => session,
            Err(why) => {
                *reading = Reading::undecodable(why);
                return None;
            }
        };
        if verdict == Verdict::Forged {
            *reading = Reading { verdict, session };
            return None;
        }
        let found = self.weigh(session, reading);
        if found.is_some() {
            reading.verdict = verdict;
        }
        found
    }

    /// Returns the session of a value that counts: where values are signed, of one with a right signature, or of any if
    /// those without are accepted.
    pub(super) fn session<'a>(&self, value: &'a [u8]) -> Option<Session<'a>> {
        let text = match self
            .policy
            .signer
            .as_ref()
            .map(|signer| open(value, signer))
        {
            None => value,
            Some(Opened::Signed(text)) => text,
            Some(Opened::Unsigned(text)) if self.policy.accepts_unsigned => text,
            Some(Opened::Unsigned(_) | Opened::Forged(_)) => return None,
        };
        decode(text, self.policy.mode).ok()
    }
}
