//! A cookie of the module that follows a session cookie of the application: the attributes it copies.

use arrayvec::ArrayVec;

use super::attributes::Attributes;
use super::Varying;
use crate::bytes::{Sink, DECIMAL};
use crate::cookie::Copies;
use crate::policy::{Policy, SameSite, Secure};

/// A cookie of the module that follows a cookie of the application.
#[derive(Debug)]
pub struct Mirrored<'a> {
    pub(super) attributes: Attributes<'a>,
    /// Whether the cookie is set, as opposed to deleted.
    pub is_live: bool,
}

impl Mirrored<'_> {
    /// Writes the lifetime, and the attributes that the [template](super::Template) leaves to the application's cookie.
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
        // User agents reject `SameSite=None` and `Partitioned` without `Secure`, which the configuration may omit.
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

/// The attributes that delete a cookie.
pub(super) const DELETED: &[u8] = b"; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT";

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    use crate::bytes::Buffer;

    fn mirrored(attributes: &str) -> Mirrored<'_> {
        Mirrored {
            attributes: Attributes::of(attributes.as_bytes()),
            is_live: true,
        }
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

    #[test]
    fn the_lifetime_may_be_that_of_the_policy() {
        let one = mirrored("; Max-Age=9");
        let policy = Policy {
            max_age: Some(60),
            ..Policy::new().unwrap()
        };
        let copies = Copies {
            lifetime: false,
            ..Copies::ALL
        };
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
        let one = mirrored("; Secure; SameSite=None; Partitioned");
        let copies = Copies {
            secure: false,
            ..Copies::ALL
        };
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
}
