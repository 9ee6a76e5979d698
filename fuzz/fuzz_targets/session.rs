//! The value of the cookie: the ID and timestamps.

#![cfg_attr(feature = "libfuzzer", no_main)]

use session_cookie::policy::Mode;
use session_cookie::session::{decode, decode_usual, encode, encoded_len, Session, Undecodable};
use session_cookie_fuzz::{fuzz_target, session, signed, text, unquoted, written};

/// Parses `ID` or `ID|LASTSEEN|FIRSTSEEN` in a slow and simple way; a signature may follow the latter.
fn expected(value: &[u8]) -> Result<Session<'_>, Undecodable> {
    let value = unquoted(value);
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_".contains(byte);
    let without_signature = || {
        let (text, signatures) = signed(value)?;
        session(text)
            .filter(|session| session.stamps.is_some() && signatures.concat().iter().all(is_digit))
    };
    session(value)
        .or_else(without_signature)
        .ok_or(Undecodable::Malformed)
}

fuzz_target!(|seed: &[u8]| {
    let value = text(seed);

    let decoded = decode(&value, Mode::Insert);
    assert_eq!(decoded, expected(&value));
    assert_eq!(decode(&value, Mode::Rewrite), decoded);
    for mode in [Mode::Insert, Mode::Rewrite, Mode::Prefix] {
        if let Some(usual) = decode_usual(&value, mode) {
            assert_eq!(Ok(usual), decode(&value, mode));
        }
    }

    if let Ok(session) = decoded {
        let again = written(encoded_len(&session), |out| encode(&session, out));
        // The ID of a server does not contain double quotes.
        if !session.id.contains(&b'"') {
            assert_eq!(decode(&again, Mode::Insert), Ok(session));
        }
    }

    match decode(&value, Mode::Prefix) {
        Ok(session) => {
            assert!(!session.id.is_empty() && !session.id.contains(&b'~'));
            assert_eq!(session.stamps, None);
            let marked = [session.id, b"~"].concat();
            assert!(value.starts_with(&marked) || value[1..].starts_with(&marked));
        }
        Err(Undecodable::Unmarked) => assert!(!value.contains(&b'~')),
        Err(Undecodable::Malformed) => {
            assert!(value.starts_with(b"~") || value.starts_with(b"\"~"));
        }
    }
});
