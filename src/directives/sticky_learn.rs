//! `sticky learn create=$variable … lookup=$variable … zone=name:size [timeout=time] [header]`: the directive of
//! nginx 1.29.6, implemented for older versions.

use session_cookie::policy::{Mode, Style};

use super::parser::{Directive, Leading};
use super::source::{self, CREATE, HEADER, LOOKUP, TIMEOUT, ZONE};

pub(super) static DIRECTIVE: Directive = Directive {
    name: "sticky learn",
    mode: Mode::Learn,
    style: Style::Nginx,
    leading: Leading::Parameters,
    parameters: &[CREATE, LOOKUP, ZONE, TIMEOUT, HEADER],
    finish: |parsed| {
        parsed.policy.as_nginx = true;
        source::finish(DIRECTIVE.name, parsed)
    },
};
