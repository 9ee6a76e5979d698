//! The sessions that nginx has learned: the server of each, as far as it is certain.
//!
//! It is derived from the responses. If it is not known what nginx has stored (a client that has disconnected, a worker
//! that was killed before the response was complete), the session is removed here, and not judged until the application
//! creates another.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::backend::Visit;
use crate::client::{Answer, Ended, Outcome};
use crate::history::History;
use crate::topology::{ServerId, UpstreamId};

/// nginx and this program read the clock at different moments, and nginx's has tenths of seconds.
const CLOCK: Duration = Duration::from_secs(1);

/// Data stored in the zone by a worker, at some time between the two.
#[derive(Clone, Copy)]
struct Note {
    generation: usize,
    begin: Instant,
    end: Instant,
}

struct Session {
    server: ServerId,
    /// When it got that server.
    got: Note,
    /// When it was last used: surely, and perhaps.
    used: Note,
    perhaps_used: Instant,
}

/// The server of a session.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Owner {
    /// No session, or one whose state is unknown.
    None,
    /// The stored data may not have reached this configuration.
    Unsure,
    Sure(ServerId),
}

#[derive(Default)]
pub(crate) struct Sessions(HashMap<(UpstreamId, String), Session>);

impl Sessions {
    fn of(&self, outcome: &Outcome) -> Option<&Session> {
        let id = outcome.cookie.clone()?;
        self.0.get(&(outcome.upstream, id))
    }

    /// The server of a request's session for a worker of this generation.
    pub(crate) fn owner(&self, history: &History, outcome: &Outcome) -> Owner {
        let (Some(session), Ended::Answered(answer)) = (self.of(outcome), &outcome.ended) else {
            return Owner::None;
        };
        if history.hands_over(session.got.generation, session.got.end, answer.generation) {
            Owner::Sure(session.server)
        } else {
            Owner::Unsure
        }
    }

    /// Whether the session is remembered, as far as clocks can tell: surely, and perhaps.
    pub(crate) fn lives(
        &self,
        history: &History,
        outcome: &Outcome,
        timeout: Duration,
    ) -> (bool, bool) {
        let (Some(session), Ended::Answered(answer)) = (self.of(outcome), &outcome.ended) else {
            return (false, false);
        };
        let last = session.used;
        let seen = if history.hands_over(last.generation, last.end, answer.generation) {
            last
        } else {
            session.got
        };
        let surely = outcome.end.duration_since(seen.begin) + CLOCK < timeout;
        let idle = (outcome.start).saturating_duration_since(last.end.max(session.perhaps_used));
        let perhaps = idle <= timeout + CLOCK;
        (surely, perhaps)
    }

    /// Records the changes of a request. `stays`: its session keeps its server, whichever server answered.
    pub(crate) fn note(
        &mut self,
        outcome: &Outcome,
        visits: &[Visit],
        surely_lives: bool,
        stays: bool,
    ) {
        let Some(id) = &outcome.cookie else {
            self.begin(outcome);
            return;
        };
        let key = (outcome.upstream, id.clone());
        match &outcome.ended {
            Ended::Answered(answer) if answer.truncated.is_none() => {
                if answer.cookie == outcome.cookie {
                    self.renew(&key, outcome, answer, surely_lives, stays);
                }
                self.begin(outcome);
            }
            _ => {
                let Some(session) = self.0.get_mut(&key) else {
                    return;
                };
                if visits.iter().any(|visit| visit.server != session.server) {
                    self.0.remove(&key);
                } else if !visits.is_empty() {
                    session.perhaps_used = outcome.end;
                }
            }
        }
    }

    /// The response has created another session.
    fn begin(&mut self, outcome: &Outcome) {
        let Ended::Answered(answer) = &outcome.ended else {
            return;
        };
        let is_complete = answer.truncated.is_none() && answer.cookie != outcome.cookie;
        if let (true, Some(id), Some(server)) = (is_complete, &answer.cookie, answer.server) {
            let now = note(outcome, answer);
            let session = Session {
                server,
                got: now,
                used: now,
                perhaps_used: now.end,
            };
            self.0.insert((outcome.upstream, id.clone()), session);
        }
    }

    /// A server has responded to the session.
    fn renew(
        &mut self,
        key: &(UpstreamId, String),
        outcome: &Outcome,
        answer: &Answer,
        surely_lives: bool,
        stays: bool,
    ) {
        let (Some(session), Some(server)) = (self.0.get_mut(key), answer.server) else {
            return;
        };
        if !surely_lives {
            // It is renewed only if it was still remembered.
            self.0.remove(key);
            return;
        }
        session.used = note(outcome, answer);
        if server != session.server && !stays {
            session.server = server;
            session.got = session.used;
        }
    }

    /// Removes sessions that are no longer needed.
    pub(crate) fn forget(&mut self, before: Instant) {
        self.0.retain(|_, session| session.used.end >= before);
    }
}

fn note(outcome: &Outcome, answer: &Answer) -> Note {
    Note {
        generation: answer.generation,
        begin: outcome.start,
        end: outcome.end,
    }
}
