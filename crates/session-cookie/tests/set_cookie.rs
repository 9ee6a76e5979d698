//! Checks written and edited `Set-Cookie` fields by parsing them with the crate `cookie`.

#![allow(clippy::indexing_slicing, clippy::unwrap_used)]

use cookie::{Cookie, SameSite as Read};
use proptest::option;
use proptest::prelude::*;
use session_cookie::bytes::Buffer;
use session_cookie::cookie::Name;
use session_cookie::policy::{Policy, SameSite, Secure, Style};
use session_cookie::session::{Session, Stamps};
use session_cookie::set_cookie::{prefix, rewrite, ByVariables, Template, Varying};

/// A time, as an HTTP-date and in the form with hyphens.
const DATES: [&str; 2] = [
    "Thu, 31 Dec 2037 23:55:55 GMT",
    "Thu, 31-Dec-37 23:55:55 GMT",
];
const MOMENT: i64 = 2_145_916_555;

/// Generates an attribute, and whether it is set by variables instead of the policy.
fn attribute(text: &'static str) -> impl Strategy<Value = (Option<String>, bool)> {
    (option::of(text), any::<bool>())
}

fn same_site() -> impl Strategy<Value = (Option<SameSite>, bool)> {
    let words = prop_oneof![
        Just(SameSite::Strict),
        Just(SameSite::Lax),
        Just(SameSite::None)
    ];
    (option::of(words), any::<bool>())
}

/// Returns the values for the policy and for variables, of which only one is set.
fn parted<T>((value, by_variable): (Option<T>, bool)) -> (Option<T>, Option<T>) {
    if by_variable {
        (None, value)
    } else {
        (value, None)
    }
}

fn boxed(text: Option<&String>) -> Option<Box<[u8]>> {
    text.map(|text| text.as_bytes().into())
}

/// Returns a text as user agents store it: without surrounding white space (RFC 6265, section 5.2).
fn kept(text: &Option<String>) -> Option<&str> {
    text.as_deref().map(str::trim)
}

fn read(field: &[u8]) -> Cookie<'static> {
    let field = std::str::from_utf8(field).unwrap();
    Cookie::parse(field).unwrap().into_owned()
}

proptest! {
    #[test]
    fn an_edited_field_has_another_value_and_is_else_the_same(
        field in "[ \t]?s[ \t]?=[ \t]{0,2}[!-:<-~]{0,9}[ \t]?\
            (;[ ]?((Path|Domain|path|domain)=[/.a-z]{0,9}|Max-Age=[0-9]{1,9}|Secure|HttpOnly|[!-:<-~]{0,9})[ ]?){0,5}",
        id in "[a-z0-9]{1,9}",
    ) {
        let meant = read(field.as_bytes());
        let name = &Name::new(b"s").unwrap();
        let rewritten = rewrite(field.as_bytes(), name, id.as_bytes()).unwrap().concat();
        let prefixed = prefix(field.as_bytes(), name, id.as_bytes()).unwrap().concat();

        let mut other = meant.clone();
        other.set_value(&id);
        prop_assert_eq!(read(&rewritten), other);
        let mut other = meant.clone();
        other.set_value(format!("{id}~{}", meant.value()));
        prop_assert_eq!(read(&prefixed), other);
    }

    #[test]
    fn a_field_is_read_as_it_was_meant(
        name in "[!#-'*+.0-9A-Z^-z|~-]{1,9}",
        id in "[!#-+./0-9:<-\\[\\]-{}-]{1,40}",
        stamps in option::of(any::<(u64, u64)>()),
        domain in attribute("[.]?[a-z0-9_-]{1,9}([.][a-z0-9_-]{1,9}){0,3}"),
        path in attribute("/[ -:<-~]{0,20}"),
        same_site in same_site(),
        max_age in option::of(any::<u64>()),
        date in 0..DATES.len(),
        secure in prop_oneof![Just(Secure::Off), Just(Secure::On), Just(Secure::Auto)],
        (tls, http_only, partitioned) in any::<(bool, bool, bool)>(),
        attributes in proptest::collection::vec("(Priority|x-[a-z]{1,5})(=[ -:<-~]{0,9})?", 0..3),
        style in prop_oneof![Just(Style::Rfc), Just(Style::Nginx)],
    ) {
        let by_variables = ByVariables {
            domain: domain.1,
            path: path.1,
            same_site: same_site.1,
            lifetime: false,
        };
        let meant = (domain.0.clone(), path.0.clone(), same_site.0);
        let (domain, varying_domain) = parted(domain);
        let (path, varying_path) = parted(path);
        let (same_site, varying_same_site) = parted(same_site);
        let policy = Policy {
            cookie: Name::new(name.as_bytes()).unwrap(),
            domain: boxed(domain.as_ref()),
            path: boxed(path.as_ref()).unwrap_or_default(),
            max_age,
            secure,
            http_only,
            same_site,
            partitioned,
            attributes: attributes.iter().map(|text| text.as_bytes().into()).collect(),
            style,
            ..Policy::new().unwrap()
        };
        let session = Session {
            id: id.as_bytes(),
            stamps: stamps.map(|(last_seen, first_seen)| Stamps { last_seen, first_seen }),
        };
        let varying = Varying {
            expires: max_age.is_some().then(|| DATES[date].as_bytes()),
            domain: varying_domain.as_deref().map(str::as_bytes),
            path: varying_path.as_deref().map(str::as_bytes),
            secure: tls,
            same_site: varying_same_site,
        };

        let template = Template::new(&policy, by_variables).unwrap();
        let mut field = Buffer::with_capacity(template.max_len(&session, &varying)).unwrap();
        template.write(&session, &mut field);
        template.write_rest(&varying, &mut field);
        let read = read(field.as_bytes());

        let value = match stamps {
            Some((last_seen, first_seen)) => format!("{id}|{last_seen}|{first_seen}"),
            None => id,
        };
        let domain = kept(&meant.0).map(|domain| domain.strip_prefix('.').unwrap_or(domain));
        let same_site = meant.2.map(|word| match word {
            SameSite::Strict => Read::Strict,
            SameSite::Lax => Read::Lax,
            SameSite::None => Read::None,
        });
        let seconds = max_age.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX));
        let is_secure = secure == Secure::On || secure == Secure::Auto && tls;
        prop_assert_eq!(read.name_value(), (name.as_str(), value.as_str()));
        prop_assert_eq!(read.domain(), domain);
        prop_assert_eq!(read.path(), kept(&meant.1));
        prop_assert_eq!(read.max_age().map(|age| age.whole_seconds()), seconds);
        prop_assert_eq!(
            read.expires_datetime().map(|moment| moment.unix_timestamp()),
            max_age.map(|_| MOMENT)
        );
        prop_assert_eq!(read.secure().unwrap_or(false), is_secure);
        prop_assert_eq!(read.http_only().unwrap_or(false), http_only);
        prop_assert_eq!(read.same_site(), same_site);
        prop_assert_eq!(
            read.partitioned().unwrap_or(false),
            partitioned && style == Style::Rfc
        );
    }
}
