//! The errors and warnings of directives.

use core::fmt::{self, Display, Formatter};

use session_cookie::memory::OutOfMemory;
use session_cookie::policy::Mode;

use super::key_file::Unusable;
use super::parameters::{Case, Ignored, Legal, Parameter, TOKEN};
use crate::control::state_file::MOST_PATH;
use crate::nginx::session_zone::NoZone;
use crate::nginx::{string, Printable};

/// An error in a directive, with the legal values.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error<'c> {
    #[error("invalid parameter \"{}\" in \"{directive}\" directive, it must be one of: {}", Printable(.word), Names(.legal))]
    Parameter {
        directive: &'static str,
        word: &'c [u8],
        legal: &'static [Parameter],
    },
    #[error("invalid value \"{}\" of parameter \"{name}\" in \"{directive}\" directive, it must be {legal}", Printable(.value))]
    Value {
        directive: &'static str,
        name: &'static str,
        value: &'c [u8],
        legal: Legal,
    },
    #[error("invalid cookie name \"{}\" in \"{directive}\" directive, it must be {TOKEN}", Printable(.name))]
    Name {
        directive: &'static str,
        name: &'c [u8],
    },
    #[error("\"{directive}\" with cookie=\"{}\" needs {needs}", Printable(.cookie))]
    CookiePrefix {
        directive: &'static str,
        cookie: &'c [u8],
        needs: &'static str,
    },
    #[error("\"{directive}\" with {of} needs \"{name}=\"")]
    Missing {
        directive: &'static str,
        of: &'static str,
        name: &'static str,
    },
    #[error("\"{0}\" needs \"{1}=\"")]
    Needs(&'static str, &'static str),
    /// For directives that cannot be given twice, for example because the zone of the first one is in use.
    #[error("duplicate \"{0}\" directive")]
    Doubled(&'static str),
    #[error("\"hash=\", \"hmac=\" and \"text=\" are mutually exclusive in \"{0}\" directive")]
    SeveralHashes(&'static str),
    #[error("\"{0}\" and \"{1}\" are both specified, remove one of them")]
    Both(&'static str, &'static str),
    #[error("\"{directive}\" could not compile \"{name}={}\"", Printable(.value))]
    Variable {
        directive: &'static str,
        name: &'static str,
        value: &'c [u8],
    },
    #[error("invalid variable \"{}\" in \"{directive}\" directive, it must be a variable, such as \"$arg_route\"", Printable(.word))]
    NotVariable {
        directive: &'static str,
        word: &'c [u8],
    },
    #[error("\"{directive}\" could not use the variable \"${}\"", Printable(.name))]
    NoVariable {
        directive: &'static str,
        name: &'c [u8],
    },
    #[error("zone \"{}\" {error}", Printable(.name))]
    Zone { name: &'c [u8], error: NoZone<'c> },
    #[error("invalid parameter \"{}\" in \"session_sticky_control\" directive, it must be \"on\", \"on state=file\" or \"off\"", Printable(.0))]
    Control(&'c [u8]),
    #[error("invalid value \"{}\" of parameter \"state\" in \"session_sticky_control\" directive, it must be a path of at most {MOST_PATH} bytes", Printable(.0))]
    StateFile(&'c [u8]),
    #[error("\"state={}\" in \"session_sticky_control\" directive differs from \"{}\" before, all must be the same file", Printable(.0), Printable(.1))]
    OtherStateFile(&'c [u8], &'c [u8]),
    #[error("\"session_sticky_control\" could not create a shared memory zone")]
    NoControl,
    #[error("\"drain_if=\" in \"session_sticky\" directive could not create a shared memory zone")]
    NoDrain,
    #[error("\"{directive}\" could not use key_file \"{}\": {why}", Printable(.path))]
    KeyFile {
        directive: &'static str,
        path: &'c [u8],
        why: Unusable,
    },
    #[error("\"{0}\" with \"refresh=\" needs a longer \"maxidle=\"")]
    Refresh(&'static str),
    #[error("\"{0}\" needs a cookie in \"follow=\" other than that in \"cookie=\"")]
    FollowsItself(&'static str),
    #[error("invalid number of arguments in \"{0}\" directive")]
    Count(&'static str),
    #[error("invalid parameter \"{}\" in \"{}\" directive, it must be \"upstream=name\"", Printable(.word), Printable(.directive))]
    HideParameter { directive: &'c [u8], word: &'c [u8] },
    #[error(transparent)]
    OutOfMemory(#[from] OutOfMemory),
}

/// A comma-separated list of the parameters of a directive.
struct Names<'t>(&'t [Parameter]);

impl Display for Names<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, parameter) in self.0.iter().enumerate() {
            let between = if at == 0 { "" } else { ", " };
            write!(f, "{between}{parameter}")?;
        }
        Ok(())
    }
}

/// A warning about a directive that is valid but probably not what was intended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Warning<'c> {
    #[error(
        "\"session_sticky\" is its own first parameter, the second \"session_sticky\" is ignored"
    )]
    DoubledName,
    #[error("duplicate \"{0}\" directive, the last one is used")]
    DoubledDirective(&'static str),
    #[error("duplicate parameter \"{name}\" in \"{directive}\" directive, the last one is used")]
    DoubledParameter {
        directive: &'static str,
        name: &'static str,
    },
    #[error("duplicate upstream \"{}\" in \"{}\" directive", Printable(.upstream), Printable(.directive))]
    DoubledUpstream {
        directive: &'c [u8],
        upstream: &'c [u8],
    },
    #[error("the \"session_sticky_header\" directive is deprecated, use the \"session_sticky_hide_cookie\" directive instead")]
    Deprecated,
    #[error("server \"{}\" is specified twice {what}, the last one is used", string(.address))]
    DoubledServer {
        address: &'c [u8],
        what: &'static str,
    },
    #[error("\"session_sticky_control\" lets any client of location \"{}\" drain servers, as it has neither \"allow\" nor \"deny\"", Printable(.0))]
    OpenControl(&'c [u8]),
    #[error("\"{0}\" with {1}")]
    With(&'static str, Oddity<'c>),
}

/// The subject of a [`Warning::With`].
#[derive(Debug, thiserror::Error)]
pub(super) enum Oddity<'c> {
    #[error("a cookie \"{}\", which is used literally: its name takes no variables", Printable(.0))]
    LiteralName(&'c [u8]),
    #[error("a cookie \"{}\" needs {needs}", Printable(.cookie))]
    CookiePrefix {
        cookie: &'c [u8],
        needs: &'static str,
    },
    #[error("{0} needs \"secure\", browsers reject such a cookie without it")]
    Insecure(&'static str),
    #[error("{0} needs \"secure\", with \"secure=auto\" browsers reject the cookie on requests without TLS")]
    InsecureAtTimes(&'static str),
    #[error("{0} needs \"secure\", browsers reject the cookie where the variable of \"secure=\" leaves it out")]
    InsecureByVariable(&'static str),
    #[error("a cookie \"{}\" needs \"secure\", browsers reject it where the variable of \"secure=\" leaves it out", Printable(.0))]
    PrefixByVariable(&'c [u8]),
    #[error("\"refresh=\" not shorter than \"maxage=\" lets browsers delete the cookie of an active session")]
    LateRefresh,
    #[error("\"{name}={}\", which has no variable: it is the same for each request", Printable(.text))]
    Constant { name: &'static str, text: &'c [u8] },
    #[error("key_file \"{}\", which {who}", Printable(.path))]
    OpenKeyFile { path: &'c [u8], who: &'static str },
    #[error("key_file \"{}\", where line {line} repeats a key: the repetition is ignored", Printable(.path))]
    RepeatedKey { path: &'c [u8], line: usize },
    #[error("\"path={}\", which is used literally: it takes no variables in this directive", Printable(.0))]
    LiteralPath(&'c [u8]),
    #[error("\"path={}\" needs a leading slash, without it browsers use the directory of the request", Printable(.0))]
    RelativePath(&'c [u8]),
    #[error("\"maxage=0\" sets the cookie without \"maxage=\", since browsers would delete it")]
    NoMaxAge,
    /// For nginx's own directive, whose cookie is not changed.
    #[error("\"expires=0\" has no effect, since browsers delete such a cookie: specify at least one second, or omit it")]
    Expired,
    #[error("{0}")]
    Ignored(Nothing),
}

/// A parameter that has no effect in the directive.
#[derive(Debug)]
pub(super) struct Nothing {
    pub(super) parameter: &'static Parameter,
    pub(super) ignored: &'static Ignored,
    /// The mode of the directive.
    pub(super) mode: Mode,
}

impl Display for Nothing {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let parameter = self.parameter;
        let value = self.ignored.value.unwrap_or_default();
        match self.ignored.case {
            Case::CookieOfApplication => write!(
                f,
                "{parameter}{value} applies only to mode=insert, in this mode the application sets it"
            ),
            Case::Mode(_, why) | Case::NoCookie(why) => {
                let mode = mode_name(self.mode);
                write!(f, "mode={mode} ignores {parameter}{value}: {why}")
            }
            Case::Without(_, what) => {
                write!(f, "{parameter}{value} applies only with {what}")
            }
        }
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Insert | Mode::Repeat => "insert",
        Mode::Rewrite => "rewrite",
        Mode::Prefix => "prefix",
        Mode::Route => "route",
        Mode::Learn => "learn",
    }
}
