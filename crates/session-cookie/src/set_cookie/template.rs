//! The template of the `Set-Cookie` field of an inserted cookie.

use alloc::boxed::Box;
use alloc::vec::Vec;

use arrayvec::ArrayVec;

use crate::bytes::{Sink, DECIMAL};
use crate::keys::{Signer, SIGNATURES};
use crate::memory::{self, OutOfMemory};
use crate::policy::{Policy, SameSite, Secure, Style};
use crate::session::{encode, encoded_len, Session};

/// The maximum length of [`Varying::expires`].
pub const DATE: usize = "Thu, 31 Dec 2037 23:55:55 GMT".len();

/// A prepared `Set-Cookie` field of an inserted cookie. The parts that are the same for every request are stored as one text
/// before the value and one after it.
///
/// ```
/// use session_cookie::bytes::Buffer;
/// use session_cookie::policy::Policy;
/// use session_cookie::session::Session;
/// use session_cookie::set_cookie::{ByVariables, Template, Varying};
///
/// let template = Template::new(&Policy::new()?, ByVariables::default())?;
/// let (session, varying) = (Session { id: b"a", stamps: None }, Varying::default());
///
/// let mut field = Buffer::with_capacity(template.max_len(&session, &varying))?;
/// template.write(&session, &mut field);
/// template.write_rest(&varying, &mut field);
/// assert_eq!(field.as_bytes(), b"route=a; Path=/");
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Template {
    /// The name and the equals sign.
    start: Box<[u8]>,
    /// The attributes before the first one that varies between requests.
    attributes: Box<[u8]>,
    /// The remaining attributes.
    others: Vec<Attribute>,
    /// The maximum total length of all these parts.
    capacity: usize,
}

/// The attributes set by variables instead of the policy. Their values are in [`Varying`]; attributes without a value are
/// omitted.
#[derive(Clone, Copy, Debug, Default)]
pub struct ByVariables {
    /// Whether `Domain` is set by variables.
    pub domain: bool,
    /// Whether `Path` is set by variables.
    pub path: bool,
    /// Whether `SameSite` is set by a variable.
    pub same_site: bool,
    /// Whether `Max-Age` and `Expires` are written elsewhere.
    pub lifetime: bool,
}

/// The parts of the field that vary between requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Varying<'a> {
    /// The current time plus the policy's `max_age`, as an HTTP-date (RFC 9110, section 5.6.7), or in the form with hyphens,
    /// which user agents also accept.
    pub expires: Option<&'a [u8]>,
    /// The `Domain` attribute, if set by variables.
    pub domain: Option<&'a [u8]>,
    /// The `Path` attribute, if set by variables.
    pub path: Option<&'a [u8]>,
    /// The `Secure` attribute, if set by the request or by a variable.
    pub secure: bool,
    /// The `SameSite` attribute, if set by a variable.
    pub same_site: Option<SameSite>,
}

/// An attribute, or a text of several.
#[derive(Debug)]
enum Attribute {
    Text(Vec<u8>),
    /// The text before the date.
    Expires(&'static [u8]),
    /// The text before the domain.
    Domain(&'static [u8]),
    /// The text before the path.
    Path(&'static [u8]),
    /// The text written if the cookie is for TLS only.
    Secure(&'static [u8]),
    /// The text before the value, and the function that returns the value.
    SameSite(&'static [u8], fn(SameSite) -> &'static [u8]),
}

impl Attribute {
    fn max_len(&self) -> usize {
        const WORD: usize = "Strict".len();
        match self {
            Attribute::Text(text) => text.len(),
            Attribute::Expires(name) => name.len().saturating_add(DATE),
            Attribute::Domain(name) | Attribute::Path(name) | Attribute::Secure(name) => name.len(),
            Attribute::SameSite(name, _) => name.len().saturating_add(WORD),
        }
    }

    fn write(&self, varying: &Varying, out: &mut impl Sink) {
        match self {
            Attribute::Text(text) => out.put(text),
            Attribute::Expires(name) => {
                if let Some(expires) = varying.expires {
                    out.put(name);
                    out.put(expires);
                }
            }
            Attribute::Domain(name) => {
                if let Some(domain) = varying.domain {
                    out.put(name);
                    out.put(domain);
                }
            }
            Attribute::Path(name) => {
                if let Some(path) = varying.path {
                    out.put(name);
                    out.put(path);
                }
            }
            Attribute::Secure(name) => {
                if varying.secure {
                    out.put(name);
                }
            }
            Attribute::SameSite(name, word) => {
                if let Some(same_site) = varying.same_site {
                    out.put(name);
                    out.put(word(same_site));
                }
            }
        }
    }
}

impl Template {
    /// Prepares the field of a policy.
    ///
    /// # Errors
    ///
    /// Returns [`OutOfMemory`] if memory allocation fails.
    pub fn new(policy: &Policy, by_variables: ByVariables) -> Result<Self, OutOfMemory> {
        let mut attributes = Attributes(Vec::new());
        match policy.style {
            Style::Rfc => attributes.add_as_rfc(policy, by_variables)?,
            Style::Nginx => attributes.add_as_nginx(policy, by_variables)?,
        }
        let mut others = attributes.0;
        let start = memory::concat(&[&policy.cookie, b"="])?;
        let capacity = others
            .iter()
            .map(Attribute::max_len)
            .fold(start.len(), usize::saturating_add);
        let first = match others.first_mut() {
            Some(Attribute::Text(text)) => core::mem::take(text),
            _ => Vec::new(),
        };
        others.retain(|other| !matches!(other, Attribute::Text(text) if text.is_empty()));
        Ok(Template {
            start,
            attributes: memory::boxed(&first)?,
            others,
            capacity,
        })
    }

    /// Returns `true` if anything other than the value varies between requests.
    #[inline]
    pub fn varies(&self) -> bool {
        !self.others.is_empty()
    }

    /// Returns the maximum length of the field with a signature.
    pub fn max_len_signed(&self, session: &Session, varying: &Varying) -> usize {
        (self.max_len(session, varying)).saturating_add(SIGNATURES)
    }

    /// Returns the maximum length of the field.
    #[inline]
    pub fn max_len(&self, session: &Session, varying: &Varying) -> usize {
        let values = [varying.domain, varying.path].map(|value| value.map_or(0, <[u8]>::len));
        let capacity = self.capacity.saturating_add(encoded_len(session));
        values.into_iter().fold(capacity, usize::saturating_add)
    }

    /// Writes the field up to the first attribute that varies between requests.
    #[inline(always)]
    pub fn write(&self, session: &Session, out: &mut impl Sink) {
        out.put(&self.start);
        encode(session, out);
        out.put(&self.attributes);
    }

    /// Same as [`write`](Self::write), but adds a signature to the value.
    pub fn write_signed(&self, session: &Session, signer: &Signer, out: &mut impl Sink) {
        out.put(&self.start);
        signer.encode(session, out);
        out.put(&self.attributes);
    }

    /// Writes the rest of the field.
    pub fn write_rest(&self, varying: &Varying, out: &mut impl Sink) {
        for other in &self.others {
            other.write(varying, out);
        }
    }
}

/// The attributes of a template. Consecutive texts are joined.
struct Attributes(Vec<Attribute>);

impl Attributes {
    fn add(&mut self, attribute: Attribute) -> Result<(), OutOfMemory> {
        memory::push(&mut self.0, attribute)
    }

    fn text(&mut self, name: &[u8], value: &[u8]) -> Result<(), OutOfMemory> {
        if let Some(Attribute::Text(text)) = self.0.last_mut() {
            memory::append(text, name)?;
            memory::append(text, value)
        } else {
            self.add(Attribute::Text(memory::concat(&[name, value])?.into_vec()))
        }
    }

    fn text_if(&mut self, is_there: bool, name: &[u8]) -> Result<(), OutOfMemory> {
        if is_there {
            self.text(name, b"")?;
        }
        Ok(())
    }

    fn secure(&mut self, secure: Secure, name: &'static [u8]) -> Result<(), OutOfMemory> {
        match secure {
            Secure::Off => Ok(()),
            Secure::On => self.text(name, b""),
            Secure::Auto | Secure::Variable => self.add(Attribute::Secure(name)),
        }
    }

    fn max_age(&mut self, max_age: u64, name: &[u8]) -> Result<(), OutOfMemory> {
        let mut digits = ArrayVec::<u8, DECIMAL>::new();
        digits.put_decimal(max_age);
        self.text(name, &digits)
    }

    fn others(&mut self, policy: &Policy) -> Result<(), OutOfMemory> {
        for attribute in &policy.attributes {
            self.text(b"; ", attribute)?;
        }
        Ok(())
    }

    fn domain(
        &mut self,
        policy: &Policy,
        by_variables: ByVariables,
        name: &'static [u8],
    ) -> Result<(), OutOfMemory> {
        if by_variables.domain {
            self.add(Attribute::Domain(name))?;
        } else if let Some(domain) = &policy.domain {
            self.text(name, domain)?;
        }
        Ok(())
    }

    fn path(
        &mut self,
        policy: &Policy,
        by_variables: ByVariables,
        name: &'static [u8],
    ) -> Result<(), OutOfMemory> {
        if by_variables.path {
            self.add(Attribute::Path(name))?;
        } else if !policy.path.is_empty() {
            self.text(name, &policy.path)?;
        }
        Ok(())
    }

    fn add_as_rfc(
        &mut self,
        policy: &Policy,
        by_variables: ByVariables,
    ) -> Result<(), OutOfMemory> {
        self.domain(policy, by_variables, b"; Domain=")?;
        self.path(policy, by_variables, b"; Path=")?;
        if let Some(max_age) = policy.max_age.filter(|_| !by_variables.lifetime) {
            self.max_age(max_age, b"; Max-Age=")?;
            self.add(Attribute::Expires(b"; Expires="))?;
        }
        self.secure(policy.secure, b"; Secure")?;
        self.text_if(policy.http_only, b"; HttpOnly")?;
        const SAME_SITE: &[u8] = b"; SameSite=";
        if by_variables.same_site {
            self.add(Attribute::SameSite(SAME_SITE, SameSite::as_bytes))?;
        } else if let Some(same_site) = policy.same_site {
            self.text(SAME_SITE, same_site.as_bytes())?;
        }
        self.text_if(policy.partitioned, b"; Partitioned")?;
        self.others(policy)
    }

    /// Adds the attributes in the order of `ngx_http_upstream_sticky_cookie_insert`.
    fn add_as_nginx(
        &mut self,
        policy: &Policy,
        by_variables: ByVariables,
    ) -> Result<(), OutOfMemory> {
        if let Some(max_age) = policy.max_age {
            self.add(Attribute::Expires(b"; expires="))?;
            self.max_age(max_age, b"; max-age=")?;
        }
        self.others(policy)?;
        self.domain(policy, by_variables, b"; domain=")?;
        self.text_if(policy.http_only, b"; httponly")?;
        self.secure(policy.secure, b"; secure")?;
        const SAME_SITE: &[u8] = b"; samesite=";
        if by_variables.same_site {
            self.add(Attribute::SameSite(SAME_SITE, SameSite::as_lower_case))?;
        } else if let Some(same_site) = policy.same_site {
            self.text(SAME_SITE, same_site.as_lower_case())?;
        }
        self.path(policy, by_variables, b"; path=")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::Buffer;
    use crate::session::Stamps;
    use alloc::string::String;
    use proptest::prelude::*;

    /// Returns the field that the template of a policy writes.
    fn written(
        policy: &Policy,
        by_variables: ByVariables,
        session: Session,
        varying: &Varying,
    ) -> String {
        let template = Template::new(policy, by_variables).unwrap();
        // A part that does not fit would be missing.
        let capacity = template.max_len(&session, varying);
        let mut field = Buffer::with_capacity(capacity).unwrap();
        template.write(&session, &mut field);
        template.write_rest(varying, &mut field);
        String::from_utf8(field.as_bytes().to_vec()).unwrap()
    }

    const NONE: ByVariables = ByVariables {
        domain: false,
        path: false,
        same_site: false,
        lifetime: false,
    };
    const SAME_SITE: ByVariables = ByVariables {
        same_site: true,
        ..NONE
    };
    const ALL: ByVariables = ByVariables {
        domain: true,
        path: true,
        ..SAME_SITE
    };

    const SESSION: Session = Session {
        id: b"a",
        stamps: None,
    };

    #[test]
    fn every_attribute_in_order() {
        let mut policy = Policy {
            domain: Some(Box::from(*b".taobao.com")),
            max_age: Some(120),
            secure: Secure::Auto,
            http_only: true,
            partitioned: true,
            attributes: alloc::vec![Box::from(*b"Priority=High")],
            ..Policy::new().unwrap()
        };
        let session = Session {
            stamps: Some(Stamps {
                last_seen: 2,
                first_seen: 1,
            }),
            ..SESSION
        };
        let varying = Varying {
            expires: Some(b"Thu, 31 Dec 2037 23:55:55 GMT"),
            domain: None,
            path: None,
            secure: true,
            same_site: Some(SameSite::Strict),
        };
        let all = "route=a|2|1; Domain=.taobao.com; Path=/; Max-Age=120; \
             Expires=Thu, 31 Dec 2037 23:55:55 GMT; Secure; HttpOnly; SameSite=Strict; Partitioned; Priority=High";
        assert_eq!(written(&policy, SAME_SITE, session, &varying), all);
        assert_eq!(
            written(&policy, SAME_SITE, session, &Varying::default()),
            "route=a|2|1; Domain=.taobao.com; Path=/; Max-Age=120; HttpOnly; Partitioned; Priority=High"
        );

        // The same text, with everything set by the policy.
        policy.secure = Secure::On;
        policy.same_site = Some(SameSite::Strict);
        let varying = Varying {
            secure: false,
            same_site: None,
            ..varying
        };
        assert_eq!(written(&policy, NONE, session, &varying), all);
    }

    #[test]
    fn every_attribute_as_nginx_writes_them() {
        let mut policy = Policy {
            max_age: Some(3600),
            secure: Secure::Auto,
            http_only: true,
            path: Box::default(),
            style: Style::Nginx,
            ..Policy::new().unwrap()
        };
        let varying = Varying {
            expires: Some(b"Thu, 31-Dec-37 23:55:55 GMT"),
            domain: Some(b".example.com"),
            path: Some(b"/a"),
            secure: true,
            same_site: Some(SameSite::Lax),
        };
        let all =
            "route=a; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=3600; domain=.example.com; \
             httponly; secure; samesite=lax; path=/a";
        assert_eq!(written(&policy, ALL, SESSION, &varying), all);
        policy.secure = Secure::On;
        policy.same_site = Some(SameSite::Lax);
        policy.domain = Some(Box::from(*b".example.com"));
        policy.path = Box::from(*b"/a");
        assert_eq!(written(&policy, NONE, SESSION, &varying), all);

        let bare = Policy {
            path: Box::default(),
            style: Style::Nginx,
            ..Policy::new().unwrap()
        };
        assert_eq!(written(&bare, NONE, SESSION, &varying), "route=a");
    }

    #[test]
    fn only_what_differs_is_looked_at_for_each_request() {
        let mut policy = Policy {
            http_only: true,
            secure: Secure::On,
            same_site: Some(SameSite::Lax),
            ..Policy::new().unwrap()
        };
        assert!(!Template::new(&policy, NONE).unwrap().varies());
        assert!(Template::new(&policy, SAME_SITE).unwrap().varies());
        assert!(Template::new(&policy, ALL).unwrap().varies());
        let path = ByVariables { path: true, ..NONE };
        assert!(Template::new(&policy, path).unwrap().varies());
        policy.secure = Secure::Auto;
        assert!(Template::new(&policy, NONE).unwrap().varies());
        policy.secure = Secure::Off;
        policy.max_age = Some(1);
        assert!(Template::new(&policy, NONE).unwrap().varies());
    }

    proptest! {
        #[test]
        fn an_attribute_by_variables_stands_where_the_policy_puts_it(
            domain in proptest::option::of("[.]?[a-z]{1,9}"),
            path in proptest::option::of("/[ -:<-~]{0,20}"),
            style in prop_oneof![Just(Style::Rfc), Just(Style::Nginx)],
        ) {
            let bytes = |text: &Option<String>| text.as_ref().map(|text| Box::from(text.as_bytes()));
            let fixed = Policy {
                domain: bytes(&domain),
                path: bytes(&path).unwrap_or_default(),
                http_only: true,
                style,
                ..Policy::new().unwrap()
            };
            let varying = Varying {
                domain: domain.as_deref().map(str::as_bytes),
                path: path.as_deref().map(str::as_bytes),
                ..Varying::default()
            };
            let by_variables = ByVariables { same_site: false, ..ALL };
            let bare = Policy {
                path: Box::from(*b"/unused"),
                http_only: true,
                style,
                ..Policy::new().unwrap()
            };
            prop_assert_eq!(
                written(&bare, by_variables, SESSION, &varying),
                written(&fixed, NONE, SESSION, &Varying::default())
            );
        }
    }
}
