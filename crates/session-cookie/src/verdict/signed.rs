//! Values that are signed.

use super::{Judge, Lookup, Reading, Verdict};
use crate::bytes::unquote;
use crate::keys::{Signature, Signed, Signer, LONGEST_ID};
use crate::session::{decode_text, decode_usual, ANY_STAMPS};

/// The longest text that may be signed. What it costs to verify a signature depends on the length of its text, which a
/// client chooses.
const LONGEST_TEXT: usize = LONGEST_ID + ANY_STAMPS;

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
        let value = unquote(value);
        let signed = Signed::parse(value);
        let text = signed.map_or(value, |signed| signed.text);
        let verdict = self.verdict_on(signed.as_ref(), signer);
        let decoded = decode_usual(text, self.policy.mode).map_or_else(|| decode_text(text), Ok);
        let session = match decoded {
            Ok(session) => session,
            Err(why) => {
                *reading = Reading::undecodable(why);
                return None;
            }
        };
        // An id alone is never signed.
        let is_forged = verdict == Verdict::Forged || signed.is_some() && session.stamps.is_none();
        if is_forged {
            *reading = Reading {
                verdict: Verdict::Forged,
                session,
            };
            return None;
        }
        let found = self.weigh(session, reading)?;
        reading.verdict = verdict;
        Some(found)
    }

    /// Returns the verdict on the signature of a value: valid, accepted or forged.
    #[inline(always)]
    fn verdict_on(&self, signed: Option<&Signed<'_>>, signer: &Signer) -> Verdict {
        match signed {
            None if self.policy.accepts_unsigned => Verdict::Accepted,
            Some(signed) if signed.text.len() <= LONGEST_TEXT => match signer.verify(signed) {
                Signature::Current => Verdict::Valid,
                Signature::Old => Verdict::Accepted,
                Signature::Wrong => Verdict::Forged,
            },
            _ => Verdict::Forged,
        }
    }
}
