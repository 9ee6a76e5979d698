//! The parameters of directives: what a table says of one, what is read from them, and those that several directives
//! have.

use core::fmt::{self, Display, Formatter};

use session_cookie::bytes::{is_attribute_value, is_domain, is_token};
use session_cookie::memory::{boxed, push, with_capacity, OutOfMemory};
use session_cookie::policy::{Mode, Policy, SameSite, Secure};

use crate::nginx::conf::seconds;

/// A parameter in the table of a directive.
#[derive(Debug)]
pub(super) struct Parameter {
    pub(super) name: &'static str,
    pub(super) form: Form,
    /// The value that it has where it is not given.
    pub(super) default: Option<&'static str>,
    /// Whether it may be given more than once, and each counts.
    pub(super) repeats: bool,
    /// The cases in which it means nothing.
    pub(super) ignored: &'static [Ignored],
}

/// The way in which a parameter is written, and what it does to the policy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `name`
    Flag(SetFlag),
    /// `name=word`, with one of these words.
    Words(&'static [Word]),
    /// `name=value`, with what is legal in words.
    Value(&'static str, SetValue),
    /// `name` or `name=value`
    Either(SetFlag, &'static str, SetValue),
}

/// A word that a parameter may have as its value, and what that does.
pub(super) type Word = (&'static str, SetFlag);

pub(super) type SetFlag = fn(&mut Parsed<'_>);

pub(super) type SetValue = for<'c> fn(&mut Parsed<'c>, &'c [u8]) -> Result<(), Fault>;

/// The reason for which a value was not taken.
pub(super) enum Fault {
    Illegal,
    OutOfMemory,
}

impl From<OutOfMemory> for Fault {
    fn from(_: OutOfMemory) -> Self {
        Fault::OutOfMemory
    }
}

/// A case in which a parameter means nothing.
#[derive(Debug)]
pub(super) struct Ignored {
    /// The only value to which the case applies; `None`: any value.
    pub(super) value: Option<&'static str>,
    pub(super) case: Case,
}

impl Ignored {
    /// Returns that any value means nothing in a mode, for this reason.
    pub(super) const fn in_mode(mode: Mode, why: &'static str) -> Self {
        Ignored {
            value: None,
            case: Case::Mode(mode, why),
        }
    }
}

/// A reason for which a parameter means nothing.
#[derive(Debug)]
pub(super) enum Case {
    /// It is of the cookie of `mode=insert`, in a mode in which the application sets the cookie.
    CookieOfApplication,
    /// In this mode, for this reason.
    Mode(Mode, &'static str),
    /// In the modes in which sessions have no cookie, for this reason.
    NoCookie(&'static str),
    /// What it needs is not there; the text says what that is.
    Without(fn(&Parsed<'_>) -> bool, &'static str),
}

impl Case {
    /// Returns whether what was read is such a case.
    pub(super) fn applies(&self, parsed: &Parsed<'_>) -> bool {
        let mode = parsed.policy.mode;
        match self {
            Case::CookieOfApplication => matches!(mode, Mode::Rewrite | Mode::Prefix),
            Case::Mode(ignoring, _) => mode == *ignoring,
            Case::NoCookie(_) => !parsed.policy.has_cookie(),
            Case::Without(is_there, _) => !is_there(parsed),
        }
    }
}

/// The attributes of a cookie that the application sets are the application's.
const ATTRIBUTE: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::CookieOfApplication,
    },
    OF_COOKIE,
];

/// What is said of the cookie means nothing where there is none.
pub(super) const OF_COOKIE: Ignored = Ignored {
    value: None,
    case: Case::NoCookie("it has no cookie"),
};

impl Parameter {
    const fn new(name: &'static str, form: Form) -> Self {
        Parameter {
            name,
            form,
            default: None,
            repeats: false,
            ignored: &[],
        }
    }

    /// Returns a parameter that stands alone.
    pub(super) const fn flag(name: &'static str, set: SetFlag) -> Self {
        Self::new(name, Form::Flag(set))
    }

    /// Returns a parameter with one of some words behind an equals sign.
    pub(super) const fn words(name: &'static str, words: &'static [Word]) -> Self {
        Self::new(name, Form::Words(words))
    }

    /// Returns a parameter with a value behind an equals sign.
    pub(super) const fn value(name: &'static str, legal: &'static str, set: SetValue) -> Self {
        Self::new(name, Form::Value(legal, set))
    }

    /// Returns a parameter that stands alone, or with a value behind an equals sign.
    pub(super) const fn either(
        name: &'static str,
        alone: SetFlag,
        legal: &'static str,
        set: SetValue,
    ) -> Self {
        Self::new(name, Form::Either(alone, legal, set))
    }

    /// Gives it a default.
    pub(super) const fn or(self, default: &'static str) -> Self {
        Parameter {
            default: Some(default),
            ..self
        }
    }

    /// Lets it be given more than once.
    pub(super) const fn repeated(self) -> Self {
        Parameter {
            repeats: true,
            ..self
        }
    }

    /// Says when it means nothing.
    pub(super) const fn ignored(self, ignored: &'static [Ignored]) -> Self {
        Parameter { ignored, ..self }
    }

    /// Makes it an attribute of the cookie.
    pub(super) const fn attribute(self) -> Self {
        self.ignored(ATTRIBUTE)
    }

    /// Returns whether a word with this name, and with a value or without, is the parameter.
    pub(super) fn is(&self, name: &[u8], has_value: bool) -> bool {
        let fits = match self.form {
            Form::Flag(_) => !has_value,
            Form::Words(_) | Form::Value(..) => has_value,
            Form::Either(..) => true,
        };
        fits && self.name.as_bytes() == name
    }

    /// Takes what the parameter says.
    pub(super) fn set<'c>(
        &self,
        parsed: &mut Parsed<'c>,
        value: Option<&'c [u8]>,
    ) -> Result<(), Fault> {
        match (self.form, value) {
            (Form::Flag(set) | Form::Either(set, ..), None) => set(parsed),
            (Form::Words(words), Some(value)) => {
                let mut words = words.iter();
                let word = words.find(|(word, _)| word.as_bytes() == value);
                let (_, set) = word.ok_or(Fault::Illegal)?;
                set(parsed);
            }
            (Form::Value(_, set) | Form::Either(_, _, set), Some(value)) => set(parsed, value)?,
            (Form::Flag(_), Some(_)) | (Form::Words(_) | Form::Value(..), None) => {
                return Err(Fault::Illegal)
            }
        }
        Ok(())
    }

    /// Returns what its value must be.
    pub(super) fn legal(&self) -> Legal {
        match self.form {
            Form::Flag(_) => Legal::Text("nothing"),
            Form::Words(words) => Legal::Words(words),
            Form::Value(legal, _) | Form::Either(_, legal, _) => Legal::Text(legal),
        }
    }
}

/// A parameter as messages show it: with an equals sign, if a value must follow.
impl Display for Parameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.form {
            Form::Words(_) | Form::Value(..) => f.write_str("="),
            Form::Flag(_) | Form::Either(..) => Ok(()),
        }
    }
}

/// What the value of a parameter must be.
#[derive(Debug)]
pub(super) enum Legal {
    Words(&'static [Word]),
    Text(&'static str),
}

impl Display for Legal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let words = match self {
            Legal::Text(text) => return f.write_str(text),
            Legal::Words(words) => words,
        };
        for (at, (word, _)) in words.iter().enumerate() {
            let between = match words.len().saturating_sub(at) {
                _ if at == 0 => "",
                1 => " or ",
                _ => ", ",
            };
            write!(f, "{between}\"{word}\"")?;
        }
        Ok(())
    }
}

/// What was read of a directive so far. Words live as long as the cycle.
pub(super) struct Parsed<'c> {
    pub(super) policy: Policy,
    /// The cookie's name.
    pub(super) cookie: &'c [u8],
    /// What stands between the id and the application's own value.
    pub(super) delimiter: &'c [u8],
    /// `domain=` with a variable.
    pub(super) domain: Option<&'c [u8]>,
    /// `path=` with a variable.
    pub(super) path: Option<&'c [u8]>,
    /// `samesite=` with a variable.
    pub(super) same_site: Option<&'c [u8]>,
    /// `secure=` with a variable.
    pub(super) secure: Option<&'c [u8]>,
    /// `if=`
    pub(super) condition: Option<&'c [u8]>,
    /// `drain_if=`
    pub(super) drain_if: Option<&'c [u8]>,
    /// The seconds of `drain_time=`
    pub(super) drain_time: u64,
    /// `follow=`
    pub(super) follow: Option<&'c [u8]>,
    /// `key_file=`
    pub(super) key_file: Option<&'c [u8]>,
    /// What tells the server of a session without a cookie.
    pub(super) source: SourceWords<'c>,
    given: Vec<Given<'c>>,
}

/// What tells the server of a session that has no cookie of the module.
#[derive(Default)]
pub(super) struct SourceWords<'c> {
    /// The variables that tell a server's ID, or a session's.
    pub(super) lookup: Vec<&'c [u8]>,
    /// Those that tell the ID of a session that the response begins.
    pub(super) create: Vec<&'c [u8]>,
    /// The name of the zone of the table, and its size in bytes.
    pub(super) zone: Option<(&'c [u8], usize)>,
    /// The milliseconds for which a session is remembered that is not used.
    pub(super) timeout: u64,
    /// Whether a session is learned when the header of the response is there, not when all of it is.
    pub(super) after_header: bool,
}

/// A parameter that was given, with its last value.
struct Given<'c> {
    name: &'static str,
    value: Option<&'c [u8]>,
}

impl<'c> Parsed<'c> {
    /// Begins with a policy, for a directive of so many parameters.
    pub(super) fn new(policy: Policy, parameters: usize) -> Result<Self, OutOfMemory> {
        Ok(Parsed {
            policy,
            cookie: b"",
            delimiter: b"",
            domain: None,
            path: None,
            same_site: None,
            secure: None,
            condition: None,
            drain_if: None,
            drain_time: 0,
            follow: None,
            key_file: None,
            source: SourceWords::default(),
            given: with_capacity(parameters)?,
        })
    }

    /// Notes that a parameter was given, and returns whether it was given before.
    pub(super) fn give(
        &mut self,
        name: &'static str,
        value: Option<&'c [u8]>,
    ) -> Result<bool, OutOfMemory> {
        match self.given.iter_mut().find(|given| given.name == name) {
            Some(given) => {
                given.value = value;
                Ok(true)
            }
            None => push(&mut self.given, Given { name, value }).map(|()| false),
        }
    }

    /// Returns whether a parameter was given, with this value or in a list with it if there is one.
    pub(super) fn has(&self, name: &str, value: Option<&str>) -> bool {
        let lists = |given: &Given<'_>, value: &str| {
            let mut values = given
                .value
                .iter()
                .flat_map(|given| given.split(|byte| *byte == b','));
            values.any(|given| given == value.as_bytes())
        };
        let is_it =
            |given: &Given<'_>| given.name == name && value.is_none_or(|value| lists(given, value));
        self.given.iter().any(is_it)
    }

    /// Returns whether a parameter was given.
    pub(super) fn gives(&self, name: &str) -> bool {
        self.has(name, None)
    }
}

/// What the name of a cookie must be.
pub(super) const TOKEN: &str = "a token: letters, digits and any of \"!#$%&'*+-.^_`|~\"";

/// Takes the name of the cookie.
pub(super) fn cookie<'c>(parsed: &mut Parsed<'c>, name: &'c [u8]) -> Result<(), Fault> {
    if !is_token(name) {
        return Err(Fault::Illegal);
    }
    parsed.cookie = name;
    Ok(())
}

pub(super) const DOMAIN: Parameter = Parameter::value(
    "domain",
    "a host name, with or without a leading dot, or text with variables",
    |parsed, value| {
        (parsed.policy.domain, parsed.domain) = if value.contains(&b'$') {
            (None, Some(value))
        } else if is_domain(value) {
            (Some(boxed(value)?), None)
        } else {
            return Err(Fault::Illegal);
        };
        Ok(())
    },
)
.attribute();

pub(super) const PATH: Parameter = Parameter::value(
    "path",
    "a path without ';' and control characters, or text with variables",
    |parsed, value| {
        if value.contains(&b'$') {
            (parsed.policy.path, parsed.path) = (Box::default(), Some(value));
            return Ok(());
        }
        parsed.path = None;
        literal_path(parsed, value)
    },
)
.attribute();

/// `path=` where it takes no variables, as with nginx's own directive.
pub(super) const LITERAL_PATH: Parameter = Parameter::value(
    "path",
    "a path without ';' and control characters",
    literal_path,
)
.attribute();

fn literal_path<'c>(parsed: &mut Parsed<'c>, value: &'c [u8]) -> Result<(), Fault> {
    parsed.policy.path = boxed(attribute_value(value)?)?;
    Ok(())
}

pub(super) const SECURE: Parameter = Parameter::flag("secure", secure).attribute();

/// Sets the attribute `Secure` in each case.
pub(super) fn secure(parsed: &mut Parsed<'_>) {
    (parsed.policy.secure, parsed.secure) = (Secure::On, None);
}

pub(super) const HTTP_ONLY: Parameter =
    Parameter::flag("httponly", |parsed| parsed.policy.http_only = true).attribute();

pub(super) const SAME_SITE: Parameter = Parameter::value(
    "samesite",
    "\"strict\", \"lax\", \"none\" or a variable",
    |parsed, value| {
        (parsed.policy.same_site, parsed.same_site) = if value.contains(&b'$') {
            (None, Some(value))
        } else {
            let word = SameSite::parse(value).ok_or(Fault::Illegal)?;
            (Some(word), None)
        };
        Ok(())
    },
)
.attribute();

/// Of what the upstream server sets itself.
pub(super) const PRESERVE: Parameter =
    Parameter::flag("preserve", |parsed| parsed.policy.preserve = true).ignored(&[OF_COOKIE]);

pub(super) const HMAC_KEY: Parameter = Parameter::value("hmac_key", "a text", |parsed, value| {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.policy.hmac_key = boxed(value)?;
    Ok(())
});

/// Returns a value that may stand in an attribute of a cookie.
pub(super) fn attribute_value(value: &[u8]) -> Result<&[u8], Fault> {
    if value.is_empty() || !is_attribute_value(value) {
        return Err(Fault::Illegal);
    }
    Ok(value)
}

/// Reads a time in seconds, or with units.
pub(super) fn time(value: &[u8]) -> Result<u64, Fault> {
    seconds(value).ok_or(Fault::Illegal)
}
