//! The `Set-Cookie` field of a response: editing the upstream server's field, and writing the module's own.

#![cfg_attr(feature = "libfuzzer", no_main)]

use arbitrary::Arbitrary;
use cookie::Cookie;
use session_cookie::bytes::{is_attribute_value, is_cookie_value, is_path, is_token};
use session_cookie::cookie::{values, Copies, Follow, HiddenPart, HideRule, Name};
use session_cookie::policy::{Mode, Policy, SameSite, Secure, Style};
use session_cookie::session::{decode, decode_usual, encode, encoded_len, Session, Stamps};
use session_cookie::set_cookie::{
    deletes, is_followed, parse, prefix, rewrite, sets, ByVariables, Followed, Template, Varying,
};
use session_cookie_fuzz::{fuzz_target, parted, text, trimmed, unquoted, written, NAMES};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    id: &'a [u8],
    field: &'a [u8],
    domain: Option<&'a [u8]>,
    /// Whether the domain is set by variables, and whether they have a value.
    domain_varies: Option<bool>,
    path: &'a [u8],
    path_varies: Option<bool>,
    attributes: Vec<&'a [u8]>,
    stamps: Option<(u64, u64)>,
    max_age: Option<u64>,
    expires: bool,
    flags: u8,
}

const ID: &[u8] = b"d349ca31adc862f4d7e6faa19e516d6d";

/// The attribute names that the crate `cookie` knows.
const ATTRIBUTES: [&str; 8] = [
    "domain",
    "expires",
    "httponly",
    "max-age",
    "partitioned",
    "path",
    "samesite",
    "secure",
];

/// Returns the field as parsed by the crate `cookie`; `None` if it cannot or if it knows more kinds of white space than RFC 6265.
fn oracle(field: &[u8]) -> Option<Cookie<'_>> {
    let field = std::str::from_utf8(field).ok()?;
    let odd = |letter: char| letter.is_whitespace() && letter != ' ' && letter != '\t';
    if field.contains(odd) {
        return None;
    }
    Cookie::parse(field).ok()
}

fuzz_target!(|input: Input| {
    // An ID that is allowed in the configuration.
    let id = text(input.id);
    let fits = !id.is_empty() && is_cookie_value(&id) && !id.contains(&b'|') && !id.contains(&b'~');
    let id = if fits { &id[..] } else { ID };

    edit(&text(input.field), id);
    insert(&input, id);
});

fn edit(field: &[u8], id: &[u8]) {
    let pair = field.split(|byte| *byte == b';').next().unwrap_or_default();
    let expected = parted(pair);
    for name in NAMES {
        let is_set = expected.is_some_and(|pair| pair.0 == name);
        let name = &Name::new(name).unwrap();
        assert_eq!(sets(field, name), is_set);
        assert_eq!(parse(field, name).is_some(), is_set);
        assert_eq!(prefix(field, name, id).is_some(), is_set);
    }
    let Some((name, value)) = expected else {
        return;
    };
    let ready = &Name::new(name).unwrap();
    let parts = parse(field, ready).expect("the name is the field's");
    assert_eq!(parts.value, value);
    assert_eq!([parts.before, parts.value, parts.after].concat(), field);

    match ends(field, unquoted(value)) {
        Some(ends) => assert_eq!(deletes(field, ready, NOW), ends),
        // depends on the date, which may be in any form
        None => assert!(deletes(field, ready, u64::MAX) || !deletes(field, ready, 0)),
    }

    follow(field, name, deletes(field, ready, NOW));

    // Only the value may change.
    let rewritten = rewrite(field, ready, id).expect("the name is the field's");
    let rewritten = rewritten.concat();
    let again = parse(&rewritten, ready).expect("an edited field has a value");
    assert_eq!(
        (again.before, again.value, again.after),
        (parts.before, id, parts.after)
    );
    let meant = oracle(field);
    if let Some(meant) = &meant {
        assert_eq!(
            (meant.name().as_bytes(), meant.value().as_bytes()),
            (name, value)
        );
        assert_edited(&rewritten, meant, id.to_vec());
    }

    let prefixed = prefix(field, ready, id).expect("the name is the field's");
    let prefixed = prefixed.concat();
    let again = parse(&prefixed, ready).expect("an edited field has a value");
    assert_eq!((again.before, again.after), (parts.before, parts.after));
    if let Some(meant) = &meant {
        assert_edited(&prefixed, meant, [id, b"~", value].concat());
    }

    // The next request with this cookie must name the server, and the upstream server must receive the value that it has set.
    if is_token(name) {
        let cookie = [name, b"=", again.value].concat();
        assert_eq!(values(&cookie, ready).collect::<Vec<_>>(), [again.value]);
        assert_eq!(
            decode(again.value, Mode::Prefix),
            Ok(Session { id, stamps: None })
        );
        let rule = HideRule {
            name: ready,
            part: HiddenPart::Prefix,
        };
        let first = rule.first_span(&cookie).expect("the cookie is there");
        let seen = written(cookie.len(), |out| {
            rule.strip(&cookie, first, out);
        });
        assert_eq!(seen, [name, b"=", parts.value].concat());
    }
}

/// The module's cookie must be set and deleted together with the application's, with the same domain and path, and so must a
/// cookie that follows the module's.
fn follow(field: &[u8], name: &[u8], deletes: bool) {
    let (policy, varying) = (Policy::new().unwrap(), Varying::default());
    let mirrored = |field: &[u8], name: &[u8]| {
        let follow = Follow::new(name, Copies::ALL).unwrap();
        assert!(is_followed(field, &follow));
        let followed = Followed::of(&follow, [field].into_iter(), NOW);
        assert!(!followed.is_empty());
        let all = followed.mirrored(&Copies::ALL).map(|one| {
            let rest = written(usize::MAX, |out| {
                one.write_rest(&policy, &Copies::ALL, &varying, out);
            });
            (rest, one.is_live)
        });
        all.collect::<Vec<_>>()
    };
    let ours = mirrored(field, name);
    let [(rest, is_live)] = &ours[..] else {
        panic!("{ours:?}");
    };
    assert_eq!(*is_live, !deletes);
    let value: &[u8] = if *is_live { ID } else { b"" };
    assert_eq!(mirrored(&[b"route=", value, rest].concat(), b"route"), ours);
}

/// An arbitrary time that does not occur in any field.
const NOW: u64 = 1_600_000_000;

/// Returns whether a field deletes its cookie, or `None` if that depends on a date.
fn ends(field: &[u8], value: &[u8]) -> Option<bool> {
    let attributes = field.split(|byte| *byte == b';').skip(1).filter_map(parted);
    let named = |name: &'static [u8]| {
        (attributes.clone()).filter(move |(other, _)| other.eq_ignore_ascii_case(name))
    };
    let max_ages = named(b"max-age").filter_map(|(_, value)| {
        let digits = value.strip_prefix(b"-").unwrap_or(value);
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let is_spent = digits.len() < value.len() || digits.iter().all(|digit| *digit == b'0');
        is_number.then_some(is_spent)
    });
    match max_ages.last() {
        _ if value.is_empty() => Some(true),
        Some(is_spent) => Some(is_spent),
        None => named(b"expires").next().is_none().then_some(false),
    }
}

/// Checks that the field is this cookie with another value.
fn assert_edited(field: &[u8], meant: &Cookie, value: Vec<u8>) {
    let mut meant = meant.clone();
    meant.set_value(String::from_utf8(value).expect("an id is ASCII"));
    assert_eq!(oracle(field), Some(meant));
}

fn insert(input: &Input, id: &[u8]) {
    // Only texts that are allowed in the configuration.
    let legal = |seed: &[u8]| {
        let text = text(seed);
        (!text.is_empty() && is_attribute_value(&text)).then(|| text.into_boxed_slice())
    };
    let flag = |bit: u8| input.flags & (1 << bit) != 0;
    let policy = Policy {
        cookie: Name::new(NAMES[usize::from(input.flags) % NAMES.len()]).unwrap(),
        domain: input.domain.and_then(legal),
        path: legal(input.path).unwrap_or(Box::from(*b"/")),
        max_age: input.max_age,
        secure: [Secure::Off, Secure::On, Secure::Auto, Secure::Variable]
            [usize::from(input.flags >> 4) % 4],
        http_only: flag(0),
        same_site: flag(3).then_some(SameSite::Lax),
        partitioned: flag(1),
        attributes: input.attributes.iter().copied().filter_map(legal).collect(),
        style: if flag(7) { Style::Nginx } else { Style::Rfc },
        ..Policy::new().unwrap()
    };
    let session = Session {
        id,
        stamps: input.stamps.map(|(last_seen, first_seen)| Stamps {
            last_seen,
            first_seen,
        }),
    };
    let path = text(input.path);
    let varying = Varying {
        expires: input.expires.then_some(b"Thu, 31 Dec 2037 23:55:55 GMT"),
        domain: (input.domain_varies == Some(true)).then_some(b".example.com"),
        path: (input.path_varies == Some(true) && is_path(&path)).then_some(&path[..]),
        secure: flag(2),
        same_site: flag(5).then_some(SameSite::Strict),
    };
    let by_variables = ByVariables {
        domain: input.domain_varies.is_some(),
        path: input.path_varies.is_some(),
        same_site: flag(6),
        lifetime: false,
    };
    let template = Template::new(&policy, by_variables).unwrap();
    let field = written(template.max_len(&session, &varying), |out| {
        template.write(&session, out);
        template.write_rest(&varying, out);
    });

    let parts = parse(&field, &policy.cookie).expect("our own field has a value");
    assert_eq!(
        parts.value,
        written(encoded_len(&session), |out| encode(&session, out))
    );
    assert_eq!(decode(parts.value, Mode::Insert), Ok(session));
    if let Some(usual) = decode_usual(parts.value, Mode::Insert) {
        assert_eq!(usual, session);
    }
    assert!(field.iter().all(|byte| matches!(byte, b' '..=b'~')));

    let secure = match policy.secure {
        Secure::Off => false,
        Secure::On => true,
        Secure::Auto | Secure::Variable => varying.secure,
    };
    let same_site = if by_variables.same_site {
        varying.same_site
    } else {
        policy.same_site
    };
    let domain = if by_variables.domain {
        varying.domain
    } else {
        policy.domain.as_deref()
    };
    let expires = policy.max_age.and(varying.expires);
    let path = input.path_varies.is_none() || varying.path.is_some();
    let attributes = usize::from(path)
        + usize::from(domain.is_some())
        + usize::from(policy.max_age.is_some())
        + usize::from(expires.is_some())
        + usize::from(secure)
        + usize::from(policy.http_only)
        + usize::from(same_site.is_some())
        + usize::from(policy.partitioned && policy.style == Style::Rfc)
        + policy.attributes.len();
    assert_eq!(
        template.varies(),
        policy.max_age.is_some()
            || matches!(policy.secure, Secure::Auto | Secure::Variable)
            || by_variables.domain
            || by_variables.path
            || by_variables.same_site
    );
    assert_eq!(
        field.iter().filter(|byte| **byte == b';').count(),
        attributes
    );

    // If the configuration adds a known attribute again, the last one is used.
    let is_known = |attribute: &[u8]| {
        let name = attribute.split(|byte| *byte == b'=').next();
        let is =
            |known: &&str| trimmed(name.unwrap_or_default()).eq_ignore_ascii_case(known.as_bytes());
        ATTRIBUTES.iter().any(is)
    };
    if policy
        .attributes
        .iter()
        .any(|attribute| is_known(attribute))
    {
        return;
    }
    let path = if by_variables.path {
        varying.path
    } else {
        Some(&*policy.path)
    };
    // A dot before a domain and an empty domain are ignored (RFC 6265, section 5.2.3).
    let domain = domain.map(trimmed).filter(|domain| !domain.is_empty());
    let domain = domain.map(|domain| domain.strip_prefix(b".").unwrap_or(domain));
    let read = oracle(&field).expect("a field of ours is read");
    assert_eq!(read.name().as_bytes(), &*policy.cookie);
    assert_eq!(read.value().as_bytes(), parts.value);
    assert_eq!(read.domain().map(str::as_bytes), domain);
    assert_eq!(read.path().map(str::as_bytes), path.map(trimmed));
    assert_eq!(
        read.max_age().map(|age| age.whole_seconds()),
        policy.max_age.map(|age| age.try_into().unwrap_or(i64::MAX))
    );
    assert_eq!(read.expires_datetime().is_some(), expires.is_some());
    assert_eq!(read.secure().is_some(), secure);
    assert_eq!(read.http_only().is_some(), policy.http_only);
    assert_eq!(
        read.same_site().map(|word| word.to_string()),
        same_site.map(|word| String::from_utf8_lossy(word.as_bytes()).into_owned())
    );
    assert_eq!(
        read.partitioned().is_some(),
        policy.partitioned && policy.style == Style::Rfc
    );
}
