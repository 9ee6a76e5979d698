//! nginx's counters of its servers, reported by `tests/probe`.

use crate::report::{Report, Rule};

/// The probe's report from one worker.
pub(crate) struct Counters<'a> {
    pub(crate) worker: u32,
    lines: Vec<&'a str>,
}

impl<'a> Counters<'a> {
    pub(crate) fn read(text: &'a str) -> Self {
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.first().copied().unwrap_or_default();
        Counters {
            worker: value(first, "pid").unwrap_or_default(),
            lines,
        }
    }

    /// Whether nothing is in use, held or lost.
    pub(crate) fn are_nothing(&self) -> bool {
        self.each().all(|(_, holds)| holds)
    }

    /// No request is left, so nothing may be in use, held or lost. `fails` may be left from the last one.
    pub(crate) fn judge(&self, report: &mut Report) {
        for (line, holds) in self.each() {
            report.check(Rule::Counters, holds, || {
                format!("worker {}: {line}", self.worker)
            });
        }
    }

    /// Each line, and whether nothing in it is in use, held or lost.
    fn each(&self) -> impl Iterator<Item = (&str, bool)> {
        self.lines.iter().filter_map(|line| {
            let nothing: &[&str] = if line.starts_with("peer ") {
                &["conns", "refs", "zombie"]
            } else if line.starts_with("zone ") {
                &["lost", "zombies"]
            } else {
                return None;
            };
            // Older versions of nginx do not have all of them.
            let all = nothing.iter().filter_map(|name| value(line, name));
            Some((*line, all.clone().count() > 0 && all.sum::<u32>() == 0))
        })
    }
}

fn value(line: &str, name: &str) -> Option<u32> {
    line.split_whitespace()
        .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}
