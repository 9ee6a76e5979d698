//! Signed values.

use super::{Judge, Lookup, Reading, Verdict};
use crate::bytes::unquote;
use crate::keys::{Signature, Signer, LONGEST_ID};
use crate::session::signed::Signed;
use crate::session::{decode_text, decode_usual, ANY_STAMPS};

/// The maximum length of a signed text. The cost of verifying a signature depends on this length, which the client chooses.
const LONGEST_TEXT: usize = LONGEST_ID + ANY_STAMPS;

impl<L: Copy, C: Fn() -> u64 + Copy> Judge<'_, L, C> {
    /// Evaluates a single value if values are signed.
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
        // A bare ID is never signed.
        let is_forged = verdict == Verdict::Forged || signed.is_some() && session.stamps.is_none();
        if is_forged {
            *reading = Reading {
                verdict: Verdict::Forged,
                session,
            };
            return None;
        }
        let found = self.weigh(session, reading);
        if signed.is_none() {
            self.begin_by_now(reading);
        }
        let found = found?;
        reading.verdict = verdict;
        Some(found)
    }

    /// Limits the start of the session in an unsigned value to the current time. A client may have written a later time, which
    /// must not be signed.
    pub(super) fn begin_by_now(&self, reading: &mut Reading<'_>) {
        if let Some(stamps) = &mut reading.session.stamps {
            stamps.first_seen = stamps.first_seen.min((self.clock)());
        }
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

#[cfg(test)]
mod tests {
    use super::super::tests::{limited, NOW};
    use super::*;
    use crate::bytes::{Buffer, Sink};
    use crate::keys::Keys;
    use crate::policy::Policy;
    use alloc::vec::Vec;

    fn keys() -> Keys {
        Keys::read(b"the key of a test").unwrap().keys
    }

    fn policy(accepts_unsigned: bool) -> Policy {
        Policy {
            signer: Some(keys().signer(b"route").unwrap()),
            accepts_unsigned,
            ..limited()
        }
    }

    fn verdict(value: &[u8], policy: &Policy) -> Verdict {
        let judge = Judge {
            policy,
            servers: |id: &[u8]| id.starts_with(b"a").then_some(()),
            clock: || NOW,
        };
        let mut reading = Reading::NONE;
        let found = judge.read_value(value, &mut reading);
        let is_followed = matches!(reading.verdict, Verdict::Valid | Verdict::Accepted);
        assert_eq!(found.is_some(), is_followed);
        reading.verdict
    }

    /// Signs an arbitrary text, unlike the module's own cookies.
    fn sign(text: &[u8]) -> Vec<u8> {
        let mut out = Buffer::with_capacity(1_000).unwrap();
        out.put(text);
        policy(false).signer.unwrap().sign(&[text], &mut out);
        out.as_bytes().to_vec()
    }

    #[test]
    fn only_what_is_read_as_it_is_written_counts() {
        let text = b"a|1600000000|1600000000";
        let value = sign(text);
        for policy in [policy(false), policy(true)] {
            let verdict = |value: &[u8]| verdict(value, &policy);
            assert_eq!(verdict(&value), Verdict::Valid);
            assert_eq!(
                verdict(&[b"\"", &value[..], b"\""].concat()),
                Verdict::Valid
            );
            // an ID without timestamps
            assert_eq!(verdict(&sign(b"a")), Verdict::Forged);
            // quotes within quotes, and in the signed text
            let quoted = [b"\"\"", &value[..], b"\"\""].concat();
            assert_eq!(verdict(&quoted), Verdict::Invalid);
            let quotes_signed = sign(b"\"a|1600000000|1600000000\"");
            assert_eq!(verdict(&quotes_signed), Verdict::Invalid);
            // a signed value that is signed again
            assert_eq!(verdict(&sign(&value)), Verdict::Invalid);
            assert_eq!(
                verdict(&sign(b"a|1|1600000000|1600000000")),
                Verdict::Invalid
            );
            assert_eq!(verdict(&sign(b"|1600000000|1600000000")), Verdict::Invalid);
        }
    }

    #[test]
    fn stamps_of_any_length_count_where_they_are_signed() {
        let verdict = |text: &[u8]| verdict(&sign(text), &policy(false));
        assert_eq!(verdict(b"a|1600000000|01599999999"), Verdict::Valid);
        assert_eq!(verdict(b"a|1600000000|999999999"), Verdict::Old);
        assert_eq!(verdict(b"a|999999999|999999999"), Verdict::Expired);
        assert_eq!(verdict(b"a|16000000000|1"), Verdict::Invalid);
        assert_eq!(verdict(b"b|1600000000|1600000000"), Verdict::Unknown);
    }

    #[test]
    fn no_text_is_verified_that_is_longer_than_any_of_a_cookie() {
        let value = |id: usize| sign(&[&[b'a'; 300][..id], b"|1600000000|1600000000"].concat());
        assert_eq!(verdict(&value(LONGEST_ID), &policy(false)), Verdict::Valid);
        assert_eq!(
            verdict(&value(LONGEST_TEXT - 21), &policy(false)),
            Verdict::Forged
        );
        assert_eq!(verdict(&value(300), &policy(true)), Verdict::Forged);
    }
}
