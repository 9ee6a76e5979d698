//! The rules of one upstream, as they are configured.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::cookie::{Follow, HiddenPart, HideRule, Name};
use crate::foreign::{Given, System};
use crate::keys::{Keys, Signer};
use crate::memory::{self, OutOfMemory};

pub use crate::id::Digest;

/// Where a session is kept: in a cookie, and who sets that; in the request; or in a table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// The proxy adds a cookie of its own, where the client has to learn something.
    #[default]
    Insert,
    /// The proxy adds a cookie of its own to every response, in place of one of that name from the upstream server.
    Repeat,
    /// The proxy puts the id in place of the value of a cookie that the application sets.
    Rewrite,
    /// The proxy puts the id before the value of a cookie that the application sets.
    Prefix,
    /// The request names the server itself; there is no cookie.
    Route,
    /// The proxy remembers the servers of the application's own sessions; there is no cookie of the module.
    Learn,
}

/// The visibility of the cookie to upstream servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Visibility {
    /// They see it.
    #[default]
    Direct,
    /// It is hidden from them.
    Indirect,
}

/// The scheme of the ids by which the cookie names servers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hash {
    /// The MD5 of the server's address, in hexadecimal.
    #[default]
    Md5,
    /// The SHA-1 of the server's address, in hexadecimal.
    Sha1,
    /// The id that is configured for the server, else its address.
    Plain,
    /// The place of the server in the upstream, from 0.
    Index,
    /// A digest of the address as it is written in the `server` directive, which may be a name.
    Line(Digest),
    /// The id that is configured for the server, else the MD5 of its address: that of nginx's own `sticky`.
    Given,
    /// An HMAC of the server's address with a key of the policy, in hexadecimal.
    Hmac,
}

impl Hash {
    /// Returns the word for it in `accept=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Hash::Md5 => "md5",
            Hash::Sha1 => "sha1",
            Hash::Plain => "plain",
            Hash::Index => "index",
            Hash::Line(digest) => digest.as_str(),
            Hash::Given => "nginx",
            Hash::Hmac => "hmac",
        }
    }
}

/// The behaviour where the server that the cookie names is not available.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fallback {
    /// The balancer chooses another.
    #[default]
    On,
    /// The balancer chooses another if the cookie names no server of the upstream; if it names one that is not
    /// available, the request fails.
    Unknown,
    /// The request fails.
    Off,
}

impl Fallback {
    /// Returns the word for it in configurations and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Fallback::On => "on",
            Fallback::Unknown => "unknown",
            Fallback::Off => "off",
        }
    }
}

/// The owner of a session after another server than that of the cookie has served it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rebind {
    /// The other server: the session has moved.
    #[default]
    On,
    /// Still the server of the cookie: the client returns when that server does.
    Off,
}

/// The behaviour where the server that the cookie names has as many connections as it may have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Full {
    /// The server is not available.
    #[default]
    Move,
    /// The session goes there over the limit.
    Over,
}

/// The limits of the life of a session, in seconds; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// The seconds since the last request.
    pub max_idle: Option<u64>,
    /// The seconds since the first request.
    pub max_life: Option<u64>,
}

impl Limits {
    /// Returns whether there is any limit, so that cookies carry stamps.
    pub fn any(&self) -> bool {
        self.max_idle.is_some() || self.max_life.is_some()
    }
}

/// The `Secure` attribute.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Secure {
    /// It is never set.
    #[default]
    Off,
    /// It is always set.
    On,
    /// It is set where the request came over TLS.
    Auto,
    /// It is set where a variable says so.
    Variable,
}

/// The `SameSite` attribute (RFC 6265bis, section 4.1.2.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// The cookie is sent with requests of the same site only.
    Strict,
    /// The cookie is sent with top-level navigations from other sites too.
    Lax,
    /// The cookie is always sent; user agents want `Secure` with it.
    None,
}

impl SameSite {
    /// Reads the word, in any case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [SameSite::Strict, SameSite::Lax, SameSite::None]
            .into_iter()
            .find(|same_site| word.eq_ignore_ascii_case(same_site.as_bytes()))
    }

    /// Returns the word as it stands in the attribute.
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            SameSite::Strict => b"Strict",
            SameSite::Lax => b"Lax",
            SameSite::None => b"None",
        }
    }

    /// Returns the word in lower case.
    pub fn as_lower_case(self) -> &'static [u8] {
        match self {
            SameSite::Strict => b"strict",
            SameSite::Lax => b"lax",
            SameSite::None => b"none",
        }
    }
}

/// A scheme of ids, or of whole values, that is accepted besides that of the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accepted {
    /// Ids of this scheme.
    Id(Hash),
    /// HMACs of a server's address with the key of this number.
    Key(usize),
    /// Digests of a server's address as the system keeps it, a `struct sockaddr`: ids of nginx-sticky-module-ng's
    /// releases, up to 1.2.6.
    Address(Digest),
    /// Ids of nginx's own `sticky`: a server's `route=`, else the MD5 of its name.
    Nginx,
    /// HAProxy's values: the configured id of a server, alone or with dates.
    Haproxy,
    /// Values of another system.
    Foreign(System),
}

impl Accepted {
    /// Returns the word for it in `accept=`.
    pub fn as_str(self) -> &'static str {
        match self {
            Accepted::Id(hash) => hash.as_str(),
            Accepted::Key(_) => Hash::Hmac.as_str(),
            Accepted::Address(digest) => digest.as_str(),
            Accepted::Nginx => "nginx",
            Accepted::Haproxy => "haproxy",
            Accepted::Foreign(system) => system.as_str(),
        }
    }
}

/// The style in which the attributes of a cookie are written. User agents take both alike.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// That of RFC 6265, in the order of Tengine.
    #[default]
    Rfc,
    /// That of nginx's own `sticky cookie`.
    Nginx,
}

/// The rules of one upstream.
///
/// ```
/// use session_cookie::cookie::Name;
/// use session_cookie::policy::{Limits, Policy};
///
/// let policy = Policy {
///     cookie: Name::new(b"JSESSIONID")?,
///     limits: Limits { max_idle: Some(1800), max_life: None },
///     ..Policy::new()?
/// };
/// assert!(policy.limits.any());
/// # Ok::<(), session_cookie::memory::OutOfMemory>(())
/// ```
#[derive(Debug)]
pub struct Policy {
    /// The name of the cookie.
    pub cookie: Name,
    /// The one who sets it, or where sessions are kept without one.
    pub mode: Mode,
    /// The visibility of the cookie to upstream servers.
    pub visibility: Visibility,
    /// The scheme of its ids.
    pub hash: Hash,
    /// Other schemes that are accepted, and upgraded.
    pub accept: Vec<Accepted>,
    /// The key of [`Digest::HmacMd5`] and [`Digest::HmacSha1`].
    pub hmac_key: Box<[u8]>,
    /// What has to be known for [`Accepted::Foreign`].
    pub foreign: Given,
    /// The keys of [`Hash::Hmac`] and [`Accepted::Key`].
    pub keys: Keys,
    /// What signs values, if they are signed. Only sessions with limits are, in a cookie that the proxy adds.
    pub signer: Option<Signer>,
    /// Whether values without a signature are accepted where values are signed.
    pub accepts_unsigned: bool,
    /// The text behind the id after which the application's own value of the cookie follows, if it does.
    pub transfer: Option<Box<[u8]>>,
    /// The behaviour where the server that the cookie names is not available.
    pub fallback: Fallback,
    /// The owner of the session after that.
    pub rebind: Rebind,
    /// The behaviour where that server has as many connections as it may have.
    pub full: Full,
    /// The limits of the life of a session.
    pub limits: Limits,
    /// The age, in seconds, from which on stamps are renewed.
    pub refresh: u64,
    /// The `Domain` attribute, where no variable tells it.
    pub domain: Option<Box<[u8]>>,
    /// The `Path` attribute, where no variable tells it; an empty one is left out.
    pub path: Box<[u8]>,
    /// The `Max-Age` and `Expires` attributes: the seconds for which the user agent keeps the cookie.
    pub max_age: Option<u64>,
    /// The `Secure` attribute.
    pub secure: Secure,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// The `SameSite` attribute, where no variable tells it.
    pub same_site: Option<SameSite>,
    /// The `Partitioned` attribute.
    pub partitioned: bool,
    /// The other attributes, in order.
    pub attributes: Vec<Box<[u8]>>,
    /// The style of all attributes.
    pub style: Style,
    /// Whether the cookie is never set, because clients have it from elsewhere.
    pub silent: bool,
    /// Whether only the response to a POST sets it.
    pub post_only: bool,
    /// Whether shared caches are told not to store a response that sets it.
    pub no_cache: bool,
    /// Whether the upstream server may set a cookie of the name itself, above all to end the session.
    pub preserve: bool,
    /// The cookie of the application whose session ours follows.
    pub follow: Option<Follow>,
    /// The seconds for which a server whose address has left DNS keeps its sessions.
    pub linger: u64,
    /// Whether a session is led no further than by nginx's own `sticky`: to a backup only where no primary server is
    /// available, and to whichever server the balancer chooses while its own is away.
    pub as_nginx: bool,
}

impl Policy {
    /// Returns the rules by default.
    ///
    /// # Errors
    ///
    /// Memory is short.
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Policy {
            cookie: Name::new(b"route")?,
            mode: Mode::default(),
            visibility: Visibility::default(),
            hash: Hash::default(),
            accept: Vec::new(),
            hmac_key: Box::default(),
            foreign: Given::default(),
            keys: Keys::default(),
            signer: None,
            accepts_unsigned: false,
            transfer: None,
            fallback: Fallback::default(),
            rebind: Rebind::default(),
            full: Full::default(),
            limits: Limits::default(),
            refresh: 0,
            domain: None,
            path: memory::boxed(b"/")?,
            max_age: None,
            secure: Secure::default(),
            http_only: false,
            same_site: None,
            partitioned: false,
            attributes: Vec::new(),
            style: Style::default(),
            silent: false,
            post_only: false,
            no_cache: false,
            preserve: false,
            follow: None,
            linger: 0,
            as_nginx: false,
        })
    }

    /// Returns whether a session that goes on needs no cookie in a response, unless in place of the upstream server's.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        match self.mode {
            Mode::Insert => !self.limits.any(),
            Mode::Route | Mode::Learn => true,
            Mode::Repeat | Mode::Rewrite | Mode::Prefix => false,
        }
    }

    /// Returns whether sessions are kept in a cookie.
    #[inline]
    pub fn has_cookie(&self) -> bool {
        !matches!(self.mode, Mode::Route | Mode::Learn)
    }

    /// Returns whether stamps are not renewed yet. Stamps of the future, which another clock has set, are renewed.
    #[inline]
    pub fn is_fresh(&self, last_seen: u64, now: u64) -> bool {
        now.checked_sub(last_seen)
            .is_some_and(|age| age < self.refresh)
    }

    /// Returns the part of the cookie that is hidden from upstream servers.
    pub fn hidden_part(&self) -> Option<HiddenPart> {
        match (self.mode, self.visibility) {
            (Mode::Prefix, _) => Some(HiddenPart::Prefix),
            (Mode::Insert | Mode::Repeat, Visibility::Indirect) => Some(HiddenPart::Pair),
            (Mode::Insert | Mode::Repeat, Visibility::Direct)
            | (Mode::Rewrite | Mode::Route | Mode::Learn, _) => None,
        }
    }

    /// Returns the rule that hides it.
    pub fn hide_rule(&self) -> Option<HideRule<'_>> {
        let name = &self.cookie;
        self.hidden_part().map(|part| HideRule { name, part })
    }

    /// Returns whether servers may be named by their configured ids.
    pub fn reads_given_ids(&self) -> bool {
        let reads = |scheme: &Accepted| {
            matches!(
                scheme,
                Accepted::Id(Hash::Plain)
                    | Accepted::Haproxy
                    | Accepted::Foreign(System::Jvmroute | System::Angie)
            )
        };
        matches!(self.hash, Hash::Plain | Hash::Given) || self.accept.iter().any(reads)
    }

    /// Returns whether the cookies of another system are accepted.
    pub fn accepts(&self, system: System) -> bool {
        self.accept.contains(&Accepted::Foreign(system))
    }

    /// Returns whether a value may be of another scheme than that of the policy.
    #[inline]
    pub fn reads_other_schemes(&self) -> bool {
        !self.accept.is_empty() || self.transfer.is_some() || self.hash == Hash::Hmac
    }

    /// Returns whether a value of an accepted scheme may be no cookie of the policy at all where it is read as one.
    pub fn accepts_unmarked(&self) -> bool {
        self.mode == Mode::Prefix && !self.accept.is_empty()
    }

    /// Returns whether there is more to do than most policies ask for when a server responds.
    pub fn has_extras(&self) -> bool {
        self.transfer.is_some()
            || self.signer.is_some()
            || self.refresh != 0
            || self.preserve
            || self.post_only
            || self.no_cache
            || self.follow.is_some()
    }

    /// Returns whether no cookie is inserted where the response sets one of that name.
    pub fn yields(&self) -> bool {
        self.preserve && matches!(self.mode, Mode::Insert | Mode::Repeat)
    }

    /// Returns whether the inserted cookie takes the place of one of that name from the upstream server, unless that is
    /// [preserved](Self::preserve).
    pub fn replaces(&self) -> bool {
        self.mode == Mode::Repeat || self.visibility == Visibility::Indirect
    }
}
