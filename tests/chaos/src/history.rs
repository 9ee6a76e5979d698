//! What was done to nginx, and when: which servers each configuration had, and which workers were ended.

use std::sync::Mutex;
use std::time::Instant;

use crate::backend::lock;
use crate::keys::KeyId;
use crate::topology::{Membership, ServerId};

/// A worker that was ended by a signal, from before it was sent until it was seen gone.
struct Killing {
    worker: u32,
    begin: Instant,
    end: Instant,
}

/// What becomes of learned sessions when a configuration takes over from the one before it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Handover {
    /// The zones stay.
    Kept,
    /// The zones have another size: sessions are copied, and what old workers note from then on is not.
    Copied,
    /// The zones belong to another file of the module.
    Lost,
}

/// A configuration that nginx was given.
struct Generation {
    members: Vec<Membership>,
    handover: Handover,
    /// The newest first.
    keys: Vec<KeyId>,
    /// When it was about to be written.
    begin: Instant,
    /// When it was first seen to answer.
    seen: Option<Instant>,
}

#[derive(Default)]
pub(crate) struct History {
    generations: Mutex<Vec<Generation>>,
    killings: Mutex<Vec<Killing>>,
}

impl History {
    /// The number of a new configuration with these servers.
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

    /// Between which moments nginx read this configuration.
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

    /// The keys that a configuration was given, the newest first.
    pub(crate) fn keys(&self, generation: usize) -> Vec<KeyId> {
        let generations = lock(&self.generations);
        let generation = generations.get(generation);
        generation.map_or(Vec::new(), |generation| generation.keys.clone())
    }

    /// Do workers of one configuration know for sure what those of another had noted of a session until then?
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

    /// Has nginx had the same file of the module from then until this configuration?
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

    /// Was a worker ended between the two, this one if it is known?
    pub(crate) fn was_killed(&self, worker: Option<u32>, from: Instant, to: Instant) -> bool {
        lock(&self.killings).iter().any(|killing| {
            worker.is_none_or(|worker| worker == killing.worker)
                && killing.begin <= to
                && killing.end >= from
        })
    }
}
