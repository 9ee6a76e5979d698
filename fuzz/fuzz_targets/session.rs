//! The cookie's value: id and stamps.

#![no_main]

use libfuzzer_sys::fuzz_target;
use session_cookie::policy::Mode;
use session_cookie::session::{
    decode, decode_usual, encode, encoded_len, Session, Stamps, Undecodable,
};
use session_cookie_fuzz::{number, text, written};

/// `ID` or `ID|LASTSEEN|FIRSTSEEN`, by a reading that is slow and plain.
fn expected(value: &[u8]) -> Result<Session<'_>, Undecodable> {
    let quoted = value.len() > 1 && value.starts_with(b"\"") && value.ends_with(b"\"");
    let value = if quoted {
        &value[1..value.len() - 1]
    } else {
        value
    };
    let parts: Vec<&[u8]> = value.split(|byte| *byte == b'|').collect();
    let session = match parts[..] {
        [id] => Some(Session { id, stamps: None }),
        [id, last, first] => number(last)
            .zip(number(first))
            .map(|(last_seen, first_seen)| Session {
                id,
                stamps: Some(Stamps {
                    last_seen,
                    first_seen,
                }),
            }),
        _ => None,
    };
    session
        .filter(|session| !session.id.is_empty())
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
        // A server's id has no double quote in it.
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
