//! The lines that nginx's error log may contain. Any other from [warn] on is a violation.

use crate::report::{Report, Rule};

struct Allowed {
    level: &'static str,
    text: &'static str,
    why: &'static str,
}

// System errors by number: nginx 1.18 does not know the names used by a newer C library.
const ALLOWED: &[Allowed] = &[
    Allowed {
        level: "error",
        text: "connect() failed (111: ",
        why: "[error] refused: a server was killed",
    },
    Allowed {
        level: "error",
        text: "(104: ",
        why: "[error] reset: a server was killed",
    },
    Allowed {
        level: "error",
        text: "upstream timed out (110: ",
        why: "[error] timed out: a server hung",
    },
    Allowed {
        level: "error",
        text: "upstream prematurely closed connection",
        why: "[error] closed: a server cut off an answer",
    },
    Allowed {
        level: "error",
        text: "writev() failed (32: ",
        why: "[error] broken pipe: a server was killed",
    },
    Allowed {
        level: "error",
        text: "no live upstreams while connecting to upstream",
        why: "[error] no live upstreams: all servers down, or the session's with fallback=off",
    },
    Allowed {
        level: "error",
        text: ", with \"fallback=",
        why: "[error] fallback=off: the session's server was down or gone",
    },
    Allowed {
        level: "warn",
        text: "upstream server temporarily disabled",
        why: "[warn] a server was disabled after a failure",
    },
    Allowed {
        level: "warn",
        text: "an upstream response is buffered to a temporary file",
        why: "[warn] a client that reads slowly",
    },
];

pub(crate) const KILLED: &str = " exited on signal 9";

/// Reads lines as they are written.
#[derive(Default)]
pub(crate) struct LogJudge {
    pub(crate) report: Report,
    pub(crate) killed: usize,
}

impl LogJudge {
    pub(crate) fn read(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line);
        }
    }

    fn line(&mut self, line: &str) {
        self.report.checked(Rule::Log);
        let level = line
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'))
            .map_or("", |(level, _)| level);
        if matches!(level, "debug" | "info" | "notice") {
            return;
        }
        if level == "alert" && line.contains(KILLED) {
            self.killed += 1;
            let why = "[alert] a worker exited on signal 9: this program sent it";
            self.report.explained(Rule::Log, why);
            return;
        }
        let allowed = ALLOWED
            .iter()
            .find(|allowed| allowed.level == level && line.contains(allowed.text));
        match allowed {
            Some(allowed) => self.report.explained(Rule::Log, allowed.why),
            None => self.report.violation(Rule::Log, line),
        }
    }
}
