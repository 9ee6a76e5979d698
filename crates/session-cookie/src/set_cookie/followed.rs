//! The application's session cookies in a response, and the module's cookies that follow them.

use arrayvec::ArrayVec;

use super::attributes::Attributes;
use super::ends;
use super::mirrored::Mirrored;
use crate::bytes::find;
use crate::cookie::{halves, Copies, Follow};

/// The maximum number of cookies considered. User agents store one per domain and path; applications rarely set more than two.
const MOST: usize = 8;

/// The changes that a response makes to the application's session.
#[derive(Debug)]
pub struct Followed<'a> {
    /// The application's cookies in the response, in order, without those that user agents replace with later ones.
    cookies: ArrayVec<Cookie<'a>, MOST>,
    /// Whether the client has a session that the response leaves unchanged. The module's cookie is then set as if the response
    /// contained no such cookie.
    pub goes_on: bool,
}

/// A cookie of the application that the response sets or deletes.
#[derive(Clone, Copy, Debug)]
struct Cookie<'a> {
    name: &'a [u8],
    attributes: Attributes<'a>,
    is_live: bool,
}

impl<'a> Followed<'a> {
    /// Parses the `Set-Cookie` fields of a response. `now` is in seconds since the epoch.
    pub fn of(follow: &Follow, fields: impl Iterator<Item = &'a [u8]>, now: u64) -> Self {
        let mut cookies = ArrayVec::new();
        for cookie in fields.filter_map(|field| Cookie::of(field, follow, now)) {
            // User agents keep the last cookie of each name, domain and path.
            cookies.retain(|earlier: &mut Cookie<'_>| !earlier.is_replaced_by(&cookie));
            if cookies.is_full() && cookie.is_live {
                // Cookies that are set take precedence over deleted ones, so that no session is lost.
                let deleted = cookies.iter().position(|cookie| !cookie.is_live);
                deleted.map(|at| cookies.remove(at));
            }
            let _ = cookies.try_push(cookie);
        }
        Followed {
            cookies,
            goes_on: false,
        }
    }

    /// Finds out whether the client has sessions that the response leaves unchanged, and discards deletions that would also
    /// delete the module's cookie of these sessions. `fields` are the `Cookie` fields of a request that has such a cookie;
    /// `target` is the request target.
    pub fn look_at_request<'f>(
        &mut self,
        follow: &Follow,
        fields: impl Iterator<Item = &'f [u8]>,
        target: &[u8],
    ) {
        let Copies { domain, path, .. } = follow.copies;
        let reaches = |cookie: &Cookie<'_>| cookie.reaches(target);
        let is_renewed = |cookie: &Cookie<'_>| cookie.is_live && (!path || cookie.reaches(target));
        if self.cookies.iter().any(is_renewed) {
            return;
        }
        let (mut count, mut has_others) = (0, false);
        for name in fields.flat_map(|field| follow.cookies_in(field)) {
            count = usize::saturating_add(count, 1);
            has_others |= !self.cookies.iter().any(|cookie| cookie.name == name);
        }
        self.goes_on = has_others || count > self.cookies.iter().filter(|one| reaches(one)).count();
        if self.goes_on {
            // A deletion is kept if the module's cookie it deletes belongs to that session alone: domain and path are copied, and
            // the path does not match the request or the request has no session cookies of other names.
            let is_apart = |cookie: &Cookie<'_>| domain && path && !(has_others && reaches(cookie));
            self.cookies
                .retain(|cookie| cookie.is_live || is_apart(cookie));
        }
    }

    /// Returns `true` if no cookie of the module is set or deleted along with a cookie of the application.
    pub fn is_empty(&self) -> bool {
        self.cookies.is_empty()
    }

    /// Returns the module's cookies: one for each cookie of the application that user agents store separately if only the
    /// attributes in `copies` are copied. If several become one, a live cookie takes precedence over a deleted one, otherwise the
    /// last one counts. Live cookies come last, so that they prevail if user agents treat two cookies as the same.
    pub fn mirrored<'f>(&'f self, copies: &'f Copies) -> impl Iterator<Item = Mirrored<'a>> + 'f {
        let of = move |is_live| {
            let all = self.cookies.iter().enumerate();
            all.filter(move |(_, cookie)| cookie.is_live == is_live)
                .filter(move |(at, cookie)| !self.is_counted_elsewhere(*at, cookie, copies))
                .map(move |(_, cookie)| Mirrored {
                    attributes: cookie.attributes,
                    is_live,
                })
        };
        of(false).chain(of(true))
    }

    /// Returns `true` if another cookie takes precedence over this one.
    fn is_counted_elsewhere(&self, at: usize, cookie: &Cookie<'_>, copies: &Copies) -> bool {
        let mut others = self.cookies.iter().enumerate();
        others.any(|(other_at, other)| {
            let counts_more = if cookie.is_live == other.is_live {
                other_at > at
            } else {
                other.is_live
            };
            counts_more && cookie.is_beside(other, copies)
        })
    }
}

/// Returns `true` if a field sets or deletes the application's session cookie.
pub fn is_followed(field: &[u8], follow: &Follow) -> bool {
    split(field).is_some_and(|(name, ..)| follow.matches(name))
}

/// Splits a field into the name, the value and the rest.
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

    /// Returns `true` if a request for this target could include the cookie (RFC 6265, section 5.1.4). A cookie without a path is
    /// valid for the directory of the request.
    fn reaches(&self, target: &[u8]) -> bool {
        let Some(path) = self.attributes.path else {
            return true;
        };
        match target.strip_prefix(path) {
            Some(rest) => path.ends_with(b"/") || matches!(rest, [] | [b'/' | b'?', ..]),
            None => false,
        }
    }

    /// Returns `true` if user agents store only one of two cookies of the same name that copy these attributes.
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    use crate::bytes::Buffer;
    use crate::policy::Policy;
    use crate::set_cookie::mirrored::DELETED;
    use crate::set_cookie::Varying;

    const NOW: u64 = 1_600_000_000;

    const ALL: Copies = Copies::ALL;

    fn follow(name: &str) -> Follow {
        Follow::new(name.as_bytes(), ALL).unwrap()
    }

    fn bytes<'a>(fields: &'a [&'a str]) -> impl Iterator<Item = &'a [u8]> {
        fields.iter().map(|field| field.as_bytes())
    }

    fn rest(mirrored: &Mirrored<'_>, copies: &Copies) -> String {
        let (policy, mut out) = (Policy::new().unwrap(), Buffer::with_capacity(4096).unwrap());
        mirrored.write_rest(&policy, copies, &Varying::default(), &mut out);
        String::from_utf8(out.as_bytes().to_vec()).unwrap()
    }

    /// Returns the attributes that the module's cookies following a cookie `s*` get in addition to those of the template.
    fn mirrored(fields: &[&str], copies: Copies) -> Vec<String> {
        let followed = Followed::of(&follow("s*"), bytes(fields), NOW);
        let all = followed.mirrored(&copies);
        all.map(|one| rest(&one, &copies)).collect()
    }

    /// Returns whether the session goes on, and the attributes of the module's cookies, for a request to `/app/x` with these
    /// cookies.
    fn seen(request: &[&str], fields: &[&str], copies: Copies) -> (bool, Vec<String>) {
        let follow = Follow::new(b"s*", copies).unwrap();
        let mut followed = Followed::of(&follow, bytes(fields), NOW);
        followed.look_at_request(&follow, bytes(request), b"/app/x?/old/");
        let all = followed.mirrored(&copies);
        let all = all.map(|one| rest(&one, &copies));
        (followed.goes_on, all.collect())
    }

    const GONE: &str = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT";

    #[test]
    fn a_session_goes_on_unless_the_response_ends_or_renews_it() {
        let goes_on = |request: &[&str], fields: &[&str]| seen(request, fields, ALL).0;
        assert!(goes_on(&["s=1"], &["S=1", "as=1", "a=s=1", "s"]));
        for path in [
            "",
            "; Path=/",
            "; Path=/app",
            "; Path=/app/",
            "; Path=/app/x",
            "; Path=app",
        ] {
            for value in ["s=2", "s="] {
                let field = alloc::format!("{value}{path}");
                assert!(!goes_on(&["s=1"], &[&field]), "{field}");
                assert!(
                    goes_on(&["s2=1; s=1"], &[&field]) == (value == "s="),
                    "{field}"
                );
                assert!(
                    goes_on(&["s=1", "s=2"], &[&field]) == (value == "s="),
                    "{field}"
                );
            }
        }
        for path in ["/old", "/app/x/", "/app/y", "/ap", "/application"] {
            for value in ["s=2", "s="] {
                let field = alloc::format!("{value}; Path={path}");
                assert!(goes_on(&["s=1"], &[&field]), "{field}");
                assert!(!goes_on(&["s=1"], &[&field, "s=2; Path=/"]), "{field}");
                assert!(!goes_on(&["s=1"], &["s=; Path=/", &field]), "{field}");
                assert!(!goes_on(&["s=; a=s"], &[&field]), "{field}");
            }
        }
    }

    #[test]
    fn what_ends_one_session_leaves_ours_to_the_others() {
        let one_path = Copies { path: false, ..ALL };
        let gone = |path: &str| alloc::format!("{path}{GONE}");
        let nothing = || (true, Vec::new());
        // The deleted cookie is for a directory that does not contain the request.
        let old = ["s=; Path=/old"];
        assert_eq!(
            seen(&["s=1"], &old, ALL),
            (true, [gone("; Path=/old")].to_vec())
        );
        assert_eq!(seen(&["s=1"], &old, one_path), nothing());
        // The deleted cookie is one of two with the same name.
        let app = ["s=; Path=/app"];
        assert_eq!(
            seen(&["s=1; s=2"], &app, ALL),
            (true, [gone("; Path=/app")].to_vec())
        );
        assert_eq!(seen(&["s=1; s=2"], &app, one_path), nothing());
        assert_eq!(
            seen(&["s=1; s="], &app, one_path),
            (false, [gone("")].to_vec())
        );
        // There is a cookie with another name, whose path is unknown.
        assert_eq!(seen(&["s=1", "s2=2"], &app, ALL), nothing());
        assert_eq!(
            seen(&["s=1", "s2="], &app, ALL),
            (false, [gone("; Path=/app")].to_vec())
        );
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
    fn user_agents_keep_one_of_each_domain_and_path() {
        let gone_in = |path: &str| alloc::format!("; Path={path}{GONE}");
        // The last cookie of each place counts, live or deleted.
        assert_eq!(mirrored(&["s=; Path=/", "s=v; Path=/"], ALL), ["; Path=/"]);
        assert_eq!(
            mirrored(&["s=v; Path=/", "s=; Path=/"], ALL),
            [gone_in("/")]
        );
        assert_eq!(
            mirrored(&["s=v; Domain=A.test", "s=w; Domain=.a.test; Secure"], ALL),
            ["; Domain=.a.test; Secure"]
        );
        // Different places remain separate.
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
        // If the module's cookie has only one place, a live cookie counts.
        let one_path = Copies { path: false, ..ALL };
        assert_eq!(
            mirrored(&["s=v; Path=/; Secure", "s=; Path=/old"], one_path),
            ["; Secure"]
        );
        assert_eq!(mirrored(&["s=; Path=/", "s=; Path=/old"], one_path), [GONE]);
    }

    #[test]
    fn several_names_are_several_sessions() {
        assert_eq!(
            mirrored(&["s1=v; Path=/", "s2=; Path=/"], ALL),
            ["; Path=/"]
        );
    }

    #[test]
    fn what_is_set_comes_last() {
        // The directory of the request may be that path.
        assert_eq!(
            mirrored(&["s1=v; Path=/app", "s2="], ALL),
            [GONE, "; Path=/app"]
        );
    }

    #[test]
    fn what_is_set_behind_many_that_are_deleted_is_seen() {
        let mut fields: Vec<_> = (0..20).map(|at| alloc::format!("s=; Path=/{at}")).collect();
        fields.push("s=v; Path=/".into());
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        let mirrored = mirrored(&fields, ALL);
        assert_eq!((mirrored.len(), &*mirrored[MOST - 1]), (MOST, "; Path=/"));
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

    /// A cookie jar: one entry per name, domain and path, as in user agents.
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
                (one.is_live, rest(&one, &ALL))
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
