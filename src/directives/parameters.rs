//! The parameters of directives: their tables, the values that are read, and the parameters that several directives share.

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
    /// The value if the parameter is not given.
    pub(super) default: Option<&'static str>,
    /// Whether it may be given more than once, with each occurrence taking effect.
    pub(super) repeats: bool,
    /// The cases in which it has no effect.
    pub(super) ignored: &'static [Ignored],
}

/// The syntax of a parameter, and the functions that apply it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Form {
    /// `name`
    Flag(SetFlag),
    /// `name=word`, with one of these words
    Words(&'static [Word]),
    /// `name=value`, with a description of the legal values
    Value(&'static str, SetValue),
    /// `name` or `name=value`
    Either(SetFlag, &'static str, SetValue),
}

/// A legal value of a parameter, and the function that applies it.
pub(super) type Word = (&'static str, SetFlag);

pub(super) type SetFlag = fn(&mut Parsed<'_>);

pub(super) type SetValue = for<'c> fn(&mut Parsed<'c>, &'c [u8]) -> Result<(), Fault>;

/// The reason why a value was rejected.
pub(super) enum Fault {
    Illegal,
    OutOfMemory,
}

impl From<OutOfMemory> for Fault {
    fn from(_: OutOfMemory) -> Self {
        Fault::OutOfMemory
    }
}

/// A case in which a parameter has no effect.
#[derive(Debug)]
pub(super) struct Ignored {
    /// The only value to which the case applies; `None` for any value.
    pub(super) value: Option<&'static str>,
    pub(super) case: Case,
}

impl Ignored {
    /// Returns the case that no value has an effect in this mode, for this reason.
    pub(super) const fn in_mode(mode: Mode, why: &'static str) -> Self {
        Ignored {
            value: None,
            case: Case::Mode(mode, why),
        }
    }
}

/// A reason why a parameter has no effect.
#[derive(Debug)]
pub(super) enum Case {
    /// It is about the cookie of `mode=insert`, but the application sets the cookie.
    CookieOfApplication,
    /// It has no effect in this mode, for this reason.
    Mode(Mode, &'static str),
    /// It has no effect in modes without a cookie, for this reason.
    NoCookie(&'static str),
    /// It needs something else, which the text names; the function returns whether that is given.
    Without(fn(&Parsed<'_>) -> bool, &'static str),
}

impl Case {
    /// Returns whether the case applies.
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

/// If the application sets the cookie, it also sets the attributes.
const ATTRIBUTE: &[Ignored] = &[
    Ignored {
        value: None,
        case: Case::CookieOfApplication,
    },
    OF_COOKIE,
];

/// Parameters of the cookie have no effect in modes without a cookie.
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

    /// Returns a parameter without a value.
    pub(super) const fn flag(name: &'static str, set: SetFlag) -> Self {
        Self::new(name, Form::Flag(set))
    }

    /// Returns a parameter whose value is one of these words.
    pub(super) const fn words(name: &'static str, words: &'static [Word]) -> Self {
        Self::new(name, Form::Words(words))
    }

    /// Returns a parameter with a value.
    pub(super) const fn value(name: &'static str, legal: &'static str, set: SetValue) -> Self {
        Self::new(name, Form::Value(legal, set))
    }

    /// Returns a parameter whose value is optional.
    pub(super) const fn either(
        name: &'static str,
        alone: SetFlag,
        legal: &'static str,
        set: SetValue,
    ) -> Self {
        Self::new(name, Form::Either(alone, legal, set))
    }

    /// Sets the default.
    pub(super) const fn or(self, default: &'static str) -> Self {
        Parameter {
            default: Some(default),
            ..self
        }
    }

    /// Allows it to be given more than once.
    pub(super) const fn repeated(self) -> Self {
        Parameter {
            repeats: true,
            ..self
        }
    }

    /// Sets the cases in which it has no effect.
    pub(super) const fn ignored(self, ignored: &'static [Ignored]) -> Self {
        Parameter { ignored, ..self }
    }

    /// Makes it an attribute of the cookie, which has an effect in `mode=insert` only.
    pub(super) const fn attribute(self) -> Self {
        self.ignored(ATTRIBUTE)
    }

    /// Returns whether a word with this name, with or without a value, is this parameter.
    pub(super) fn is(&self, name: &[u8], has_value: bool) -> bool {
        let fits = match self.form {
            Form::Flag(_) => !has_value,
            Form::Words(_) | Form::Value(..) => has_value,
            Form::Either(..) => true,
        };
        fits && self.name.as_bytes() == name
    }

    /// Applies the parameter to the values read so far.
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

    /// Returns its legal values.
    pub(super) fn legal(&self) -> Legal {
        match self.form {
            Form::Flag(_) => Legal::Text("nothing"),
            Form::Words(words) => Legal::Words(words),
            Form::Value(legal, _) | Form::Either(_, legal, _) => Legal::Text(legal),
        }
    }
}

/// Shows the parameter as in messages: with an equals sign if it requires a value.
impl Display for Parameter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.form {
            Form::Words(_) | Form::Value(..) => f.write_str("="),
            Form::Flag(_) | Form::Either(..) => Ok(()),
        }
    }
}

/// The legal values of a parameter.
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

/// The values read from a directive so far. The words live as long as the cycle.
pub(super) struct Parsed<'c> {
    pub(super) policy: Policy,
    /// The name of the cookie.
    pub(super) cookie: &'c [u8],
    /// The delimiter between the ID and the application's own value.
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
    /// `drain_time=`, in seconds
    pub(super) drain_time: u64,
    /// `follow=`
    pub(super) follow: Option<&'c [u8]>,
    /// `key_file=`
    pub(super) key_file: Option<&'c [u8]>,
    /// For sessions without a cookie of the module.
    pub(super) source: SourceWords<'c>,
    given: Vec<Given<'c>>,
}

/// The parameters of sessions without a cookie of the module.
#[derive(Default)]
pub(super) struct SourceWords<'c> {
    /// The variables that contain the ID of a server or of a session.
    pub(super) lookup: Vec<&'c [u8]>,
    /// The variables that contain the ID of a session that begins with the response.
    pub(super) create: Vec<&'c [u8]>,
    /// The name of the zone, and its size in bytes.
    pub(super) zone: Option<(&'c [u8], usize)>,
    /// The milliseconds without use after which a session is removed.
    pub(super) timeout: u64,
    /// Whether a session is learned when the response header has arrived, instead of when the response is complete.
    pub(super) after_header: bool,
}

/// A parameter that was given, with its last value.
struct Given<'c> {
    name: &'static str,
    value: Option<&'c [u8]>,
}

impl<'c> Parsed<'c> {
    /// Begins with a policy, for a directive that has this number of parameters.
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

    /// Records that a parameter was given. Returns whether it was given before.
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

    /// Returns whether a parameter was given; with `value`, whether its comma-separated list contains this value.
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

/// The legal names of a cookie.
pub(super) const TOKEN: &str = "a token: letters, digits and any of \"!#$%&'*+-.^_`|~\"";

/// Sets the name of the cookie.
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

/// `path=` without variables, as in nginx's own directive.
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

/// Sets the `Secure` attribute unconditionally.
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

/// For cookies of this name that the upstream server sets itself.
pub(super) const PRESERVE: Parameter =
    Parameter::flag("preserve", |parsed| parsed.policy.preserve = true).ignored(&[OF_COOKIE]);

pub(super) const HMAC_KEY: Parameter = Parameter::value("hmac_key", "a text", |parsed, value| {
    if value.is_empty() {
        return Err(Fault::Illegal);
    }
    parsed.policy.hmac_key = boxed(value)?;
    Ok(())
});

/// Returns the value if an attribute of a cookie can contain it.
pub(super) fn attribute_value(value: &[u8]) -> Result<&[u8], Fault> {
    if value.is_empty() || !is_attribute_value(value) {
        return Err(Fault::Illegal);
    }
    Ok(value)
}

/// Parses a time in seconds, or with nginx's units.
pub(super) fn time(value: &[u8]) -> Result<u64, Fault> {
    seconds(value).ok_or(Fault::Illegal)
}
