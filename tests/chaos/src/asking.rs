//! A server that requests to be drained by a field of its responses (`drain_if=`).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::backend::lock;

/// The field, while the server requests it.
pub(crate) const FIELD: &str = "X-Draining";
/// From the response that nginx has passed on until every worker must know.
const KNOWN: Duration = Duration::from_secs(1);
/// nginx counts whole seconds, and reads its clock at different moments.
const CLOCK: Duration = Duration::from_secs(1);

/// A period in which its responses request draining, from `.0` to `.1`.
struct Spell {
    begin: Instant,
    end: Option<Instant>,
    /// Responses that requested draining, from before the request was sent until the client had them.
    heard: Vec<(Instant, Instant)>,
}

impl Spell {
    fn holds(&self, at: Instant) -> bool {
        self.begin <= at && self.end.is_none_or(|end| at < end)
    }
}

#[derive(Default)]
pub(crate) struct Asking(Mutex<Vec<Spell>>);

impl Asking {
    pub(crate) fn begin(&self) {
        lock(&self.0).push(Spell {
            begin: Instant::now(),
            end: None,
            heard: Vec::new(),
        });
    }

    pub(crate) fn end(&self) {
        if let Some(spell) = lock(&self.0).last_mut() {
            spell.end.get_or_insert_with(Instant::now);
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        lock(&self.0)
            .last()
            .is_some_and(|spell| spell.end.is_none())
    }

    /// Records that a client has received a response created between the two.
    pub(crate) fn heard(&self, from: Instant, to: Instant) {
        let mut spells = lock(&self.0);
        // Until then, workers may have responses from before the request to drain.
        let asked = |spell: &&mut Spell| spell.begin + KNOWN < from && spell.holds(to);
        if let Some(spell) = spells.iter_mut().find(asked) {
            spell.heard.push((from, to));
        }
    }

    /// Since when nginx surely drains it between the two, because of such a response. `time`: that of `drain_time=`.
    pub(crate) fn surely(&self, from: Instant, to: Instant, time: Duration) -> Option<Instant> {
        let time = time.saturating_sub(CLOCK);
        let spells = lock(&self.0);
        let now = spells.iter().find(|spell| spell.holds(to))?;
        let known = |heard: &&(Instant, Instant)| heard.1 + KNOWN < from && to < heard.0 + time;
        now.heard.iter().rev().find(known).map(|heard| heard.0)
    }

    /// Whether it may be drained at a moment between the two.
    pub(crate) fn perhaps(&self, from: Instant, to: Instant, time: Duration) -> bool {
        lock(&self.0).iter().any(|spell| {
            spell.begin <= to && spell.end.is_none_or(|end| end + time + CLOCK >= from)
        })
    }
}
