//! The rules of one upstream, as the operator gave them. Immutable once read.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::cookie::{HiddenPart, HideRule, Name};
use crate::memory::{self, OutOfMemory};

pub use crate::id::Digest;

/// Who sets the cookie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Mode {
    /// The proxy adds a cookie of its own, where the client has to learn something.
    #[default]
    Insert,
    /// The proxy adds a cookie of its own to every answer, in place of one of that name from the server behind.
    Repeat,
    /// The proxy puts the id in place of the value of a cookie that the application sets.
    Rewrite,
    /// The proxy puts the id before the value of a cookie that the application sets.
    Prefix,
}

/// Does the server behind see the cookie?
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Visibility {
    /// It does.
    #[default]
    Direct,
    /// It is hidden.
    Indirect,
}

/// What a server is named by in the cookie.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Hash {
    /// MD5 of the server's address, in hexadecimal.
    #[default]
    Md5,
    /// SHA-1 of the server's address, in hexadecimal.
    Sha1,
    /// The name that the operator gave, else the address itself.
    Plain,
    /// Its place in the upstream, from 0.
    Index,
    /// The address as the operator wrote it in the `server` line, which may be a name.
    Line(Digest),
}

/// What happens when the server that the cookie names cannot be had.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fallback {
    /// The balancer chooses another.
    #[default]
    On,
    /// The balancer chooses another if the cookie names no server here; if it names one that is not
    /// available, the request fails.
    Unknown,
    /// The request fails.
    Off,
}

impl Fallback {
    /// The word for it in configurations and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Fallback::On => "on",
            Fallback::Unknown => "unknown",
            Fallback::Off => "off",
        }
    }
}

/// Whose is the session after another server than that of the cookie has served it?
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Rebind {
    /// The other's: the session has moved.
    #[default]
    On,
    /// Still that of the cookie: the client returns when that server does.
    Off,
}

/// How long a session lives, in seconds. `None`: without end.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Limits {
    /// Since the last request.
    pub max_idle: Option<u64>,
    /// Since the first request.
    pub max_life: Option<u64>,
}

impl Limits {
    /// Is there any limit, so that cookies carry stamps?
    pub fn any(&self) -> bool {
        self.max_idle.is_some() || self.max_life.is_some()
    }
}

/// The `Secure` attribute.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Secure {
    /// Never set.
    #[default]
    Off,
    /// Always set.
    On,
    /// Set on requests that came over TLS.
    Auto,
}

/// The `SameSite` attribute (RFC 6265bis, section 4.1.2.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SameSite {
    /// Sent with requests of the same site only.
    Strict,
    /// Sent with top-level navigations from other sites too.
    Lax,
    /// Always sent; user agents want `Secure` with it.
    None,
}

impl SameSite {
    /// Reads the word, in any case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        [SameSite::Strict, SameSite::Lax, SameSite::None]
            .into_iter()
            .find(|same_site| word.eq_ignore_ascii_case(same_site.as_bytes()))
    }

    /// The word as it stands in the attribute.
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            SameSite::Strict => b"Strict",
            SameSite::Lax => b"Lax",
            SameSite::None => b"None",
        }
    }

    /// The word as configurations mostly have it.
    pub fn as_lower_case(self) -> &'static [u8] {
        match self {
            SameSite::Strict => b"strict",
            SameSite::Lax => b"lax",
            SameSite::None => b"none",
        }
    }
}

/// A form of ids, or of whole values, that is understood besides our own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Accepted {
    /// Ids made in this way.
    Id(Hash),
    /// Digests of a server's address as the system keeps it, a `struct sockaddr`: ids of nginx-sticky-module-ng's
    /// releases, up to 1.2.6.
    Address(Digest),
    /// Ids of nginx's own `sticky`: a server's `route=`, else the MD5 of its name.
    Nginx,
    /// HAProxy's values: the name that the operator gave, alone or with dates.
    Haproxy,
}

/// How the attributes of a cookie are written. User agents take both alike.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// As RFC 6265 has them, in the order of Tengine.
    #[default]
    Rfc,
    /// As nginx's own `sticky cookie` writes them.
    Nginx,
}

/// Everything that `session_sticky` was told.
#[derive(Debug)]
pub struct Policy {
    /// The cookie's name.
    pub cookie: Name,
    /// Who sets it.
    pub mode: Mode,
    /// Who sees it.
    pub visibility: Visibility,
    /// What it names a server by.
    pub hash: Hash,
    /// What else is understood, and upgraded.
    pub accept: Vec<Accepted>,
    /// The key of [`Digest::HmacMd5`] and [`Digest::HmacSha1`].
    pub hmac_key: Box<[u8]>,
    /// The application's own value of the cookie is carried behind the id, after this text.
    pub transfer: Option<Box<[u8]>>,
    /// What happens when that server cannot be had.
    pub fallback: Fallback,
    /// Whose the session is after that.
    pub rebind: Rebind,
    /// When the session ends.
    pub limits: Limits,
    /// The `Domain` attribute, where it is the same for every request.
    pub domain: Option<Box<[u8]>>,
    /// The `Path` attribute, where it is the same for every request; empty: it is left out.
    pub path: Box<[u8]>,
    /// The `Max-Age` and `Expires` attributes: how long the user agent keeps the cookie, in seconds.
    pub max_age: Option<u64>,
    /// The `Secure` attribute.
    pub secure: Secure,
    /// The `HttpOnly` attribute.
    pub http_only: bool,
    /// The `SameSite` attribute, where it is the same for every request.
    pub same_site: Option<SameSite>,
    /// The `Partitioned` attribute.
    pub partitioned: bool,
    /// Any other attributes, in order.
    pub attributes: Vec<Box<[u8]>>,
    /// How they are all written.
    pub style: Style,
    /// Is the cookie never set? Then clients have it from elsewhere.
    pub silent: bool,
}

impl Policy {
    /// Returns what holds where nothing is configured.
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
            transfer: None,
            fallback: Fallback::default(),
            rebind: Rebind::default(),
            limits: Limits::default(),
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
        })
    }

    /// Does a session that goes on need no cookie in an answer, unless in place of the server's?
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.mode == Mode::Insert && !self.limits.any()
    }

    /// What of the cookie the server behind must not see.
    pub fn hidden_part(&self) -> Option<HiddenPart> {
        match (self.mode, self.visibility) {
            (Mode::Prefix, _) => Some(HiddenPart::Prefix),
            (Mode::Insert | Mode::Repeat, Visibility::Indirect) => Some(HiddenPart::Pair),
            (Mode::Insert | Mode::Repeat, Visibility::Direct) | (Mode::Rewrite, _) => None,
        }
    }

    /// The same as a rule, to be followed before a request is sent.
    pub fn hide_rule(&self) -> Option<HideRule<'_>> {
        let name = &self.cookie;
        self.hidden_part().map(|part| HideRule { name, part })
    }

    /// Does a cookie name servers by what the operator called them?
    pub fn reads_given_ids(&self) -> bool {
        let reads = |form: &Accepted| matches!(form, Accepted::Id(Hash::Plain) | Accepted::Haproxy);
        self.hash == Hash::Plain || self.accept.iter().any(reads)
    }

    /// Is a value understood in more than one form?
    #[inline]
    pub fn reads_other_schemes(&self) -> bool {
        !self.accept.is_empty() || self.transfer.is_some()
    }

    /// Could a value be in an accepted form that, read as our own, is no cookie of ours at all?
    pub fn accepts_unmarked(&self) -> bool {
        self.mode == Mode::Prefix && !self.accept.is_empty()
    }

    /// Does our cookie take the place of one of that name from the server behind?
    pub fn replaces(&self) -> bool {
        self.mode == Mode::Repeat || self.visibility == Visibility::Indirect
    }
}
