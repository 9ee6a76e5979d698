//! The cookies of an application's session in a response, and those of ours that follow them.

use arrayvec::ArrayVec;

use super::attributes::Attributes;
use super::{ends, Varying};
use crate::bytes::{find, Sink, DECIMAL};
use crate::cookie::{halves, Copies, Follow};
use crate::policy::{Policy, SameSite, Secure};

/// The most cookies that are looked at. User agents keep one for each domain and path; a server has hardly ever more than
/// two.
const MOST: usize = 8;

/// What a response does to the session of the application: its cookies, in order, as user agents keep them.
#[derive(Debug)]
pub struct Followed<'a>(ArrayVec<Cookie<'a>, MOST>);

/// A cookie of the application that the response sets, or deletes.
#[derive(Clone, Copy, Debug)]
struct Cookie<'a> {
    name: &'a [u8],
    attributes: Attributes<'a>,
    is_live: bool,
}

/// What the response is to do for a session that follows that of the application.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Course {
    /// Nothing: there is no session.
    None,
    /// What it does without such a cookie.
    AsEver,
    /// It sets our cookie where it sets that of the application, and deletes it where it deletes that.
    Mirror,
}

impl<'a> Followed<'a> {
    /// Reads the `Set-Cookie` fields of a response; `now` is in seconds since the epoch.
    pub fn of(follow: &Follow, fields: impl Iterator<Item = &'a [u8]>, now: u64) -> Self {
        let mut all = ArrayVec::new();
        for cookie in fields.filter_map(|field| Cookie::of(field, follow, now)) {
            // User agents keep the last one of each name, domain and path.
            all.retain(|earlier: &mut Cookie<'_>| !earlier.is_replaced_by(&cookie));
            let _ = all.try_push(cookie);
        }
        Followed(all)
    }

    /// Forgets what is deleted if the client has another such cookie, of another name, which the response leaves alone:
    /// that session goes on. `fields` are those of the request.
    pub fn keep_others<'f>(&mut self, follow: &Follow, mut fields: impl Iterator<Item = &'f [u8]>) {
        let is_set = |name: &[u8]| self.0.iter().any(|cookie| cookie.name == name);
        let has_others = !self.0.iter().all(|cookie| cookie.is_live)
            && fields.any(|field| follow.cookies_in(field).any(|name| !is_set(name)));
        if has_others {
            self.0.retain(|cookie| cookie.is_live);
        }
    }

    /// Returns what is to be done; `is_requested`: the request had the cookie of the application.
    pub fn course(&self, is_requested: bool) -> Course {
        if !self.0.is_empty() {
            Course::Mirror
        } else if is_requested {
            Course::AsEver
        } else {
            Course::None
        }
    }

    /// Returns our cookies: one for each of those that user agents keep apart when ours has only these attributes of the
    /// application's. Of several that become one a live one counts, and else the last.
    pub fn mirrored<'f>(&'f self, copies: &'f Copies) -> impl Iterator<Item = Mirrored<'a>> + 'f {
        let all = self.0.iter().enumerate();
        all.filter_map(move |(at, cookie)| {
            let mut others = self.0.iter().enumerate();
            let is_replaced = others.any(|(other_at, other)| {
                let counts_more = if cookie.is_live == other.is_live {
                    other_at > at
                } else {
                    other.is_live
                };
                counts_more && cookie.is_beside(other, copies)
            });
            (!is_replaced).then_some(Mirrored {
                attributes: cookie.attributes,
                is_live: cookie.is_live,
            })
        })
    }
}

/// Returns whether a field sets or deletes the cookie of the application.
pub fn is_followed(field: &[u8], follow: &Follow) -> bool {
    split(field).is_some_and(|(name, ..)| follow.matches(name))
}

/// Splits a field into the name, the value and what follows it.
fn split(field: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let end = find(b';', field).unwrap_or(field.len());
    let (pair, after) = field.split_at_checked(end)?;
    let (name, value) = halves(pair)?;
    Some((name, value, after))
}

impl<'a> Cookie<'a> {
    fn of(field: &'a [u8], follow: &Follow, now: u64) -> Option<Self> {
        let (name, value, after) = split(field).filter(|(name, ..)| follow.matches(name))?;
        let attributes = Attributes::of(after);
        Some(Cookie {
            name,
            attributes,
            is_live: !ends(value, &attributes, now),
        })
    }

    fn is_replaced_by(&self, other: &Cookie<'_>) -> bool {
        self.name == other.name && self.is_beside(other, &Copies::ALL)
    }

    /// Returns whether user agents keep one of two cookies with these attributes of both, if they have one name.
    fn is_beside(&self, other: &Cookie<'_>, copies: &Copies) -> bool {
        let (these, those) = (&self.attributes, &other.attributes);
        (!copies.domain || is_same_domain(these.domain, those.domain))
            && (!copies.path || these.path == those.path)
            && (!copies.partitioned || these.partitioned == those.partitioned)
    }
}

fn is_same_domain(one: Option<&[u8]>, other: Option<&[u8]>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => without_dot(one).eq_ignore_ascii_case(without_dot(other)),
        (None, None) => true,
        _ => false,
    }
}

fn without_dot(domain: &[u8]) -> &[u8] {
    domain.strip_prefix(b".").unwrap_or(domain)
}

/// A cookie of ours that goes with one of the application.
#[derive(Debug)]
pub struct Mirrored<'a> {
    attributes: Attributes<'a>,
    /// Whether it is set, not deleted.
    pub is_live: bool,
}

impl Mirrored<'_> {
    /// Writes the attributes that a [template](super::Template) leaves to the application's cookie, and how long ours lives.
    pub fn write_rest(
        &self,
        policy: &Policy,
        copies: &Copies,
        varying: &Varying,
        out: &mut impl Sink,
    ) {
        let from = &self.attributes;
        let mut put = |name: &[u8], value: Option<&[u8]>| {
            if let Some(value) = value {
                out.put(name);
                out.put(value);
            }
        };
        put(b"; Domain=", from.domain.filter(|_| copies.domain));
        put(b"; Path=", from.path.filter(|_| copies.path));
        if !self.is_live {
            put(DELETED, Some(b""));
        } else if copies.lifetime {
            put(b"; Max-Age=", from.max_age.map(|(text, _)| text));
            put(b"; Expires=", from.expires.map(|(text, _)| text));
        } else if let Some(max_age) = policy.max_age {
            let mut digits = ArrayVec::<u8, DECIMAL>::new();
            digits.put_decimal(max_age);
            put(b"; Max-Age=", Some(&digits));
            put(b"; Expires=", varying.expires);
        }
        put(b"; Secure", (copies.secure && from.secure).then_some(b""));
        // User agents refuse these without `Secure`, which the configuration may leave out.
        let is_bare = match policy.secure {
            Secure::Auto | Secure::Variable => !varying.secure,
            Secure::Off | Secure::On => false,
        };
        let same_site = from
            .same_site
            .filter(|same_site| copies.same_site && !(is_bare && *same_site == SameSite::None));
        put(b"; SameSite=", same_site.map(SameSite::as_bytes));
        let is_partitioned = copies.partitioned && from.partitioned && !is_bare;
        put(b"; Partitioned", is_partitioned.then_some(b""));
    }
}

/// What deletes a cookie.
const DELETED: &[u8] = b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use crate::bytes::Buffer;

    const NOW: u64 = 1_600_000_000;

    const ALL: Copies = Copies::ALL;

    fn follow(name: &str) -> Follow {
        Follow::new(name.as_bytes(), ALL).unwrap()
    }

    fn bytes<'a>(fields: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        fields.iter().map(|field| field.as_bytes())
    }

    fn rest(
        mirrored: &Mirrored<'_>,
        policy: &Policy,
        copies: &Copies,
        varying: &Varying,
    ) -> String {
        let mut out = Buffer::with_capacity(4096).unwrap();
        mirrored.write_rest(policy, copies, varying, &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    /// What ours get beside the template's attributes, for a cookie `s*`.
    fn mirrored(fields: &[&str], copies: Copies) -> Vec<String> {
        let followed = Followed::of(&follow("s*"), bytes(fields), NOW);
        let policy = Policy::new().unwrap();
        let all = followed.mirrored(&copies);
        all.map(|one| rest(&one, &policy, &copies, &Varying::default()))
            .collect()
    }

    #[test]
    fn the_response_or_the_request_says_what_is_to_be_done() {
        let course = |fields, is_requested| {
            Followed::of(&follow("s"), bytes(fields), NOW).course(is_requested)
        };
        for is_requested in [false, true] {
            assert_eq!(course(&["a=b", "s=1"], is_requested), Course::Mirror);
            assert_eq!(course(&["s=; Max-Age=0"], is_requested), Course::Mirror);
        }
        assert_eq!(course(&["ss=1", "S=1", "s"], true), Course::AsEver);
        assert_eq!(course(&["ss=1", "a=s=1"], false), Course::None);
    }

    #[test]
    fn every_attribute_is_copied() {
        let all = "s=v; Domain=a.test; Path=/p; Max-Age=9; Expires=1 Jan 2040 00:00:00; Secure; SameSite=None; Partitioned";
        let copied = &all[3..];
        assert_eq!(mirrored(&[all], ALL), [copied]);
        assert_eq!(
            mirrored(&["s=v; HttpOnly; Priority=High; path=a"], ALL),
            [""]
        );
        let none = Copies {
            lifetime: false,
            domain: false,
            path: false,
            secure: false,
            same_site: false,
            partitioned: false,
        };
        assert_eq!(mirrored(&[all], none), [""]);
        let kept = Copies {
            lifetime: false,
            path: false,
            ..ALL
        };
        assert_eq!(
            mirrored(&[all], kept),
            ["; Domain=a.test; Secure; SameSite=None; Partitioned"]
        );
    }

    #[test]
    fn the_lifetime_may_be_that_of_the_policy() {
        let followed = Followed::of(&follow("s"), bytes(&["s=v; Max-Age=9"]), NOW);
        let policy = Policy {
            max_age: Some(60),
            ..Policy::new().unwrap()
        };
        let copies = Copies {
            lifetime: false,
            ..ALL
        };
        let one = followed.mirrored(&copies).next().unwrap();
        let varying = Varying {
            expires: Some(b"then"),
            ..Varying::default()
        };
        assert_eq!(
            rest(&one, &policy, &copies, &varying),
            "; Max-Age=60; Expires=then"
        );
        let gone = Mirrored {
            is_live: false,
            ..one
        };
        assert_eq!(
            rest(&gone, &policy, &copies, &varying),
            "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT"
        );
    }

    #[test]
    fn what_needs_secure_is_not_copied_where_the_policy_leaves_that_out() {
        let field = ["s=v; Secure; SameSite=None; Partitioned"];
        let followed = Followed::of(&follow("s"), bytes(&field), NOW);
        let copies = Copies {
            secure: false,
            ..ALL
        };
        let one = followed.mirrored(&copies).next().unwrap();
        for (secure, is_tls, expected) in [
            (Secure::Variable, false, ""),
            (Secure::Auto, true, "; SameSite=None; Partitioned"),
            (Secure::On, false, "; SameSite=None; Partitioned"),
        ] {
            let policy = Policy {
                secure,
                ..Policy::new().unwrap()
            };
            let varying = Varying {
                secure: is_tls,
                ..Varying::default()
            };
            assert_eq!(rest(&one, &policy, &copies, &varying), expected);
        }
    }

    #[test]
    fn user_agents_keep_one_of_each_domain_and_path() {
        let gone = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT";
        let gone_in = |path: &str| alloc::format!("; Path={path}{gone}");
        // The last one of a place counts, be it live or not.
        assert_eq!(mirrored(&["s=; Path=/", "s=v; Path=/"], ALL), ["; Path=/"]);
        assert_eq!(
            mirrored(&["s=v; Path=/", "s=; Path=/"], ALL),
            [gone_in("/")]
        );
        assert_eq!(
            mirrored(&["s=v; Domain=A.test", "s=w; Domain=.a.test; Secure"], ALL),
            ["; Domain=.a.test; Secure"]
        );
        // Two places stay two.
        assert_eq!(
            mirrored(&["s=; Path=/old", "s=v; Path=/"], ALL),
            [gone_in("/old"), alloc::string::String::from("; Path=/")]
        );
        assert_eq!(
            mirrored(
                &[
                    "s=v; Path=/",
                    "s=v",
                    "s=v; Domain=a.test",
                    "s=v; Path=/; Partitioned"
                ],
                ALL
            )
            .len(),
            4
        );
        // Unless ours has one place: then a live one counts.
        let one_path = Copies { path: false, ..ALL };
        assert_eq!(
            mirrored(&["s=v; Path=/; Secure", "s=; Path=/old"], one_path),
            ["; Secure"]
        );
        assert_eq!(mirrored(&["s=; Path=/", "s=; Path=/old"], one_path), [gone]);
    }

    #[test]
    fn several_names_are_several_sessions() {
        assert_eq!(
            mirrored(&["s1=v; Path=/", "s2=; Path=/"], ALL),
            ["; Path=/"]
        );
        let others = |request: &[&str]| {
            let follow = follow("s*");
            let mut followed = Followed::of(&follow, bytes(&["s1=; Path=/"]), NOW);
            followed.keep_others(&follow, bytes(request));
            followed.course(true)
        };
        assert_eq!(others(&["s1=a; route=b"]), Course::Mirror);
        assert_eq!(others(&["s1=a", "s2="]), Course::Mirror);
        assert_eq!(others(&["s1=a", "s2=b"]), Course::AsEver);
    }

    #[test]
    fn so_many_are_looked_at_and_no_more() {
        let fields: Vec<_> = (0..1000)
            .map(|at| alloc::format!("s=v; Path=/{at}"))
            .collect();
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        assert_eq!(mirrored(&fields, ALL).len(), MOST);
        assert_eq!(mirrored(&["s=v"; 1000], ALL).len(), 1);
    }

    /// A jar of cookies as user agents have it: what is kept of each name, domain and path.
    type Jar = alloc::collections::BTreeMap<(String, Option<String>, Option<String>), bool>;

    fn kept(cookies: &[(String, Option<String>, Option<String>, bool)]) -> Jar {
        let mut jar = Jar::new();
        for (name, domain, path, is_live) in cookies {
            jar.insert((name.clone(), domain.clone(), path.clone()), *is_live);
        }
        jar
    }

    proptest! {
        #[test]
        fn ours_is_kept_where_that_of_the_application_is(
            cookies in proptest::collection::vec(
                ("s[12]", proptest::option::of("[ab]"), proptest::option::of("/[ab]"), any::<bool>()), 0..7,
            ),
        ) {
            let fields: Vec<_> = cookies.iter().map(|(name, domain, path, is_live)| {
                let attribute = |name: &str, value: &Option<String>| {
                    value.as_ref().map(|value| alloc::format!("; {name}={value}")).unwrap_or_default()
                };
                let value = if *is_live { "v" } else { "" };
                alloc::format!("{name}={value}{}{}", attribute("Domain", domain), attribute("Path", path))
            }).collect();
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let followed = Followed::of(&follow("s*"), bytes(&fields), NOW);
            let text = |text: Option<&[u8]>| text.map(|text| String::from_utf8(text.to_vec()).unwrap());
            let ours: Vec<_> = followed.mirrored(&ALL).map(|one| {
                let Attributes { domain, path, .. } = one.attributes;
                (String::from("route"), text(domain), text(path), one.is_live)
            }).collect();
            let mut expected = Jar::new();
            for ((_, domain, path), is_live) in kept(&cookies) {
                *expected.entry((String::from("route"), domain, path)).or_insert(false) |= is_live;
            }
            prop_assert_eq!(kept(&ours), expected);
        }

        #[test]
        fn what_follows_ours_is_the_same(
            attributes in "(; ?(Domain|path|Max-Age|Expires|Secure|SameSite|Partitioned)(=(a|/b|0|9|None|lax|1 Jan 1970 00:00:09|1 Jan 2040 00:00:00)?)?){0,5}",
            value in "v?",
        ) {
            let ours = |name: &str, value: &str, attributes: &str| {
                let field = alloc::format!("{name}={value}{attributes}");
                let fields = [field.as_bytes()];
                let followed = Followed::of(&follow(name), fields.into_iter(), NOW);
                let one = followed.mirrored(&ALL).next().unwrap();
                (one.is_live, rest(&one, &Policy::new().unwrap(), &ALL, &Varying::default()))
            };
            let (is_live, written) = ours("s", &value, &attributes);
            let again = ours("route", if is_live { "a" } else { "" }, &written);
            prop_assert_eq!(again, (is_live, written));
        }

        #[test]
        fn any_fields_are_bounded(fields in proptest::collection::vec("s[12]?=.{0,9}(; ?.{0,30})?", 0..30)) {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let written: usize = mirrored(&fields, ALL).iter().map(String::len).sum();
            let given: usize = fields.iter().map(|field| field.len()).sum();
            prop_assert!(written <= given + MOST * (DELETED.len() + "; Domain= ; Path= ; Max-Age= ; Expires= ".len()));
        }
    }
}
