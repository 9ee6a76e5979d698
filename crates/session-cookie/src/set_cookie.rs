//! The response's `Set-Cookie` field (RFC 6265, section 4.1): editing a server's, writing our own.

use crate::cookie::{after_name, PREFIX_END};
use crate::policy::{Policy, SameSite, Style};
use crate::session::{encode, encoded_len, Session};
use crate::text::{find, trim, trim_start, Sink, DECIMAL};

/// A server's `Set-Cookie`, parted around the value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parts<'a> {
    /// All up to the value: name, equals sign, white space.
    pub before: &'a [u8],
    /// The value, double quotes and all.
    pub value: &'a [u8],
    /// All after the value: white space and attributes.
    pub after: &'a [u8],
}

/// Parts a field around the value (RFC 6265, section 5.2), if it sets the cookie of exactly this name.
pub fn parse<'a>(field: &'a [u8], name: &[u8]) -> Option<Parts<'a>> {
    let rest = after_name(field, name)?;
    let value = trim(rest.get(..find(b';', rest).unwrap_or(rest.len()))?);

    let start = field
        .len()
        .checked_sub(rest.len())?
        .checked_add(if value.is_empty() {
            0
        } else {
            rest.len().checked_sub(trim_start(rest).len())?
        })?;
    let (before, rest) = field.split_at_checked(start)?;
    let (value, after) = rest.split_at_checked(value.len())?;
    Some(Parts {
        before,
        value,
        after,
    })
}

/// Does the field set the cookie of exactly this name?
pub fn sets(field: &[u8], name: &[u8]) -> bool {
    after_name(field, name).is_some()
}

/// Writes a server's field with the id in place of the value.
pub fn rewrite(parts: &Parts, id: &[u8], out: &mut impl Sink) {
    out.put(parts.before);
    out.put(id);
    out.put(parts.after);
}

/// Writes a server's field with the id before the value.
pub fn prefix(parts: &Parts, id: &[u8], out: &mut impl Sink) {
    out.put(parts.before);
    out.put(id);
    out.put(&[PREFIX_END]);
    out.put(parts.value);
    out.put(parts.after);
}

/// The most bytes that [`Insertion::expires`] has.
pub const DATE: usize = "Thu, 31 Dec 2037 23:55:55 GMT".len();

/// A cookie of our own, with what differs from request to request.
#[derive(Clone, Copy, Debug)]
pub struct Insertion<'a> {
    /// The rules.
    pub policy: &'a Policy,
    /// The value.
    pub session: Session<'a>,
    /// Now plus the policy's `max_age`, as an HTTP-date (RFC 9110, section 5.6.7), or with hyphens in the
    /// date, which user agents take as well.
    pub expires: Option<&'a [u8]>,
    /// Which `Domain` attribute does it get?
    pub domain: Option<&'a [u8]>,
    /// Does it get the `Secure` attribute?
    pub secure: bool,
    /// Which `SameSite` attribute does it get?
    pub same_site: Option<SameSite>,
}

impl Insertion<'_> {
    /// The most bytes that [`Self::write`] writes.
    pub fn max_len(&self) -> usize {
        const FIXED: usize =
            "=; Domain=; Path=; Max-Age=; Expires=; Secure; HttpOnly; SameSite=Strict; Partitioned"
                .len()
                + DECIMAL
                + DATE;
        let policy = self.policy;
        [
            policy.cookie.len(),
            encoded_len(&self.session),
            self.domain.map_or(0, <[u8]>::len),
            policy.path.len(),
        ]
        .into_iter()
        .chain(
            policy
                .attributes
                .iter()
                .map(|attribute| attribute.len().saturating_add("; ".len())),
        )
        .fold(FIXED, usize::saturating_add)
    }

    /// Writes the field.
    pub fn write(&self, out: &mut impl Sink) {
        out.put(&self.policy.cookie);
        out.put(b"=");
        encode(&self.session, out);
        match self.policy.style {
            Style::Rfc => self.write_attributes(out),
            Style::Nginx => self.write_attributes_as_nginx(out),
        }
    }

    #[inline(always)]
    fn write_attributes(&self, out: &mut impl Sink) {
        let policy = self.policy;
        if let Some(domain) = self.domain {
            out.put(b"; Domain=");
            out.put(domain);
        }
        if !policy.path.is_empty() {
            out.put(b"; Path=");
            out.put(&policy.path);
        }
        if let Some(max_age) = policy.max_age {
            out.put(b"; Max-Age=");
            out.put_decimal(max_age);
        }
        if let Some(expires) = self.expires {
            out.put(b"; Expires=");
            out.put(expires);
        }
        if self.secure {
            out.put(b"; Secure");
        }
        if policy.http_only {
            out.put(b"; HttpOnly");
        }
        if let Some(same_site) = self.same_site {
            out.put(b"; SameSite=");
            out.put(same_site.as_bytes());
        }
        if policy.partitioned {
            out.put(b"; Partitioned");
        }
        for attribute in &policy.attributes {
            out.put(b"; ");
            out.put(attribute);
        }
    }

    /// As `ngx_http_upstream_sticky_cookie_insert` does.
    #[inline(never)]
    fn write_attributes_as_nginx(&self, out: &mut impl Sink) {
        let policy = self.policy;
        if let Some(expires) = self.expires {
            out.put(b"; expires=");
            out.put(expires);
        }
        if let Some(max_age) = policy.max_age {
            out.put(b"; max-age=");
            out.put_decimal(max_age);
        }
        for attribute in &policy.attributes {
            out.put(b"; ");
            out.put(attribute);
        }
        if let Some(domain) = self.domain {
            out.put(b"; domain=");
            out.put(domain);
        }
        if policy.http_only {
            out.put(b"; httponly");
        }
        if self.secure {
            out.put(b"; secure");
        }
        if let Some(same_site) = self.same_site {
            out.put(b"; samesite=");
            out.put(same_site.as_lower_case());
        }
        if !policy.path.is_empty() {
            out.put(b"; path=");
            out.put(&policy.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Stamps;
    use alloc::boxed::Box;
    use alloc::string::String;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn edited(field: &str, edit: fn(&Parts, &[u8], &mut Vec<u8>)) -> String {
        let parts = parse(field.as_bytes(), b"s").unwrap();
        let mut out = Vec::new();
        edit(&parts, b"ID", &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_name_is_exact() {
        assert!(sets(b"test=1; Path=/", b"test"));
        assert!(sets(b" test = 1", b"test"));
        for other in [
            "mytest=abc",
            "latest=42",
            "x=test=1",
            "a=b; test=1",
            "Test=1",
            "test",
            "test; a=b",
        ] {
            assert!(!sets(other.as_bytes(), b"test"), "{other}");
        }
    }

    #[test]
    fn attributes_stay_untouched() {
        assert_eq!(
            edited("s=v; Path=/a;HttpOnly", rewrite),
            "s=ID; Path=/a;HttpOnly"
        );
        assert_eq!(
            edited("s=v; Path=/a;HttpOnly", prefix),
            "s=ID~v; Path=/a;HttpOnly"
        );
        assert_eq!(edited("s = \"v\" ; Secure", rewrite), "s = ID ; Secure");
        assert_eq!(edited("s=\"v\"", prefix), "s=ID~\"v\"");
        assert_eq!(edited("s=; Max-Age=0", prefix), "s=ID~; Max-Age=0");
        assert_eq!(edited("s=  ; a", rewrite), "s=ID  ; a");
        assert_eq!(edited(" s =v=w", rewrite), " s =ID");
    }

    #[test]
    fn every_attribute_in_order() {
        let policy = Policy {
            domain: Some(Box::from(*b".taobao.com")),
            max_age: Some(120),
            http_only: true,
            partitioned: true,
            attributes: alloc::vec![Box::from(*b"Priority=High")],
            ..Policy::default()
        };
        let insertion = Insertion {
            policy: &policy,
            session: Session {
                id: b"a",
                stamps: Some(Stamps {
                    last_seen: 2,
                    first_seen: 1,
                }),
            },
            expires: Some(b"Thu, 31 Dec 2037 23:55:55 GMT"),
            domain: policy.domain.as_deref(),
            secure: true,
            same_site: Some(SameSite::Strict),
        };
        let mut field = Vec::new();
        insertion.write(&mut field);
        assert!(field.len() <= insertion.max_len());
        assert_eq!(
            core::str::from_utf8(&field).unwrap(),
            "route=a|2|1; Domain=.taobao.com; Path=/; Max-Age=120; \
             Expires=Thu, 31 Dec 2037 23:55:55 GMT; Secure; HttpOnly; SameSite=Strict; Partitioned; Priority=High"
        );
    }

    #[test]
    fn every_attribute_as_nginx_writes_them() {
        let policy = Policy {
            domain: Some(Box::from(*b".example.com")),
            max_age: Some(3600),
            http_only: true,
            path: Box::from(*b"/a"),
            style: Style::Nginx,
            ..Policy::default()
        };
        let mut insertion = Insertion {
            policy: &policy,
            session: Session {
                id: b"a",
                stamps: None,
            },
            expires: Some(b"Thu, 31-Dec-37 23:55:55 GMT"),
            domain: policy.domain.as_deref(),
            secure: true,
            same_site: Some(SameSite::Lax),
        };
        let written = |insertion: &Insertion| {
            let mut field = Vec::new();
            insertion.write(&mut field);
            assert!(field.len() <= insertion.max_len());
            String::from_utf8(field).unwrap()
        };
        assert_eq!(
            written(&insertion),
            "route=a; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=3600; domain=.example.com; \
             httponly; secure; samesite=lax; path=/a"
        );

        let bare = Policy {
            path: Box::default(),
            style: Style::Nginx,
            ..Policy::default()
        };
        insertion = Insertion {
            policy: &bare,
            expires: None,
            domain: None,
            secure: false,
            same_site: None,
            ..insertion
        };
        assert_eq!(written(&insertion), "route=a");
    }

    proptest! {
        #[test]
        fn any_field_is_its_parts(field: Vec<u8>) {
            if let Some(parts) = parse(&field, b"") {
                prop_assert_eq!([parts.before, parts.value, parts.after].concat(), field);
            }
        }
    }
}
