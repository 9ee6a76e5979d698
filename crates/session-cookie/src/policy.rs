//! The session persistence settings of one upstream.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::cookie::{Follow, HiddenPart, HideRule, Name};
use crate::foreign::{Given, System};
use crate::keys::{Keys, Signer};
use crate::memory::{self, OutOfMemory};

pub use crate::id::Digest;

/// Where the server of a session is stored: in a cookie (set by the proxy or by the application), in the request, or in
/// a table.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// The proxy adds its own cookie to a response if the client does not have it yet, or if its value has to change.
    #[default]
    Insert,
    /// The proxy adds its own cookie to every response, and replaces a cookie of that name from the upstream server.
    Repeat,
    /// The proxy replaces the value of a cookie set by the application with the ID.
    Rewrite,
    /// The proxy puts the ID before the value of a cookie set by the application.
    Prefix,
    /// The request itself names the server; there is no cookie.
    Route,
    /// The proxy stores which server each session of the application belongs to; there is no cookie of the module.
    Learn,
}

/// Whether upstream servers receive the cookie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Visibility {
    /// Upstream servers receive the cookie.
    #[default]
    Direct,
    /// The cookie is removed from requests to upstream servers.
    Indirect,
}

/// How the IDs that name servers in the cookie are made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hash {
    /// The MD5 of the server's address, in hexadecimal.
    #[default]
    Md5,
    /// The SHA-1 of the server's address, in hexadecimal.
    Sha1,
    /// The ID configured for the server, or its address if none is configured.
    Plain,
    /// The index of the server in the upstream, from 0.
    Index,
    /// A digest of the address as written in the `server` directive, which may be a host name.
    Line(Digest),
    /// The ID configured for the server, or the MD5 of its address: the scheme of nginx's own `sticky`.
    Given,
    /// An HMAC of the server's address with a key of the policy, in hexadecimal.
    Hmac,
}

impl Hash {
    /// Returns the name of the scheme in `accept=`.
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

/// What happens if the server that the cookie names is not available.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fallback {
    /// The load-balancing method chooses another server.
    #[default]
    On,
    /// If the cookie names no server of the upstream, the load-balancing method chooses one. If it names a server that
    /// is not available, the request fails.
    Unknown,
    /// The request fails.
    Off,
}

impl Fallback {
    /// Returns the name of the value in configurations and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Fallback::On => "on",
            Fallback::Unknown => "unknown",
            Fallback::Off => "off",
        }
    }
}

/// Which server owns a session after a server other than that of the cookie has processed a request.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rebind {
    /// The other server: the session moves.
    #[default]
    On,
    /// The server of the cookie: the client returns to it as soon as it is available.
    Off,
}

/// What happens if the server that the cookie names has reached its maximum number of connections.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Full {
    /// The server counts as not available.
    #[default]
    Move,
    /// The request is passed to the server over the limit.
    Over,
}

/// The time limits of a session, in seconds; `None` means no limit.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// The longest time since the last request.
    pub max_idle: Option<u64>,
    /// The longest time since the first request.
    pub max_life: Option<u64>,
}

impl Limits {
    /// Returns whether there is any limit, in which case cookies contain timestamps.
    pub fn any(&self) -> bool {
        self.max_idle.is_some() || self.max_life.is_some()
    }
}

/// When the `Secure` attribute is set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Secure {
    /// Never.
    #[default]
    Off,
    /// Always.
    On,
    /// If the request came over TLS.
    Auto,
    /// If the value of a variable says so.
    Variable,
}

/// The `SameSite` attribute (RFC 6265bis, section 4.1.2.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// The cookie is sent only with requests from the same site.
    Strict,
    /// The cookie is also sent with top-level navigations from other sites.
    Lax,
    /// The cookie is always sent; user agents require `Secure` with it.
    None,
}

impl SameSite {
    /// Parses the value of the attribute, ignoring case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [SameSite::Strict, SameSite::Lax, SameSite::None]
            .into_iter()
            .find(|same_site| word.eq_ignore_ascii_case(same_site.as_bytes()))
    }

    /// Returns the value as written in the attribute.
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            SameSite::Strict => b"Strict",
            SameSite::Lax => b"Lax",
            SameSite::None => b"None",
        }
    }

    /// Returns the value in lower case.
    pub fn as_lower_case(self) -> &'static [u8] {
        match self {
            SameSite::Strict => b"strict",
            SameSite::Lax => b"lax",
            SameSite::None => b"none",
        }
    }
}

/// A scheme of IDs, or of whole values, that is accepted in addition to the scheme of the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accepted {
    /// IDs of this scheme.
    Id(Hash),
    /// HMACs of a server's address with the key at this index.
    Key(usize),
    /// Digests of a server's address as a `struct sockaddr`: the IDs of nginx-sticky-module-ng's releases up to 1.2.6.
    Address(Digest),
    /// IDs of nginx's own `sticky`: a server's `route=`, or the MD5 of its name.
    Nginx,
    /// HAProxy's values: the configured ID of a server, alone or with dates.
    Haproxy,
    /// Values of another system.
    Foreign(System),
}

impl Accepted {
    /// Returns the name of the scheme in `accept=`.
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

/// How the attributes of a cookie are written. User agents understand both styles.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// As in RFC 6265, in the order that Tengine uses.
    #[default]
    Rfc,
    /// As nginx's own `sticky cookie` writes them.
    Nginx,
}

/// The session persistence settings of one upstream.
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
    /// Where the server of a session is stored.
    pub mode: Mode,
    /// Whether upstream servers receive the cookie.
    pub visibility: Visibility,
    /// The scheme of the IDs in the cookie.
    pub hash: Hash,
    /// Other accepted schemes. A cookie in one of them is replaced by one in the scheme of the policy.
    pub accept: Vec<Accepted>,
    /// The key of [`Digest::HmacMd5`] and [`Digest::HmacSha1`].
    pub hmac_key: Box<[u8]>,
    /// The settings that [`Accepted::Foreign`] needs.
    pub foreign: Given,
    /// The keys of [`Hash::Hmac`] and [`Accepted::Key`].
    pub keys: Keys,
    /// Signs values, if set. Only values with timestamps are signed, and only in a cookie that the proxy adds.
    pub signer: Option<Signer>,
    /// Whether values without a signature are accepted even though values are signed.
    pub accepts_unsigned: bool,
    /// The delimiter between the ID and the application's own value in the cookie, if the cookie carries both.
    pub transfer: Option<Box<[u8]>>,
    /// What happens if the server that the cookie names is not available.
    pub fallback: Fallback,
    /// Which server owns the session after another server has been used instead.
    pub rebind: Rebind,
    /// What happens if the server that the cookie names has reached its maximum number of connections.
    pub full: Full,
    /// The time limits of a session.
    pub limits: Limits,
    /// The age in seconds from which timestamps are renewed.
    pub refresh: u64,
    /// The `Domain` attribute, unless it is set by a variable.
    pub domain: Option<Box<[u8]>>,
    /// The `Path` attribute, unless it is set by a variable; omitted if empty.
    pub path: Box<[u8]>,
    /// The `Max-Age` and `Expires` attributes: the seconds for which the user agent keeps the cookie.
    pub max_age: Option<u64>,
    /// The `Secure` attribute.
    pub secure: Secure,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// The `SameSite` attribute, unless it is set by a variable.
    pub same_site: Option<SameSite>,
    /// The `Partitioned` attribute.
    pub partitioned: bool,
    /// Other attributes, in order.
    pub attributes: Vec<Box<[u8]>>,
    /// How the attributes are written.
    pub style: Style,
    /// Whether the proxy never sets the cookie, because clients get it from elsewhere.
    pub silent: bool,
    /// Whether only responses to POST requests set the cookie.
    pub post_only: bool,
    /// Whether shared caches are prevented from storing a response that sets the cookie.
    pub no_cache: bool,
    /// Whether the upstream server may set a cookie of this name itself, above all to end the session.
    pub preserve: bool,
    /// The cookie of the application whose lifetime and attributes the module's cookie follows.
    pub follow: Option<Follow>,
    /// The time in seconds for which a server keeps its sessions after its address has disappeared from DNS.
    pub linger: u64,
    /// Whether sessions behave as with nginx's own `sticky`: backup servers are used only if no primary server is available,
    /// and while the server of a session is unavailable, the load-balancing method chooses a server for each request.
    pub as_nginx: bool,
}

impl Policy {
    /// Returns the default settings.
    ///
    /// # Errors
    ///
    /// Returns an error if memory allocation fails.
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

    /// Returns whether a response needs no cookie while the session continues, except to replace one of the upstream server.
    #[inline]
    pub fn is_quiet(&self) -> bool {
        match self.mode {
            Mode::Insert => !self.limits.any(),
            Mode::Route | Mode::Learn => true,
            Mode::Repeat | Mode::Rewrite | Mode::Prefix => false,
        }
    }

    /// Returns whether the server of a session is stored in a cookie.
    #[inline]
    pub fn has_cookie(&self) -> bool {
        !matches!(self.mode, Mode::Route | Mode::Learn)
    }

    /// Returns whether timestamps are too recent to be renewed. Timestamps in the future, set by a proxy whose clock is
    /// ahead, are renewed.
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

    /// Returns the rule that hides this part.
    pub fn hide_rule(&self) -> Option<HideRule<'_>> {
        let name = &self.cookie;
        self.hidden_part().map(|part| HideRule { name, part })
    }

    /// Returns whether cookies may name servers by their configured IDs.
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

    /// Returns whether cookies of this system are accepted.
    pub fn accepts(&self, system: System) -> bool {
        self.accept.contains(&Accepted::Foreign(system))
    }

    /// Returns whether a value may be in a scheme other than that of the policy.
    #[inline]
    pub fn reads_other_schemes(&self) -> bool {
        !self.accept.is_empty() || self.transfer.is_some() || self.hash == Hash::Hmac
    }

    /// Returns whether a value that counts as no cookie of the policy, because no ID precedes it, may be in an accepted scheme.
    pub fn accepts_unmarked(&self) -> bool {
        self.mode == Mode::Prefix && !self.accept.is_empty()
    }

    /// Returns whether responses need more work than under most policies.
    pub fn has_extras(&self) -> bool {
        self.transfer.is_some()
            || self.signer.is_some()
            || self.refresh != 0
            || self.preserve
            || self.post_only
            || self.no_cache
            || self.follow.is_some()
    }

    /// Returns whether no cookie is added if the response already sets one of that name.
    pub fn yields(&self) -> bool {
        self.preserve && matches!(self.mode, Mode::Insert | Mode::Repeat)
    }

    /// Returns whether the added cookie replaces one of that name from the upstream server, unless that one is
    /// [preserved](Self::preserve).
    pub fn replaces(&self) -> bool {
        self.mode == Mode::Repeat || self.visibility == Visibility::Indirect
    }
}
