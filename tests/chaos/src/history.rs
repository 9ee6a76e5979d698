//! What was done to nginx, and when: the servers of each configuration, and the workers that were ended.

use std::sync::Mutex;
use std::time::Instant;

use crate::backend::lock;
use crate::keys::KeyId;
use crate::topology::{Membership, ServerId};

/// A worker that was ended by a signal, from before it was sent until the worker was seen to be gone.
struct Killing {
    worker: u32,
    begin: Instant,
    end: Instant,
}

/// What happens to learned sessions when a configuration replaces the previous one.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Handover {
    /// The zones are kept.
    Kept,
    /// The zones have another size: sessions are copied, except for those that old workers store later.
    Copied,
    /// The zones belong to another file of the module.
    Lost,
}

/// A configuration given to nginx.
struct Generation {
    members: Vec<Membership>,
    handover: Handover,
    /// The newest first.
    keys: Vec<KeyId>,
    /// When it was about to be written.
    begin: Instant,
    /// When it was first seen to respond.
    seen: Option<Instant>,
}

#[derive(Default)]
pub(crate) struct History {
    generations: Mutex<Vec<Generation>>,
    killings: Mutex<Vec<Killing>>,
}

impl History {
    /// Adds a configuration with these servers, and returns its number.
    pub(crate) fn begin(
        &self,
        members: Vec<Membership>,
        handover: Handover,
        keys: Vec<KeyId>,
    ) -> usize {
        let mut generations = lock(&self.generations);
        generations.push(Generation {
            members,
            handover,
            keys,
            begin: Instant::now(),
            seen: None,
        });
        generations.len() - 1
    }

    pub(crate) fn seen(&self, generation: usize) {
        lock(&self.generations)[generation].seen = Some(Instant::now());
    }

    /// The period in which nginx read this configuration.
    pub(crate) fn read(&self, generation: usize) -> Option<(Instant, Instant)> {
        let generations = lock(&self.generations);
        let generation = generations.get(generation)?;
        Some((
            generation.begin,
            generation.seen.unwrap_or_else(Instant::now),
        ))
    }

    pub(crate) fn membership(&self, generation: usize, server: ServerId) -> Membership {
        let generations = lock(&self.generations);
        let generation = generations.get(generation);
        generation.map_or(Membership::Out, |generation| generation.members[server])
    }

    /// The keys of a configuration, the newest first.
    pub(crate) fn keys(&self, generation: usize) -> Vec<KeyId> {
        let generations = lock(&self.generations);
        let generation = generations.get(generation);
        generation.map_or(Vec::new(), |generation| generation.keys.clone())
    }

    /// Whether workers of one configuration surely know what those of another had stored for a session until then.
    pub(crate) fn hands_over(&self, from: usize, noted: Instant, to: usize) -> bool {
        let generations = lock(&self.generations);
        let between = from.min(to) + 1..from.max(to) + 1;
        let between = generations.get(between).unwrap_or_default();
        between.iter().all(|next| match next.handover {
            Handover::Kept => true,
            Handover::Copied => from < to && noted < next.begin,
            Handover::Lost => false,
        })
    }

    /// Whether nginx has had the same file of the module from then until this configuration.
    pub(crate) fn has_one_file(&self, since: Instant, generation: usize) -> bool {
        let generations = lock(&self.generations);
        let until_then = generations.get(..=generation).unwrap_or_default();
        !until_then.iter().any(|next| {
            next.handover == Handover::Lost && next.seen.is_none_or(|seen| seen >= since)
        })
    }

    /// Since when every new request should be served by a newer configuration than this one.
    pub(crate) fn replaced(&self, generation: usize) -> Option<Instant> {
        lock(&self.generations).get(generation + 1)?.seen
    }

    pub(crate) fn killed(&self, worker: u32, begin: Instant) {
        lock(&self.killings).push(Killing {
            worker,
            begin,
            end: Instant::now(),
        });
    }

    /// Whether a worker was ended between the two; this one, if it is known.
    pub(crate) fn was_killed(&self, worker: Option<u32>, from: Instant, to: Instant) -> bool {
        lock(&self.killings).iter().any(|killing| {
            worker.is_none_or(|worker| worker == killing.worker)
                && killing.begin <= to
                && killing.end >= from
        })
    }
}
