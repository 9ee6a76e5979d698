//! `sticky route $variable …`: nginx's own from 1.29.6 on, for those before.

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
