//! The rules, how often they were checked, and the explanations and violations.

use std::collections::BTreeMap;
use std::fmt;

/// The rules. The order is that of the report.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Rule {
    Errors,
    Attempts,
    Spared,
    Stays,
    Learned,
    Keyed,
    Accepted,
    Lingers,
    Gone,
    Drained,
    Asked,
    Full,
    Early,
    Cookie,
    Followed,
    Stamps,
    Hidden,
    Throughput,
    Log,
    Reloads,
    Workers,
    Memory,
    Counters,
}

impl Rule {
    pub(crate) const ALL: [Rule; 23] = [
        Rule::Errors,
        Rule::Attempts,
        Rule::Spared,
        Rule::Stays,
        Rule::Learned,
        Rule::Keyed,
        Rule::Accepted,
        Rule::Lingers,
        Rule::Gone,
        Rule::Drained,
        Rule::Asked,
        Rule::Full,
        Rule::Early,
        Rule::Cookie,
        Rule::Followed,
        Rule::Stamps,
        Rule::Hidden,
        Rule::Throughput,
        Rule::Log,
        Rule::Reloads,
        Rule::Workers,
        Rule::Memory,
        Rule::Counters,
    ];
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.pad(match self {
            Rule::Errors => "no client error without an injury that explains it",
            Rule::Attempts => "no try of nginx failed on a server that was well",
            Rule::Spared => "no try of a server that nginx knew as failed, but by strict sessions",
            Rule::Stays => "no session moved while its server was available and known",
            Rule::Learned => "the same of sessions that nginx has learned",
            Rule::Keyed => "the same of sessions by keys, which come and go",
            Rule::Accepted => "the same of clients that come with cookies of another system",
            Rule::Lingers => "the same of servers that left DNS, for as long as linger= says",
            Rule::Gone => "no request reached a server that was gone, or an old configuration",
            Rule::Drained => "no first visit reached a server that nginx had been asked to drain",
            Rule::Asked => "the same of servers that have asked for it with their responses",
            Rule::Full => "no first visit reached a server that had max_conns connections",
            Rule::Early => {
                "the variables that servers receive about a session are true, and remain true"
            }
            Rule::Cookie => "the cookie names the server that answered, or with rebind=off its own",
            Rule::Followed => "there is a cookie as long as there is the session that it follows",
            Rule::Stamps => "sessions keep their beginning, and end in time",
            Rule::Hidden => "no server saw an id that is hidden from it",
            Rule::Throughput => "answers came all the time, and to every client",
            Rule::Log => "nothing in the error log that no injury explains",
            Rule::Reloads => "every reload came through",
            Rule::Workers => "every old worker came to its end, and so did nginx",
            Rule::Memory => "no growth of memory, files or mappings",
            Rule::Counters => "at the end no server is in use, and none is a zombie",
        })
    }
}

#[derive(Default)]
struct Tally {
    checked: u64,
    violations: u64,
    /// Why something that looks like a violation is not one.
    explained: BTreeMap<String, u64>,
}

#[derive(Default)]
pub(crate) struct Report {
    rules: BTreeMap<Rule, Tally>,
    /// The first violations.
    words: Vec<String>,
    facts: Vec<(&'static str, String)>,
}

/// How many violations are described in full.
const TOLD: usize = 10;

impl Report {
    pub(crate) fn checked(&mut self, rule: Rule) {
        self.rules.entry(rule).or_default().checked += 1;
    }

    pub(crate) fn explained(&mut self, rule: Rule, why: impl Into<String>) {
        let tally = self.rules.entry(rule).or_default();
        *tally.explained.entry(why.into()).or_default() += 1;
    }

    pub(crate) fn violation(&mut self, rule: Rule, words: impl Into<String>) {
        self.rules.entry(rule).or_default().violations += 1;
        if self.words.len() < TOLD {
            self.words.push(format!("{rule}:\n    {}", words.into()));
        }
    }

    /// Checks a condition; if it does not hold, this is a violation.
    pub(crate) fn check(&mut self, rule: Rule, holds: bool, words: impl FnOnce() -> String) {
        self.checked(rule);
        if !holds {
            self.violation(rule, words());
        }
    }

    pub(crate) fn fact(&mut self, name: &'static str, value: impl fmt::Display) {
        self.facts.push((name, value.to_string()));
    }

    pub(crate) fn merge(&mut self, other: Report) {
        for (rule, theirs) in other.rules {
            let tally = self.rules.entry(rule).or_default();
            tally.checked += theirs.checked;
            tally.violations += theirs.violations;
            for (why, count) in theirs.explained {
                *tally.explained.entry(why).or_default() += count;
            }
        }
        self.words.extend(other.words);
        self.words.truncate(TOLD);
        self.facts.extend(other.facts);
    }

    pub(crate) fn failed(&self) -> usize {
        self.rules.values().filter(|t| t.violations > 0).count()
    }

    pub(crate) fn print(&self) {
        for (name, value) in &self.facts {
            println!("{name:<28} {value}");
        }
        println!("\n{:<68} {:>9} {:>10}", "rule", "checked", "violations");
        let mut passed = 0;
        for rule in Rule::ALL {
            let Some(tally) = self.rules.get(&rule) else {
                println!("{rule:<68} {:>9} {:>10}", "-", "-");
                continue;
            };
            println!("{rule:<68} {:>9} {:>10}", tally.checked, tally.violations);
            for (why, count) in &tally.explained {
                println!("    {why:<64} {count:>9}");
            }
            passed += usize::from(tally.violations == 0);
        }
        for words in &self.words {
            println!("\nVIOLATION {words}");
        }
        println!("\n{passed} passed, {} failed", self.failed());
    }
}
