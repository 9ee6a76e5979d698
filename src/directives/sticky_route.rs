//! `sticky route $variable …`: the directive of nginx 1.29.6, implemented for older versions.

use session_cookie::policy::{Mode, Style};

use super::parser::{Directive, Leading};
use super::source;

pub(super) static DIRECTIVE: Directive = Directive {
    name: "sticky route",
    mode: Mode::Route,
    style: Style::Nginx,
    leading: Leading::Variables,
    parameters: &[],
    finish: |parsed| {
        parsed.policy.as_nginx = true;
        source::finish(DIRECTIVE.name, parsed)
    },
};
