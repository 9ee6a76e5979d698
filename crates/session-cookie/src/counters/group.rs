//! The slots of an upstream: requests not counted for a server, verdicts, and actions.

use super::counts::{
    sum, ActionCounts, Counters, RequestCounts, ServerCounts, UpstreamCounts, VerdictCounts,
};
use super::slot::{Group, Slot, SlotId, END};
use super::table::Table;
use crate::key::Key;
use crate::status::{ActionTaken, Status};
use crate::verdict::Verdict;
use crate::word::Word;

impl Table<'_> {
    /// Registers an upstream unless it is registered already. Returns `None` if there is no room. `now` is in seconds.
    pub fn register_group(&self, key: Key, now: u32) -> Option<Group> {
        let [requests, verdicts, actions] =
            Group::keys(key).map(|key| self.register_at(key, END, now));
        Some(Group {
            requests: requests?,
            verdicts: verdicts?,
            actions: actions?,
        })
    }

    /// Returns the slots of a group if all of them exist.
    pub fn find_group(&self, key: Key) -> Option<Group> {
        let [requests, verdicts, actions] = Group::keys(key).map(|key| self.find(key));
        Some(Group {
            requests: requests?,
            verdicts: verdicts?,
            actions: actions?,
        })
    }

    /// Counts the verdict and the action of a request.
    pub fn add_verdict(&self, group: Group, worker: usize, verdict: Verdict, action: ActionTaken) {
        self.add_at(group.verdicts, worker, verdict_counter(verdict));
        self.add_at(group.actions, worker, action_counter(action));
    }

    /// Counts a request that is not counted for a server: it had none, or one without a slot.
    pub fn add_without_server(&self, group: Group, worker: usize, status: Status) {
        let counter = match status {
            Status::New => 0,
            Status::Bound => 1,
            Status::Moved => 2,
            Status::Lent => 3,
            Status::Refused => 4,
            Status::Off => OFF,
        };
        self.add_at(group.requests, worker, counter);
    }

    /// Counts a request for which persistence is switched off.
    pub fn add_off(&self, group: Group, worker: usize) {
        self.add_at(group.requests, worker, OFF);
    }

    /// Counts a request passed to the server of its session over the connection limit of that server.
    pub fn add_over_limit(&self, group: Group, worker: usize) {
        self.add_at(group.requests, worker, OVER_LIMIT);
    }

    /// Returns the counts of an upstream. No lock is needed, but the counts of a server that is being freed may be missing.
    pub fn upstream(&self, group: Group) -> UpstreamCounts {
        let without_server = self.counters(group.requests);
        let mut requests = without_server;
        let mut verdicts = self.counters(group.verdicts);
        let mut actions = self.counters(group.actions);
        for (member, _) in self.members(group.requests) {
            let counters = self.counters(member);
            requests = sum(
                requests,
                RequestCounts::of_server(ServerCounts::of(counters)),
            );
            verdicts = sum(verdicts, VerdictCounts::of_server(counters));
            actions = sum(actions, ActionCounts::of_server(counters));
        }
        let requests = RequestCounts::of(requests);
        UpstreamCounts {
            requests,
            without_server: RequestCounts::of(without_server),
            verdicts: VerdictCounts::of(verdicts, requests.off),
            actions: ActionCounts::of(actions, requests.off),
            over_limit: without_server[OVER_LIMIT],
        }
    }

    /// Adds the counts of a server that is removed to its upstream.
    pub(super) fn fold(&self, first: SlotId, counters: Counters) {
        let Some(key) = self.slot(first).map(Slot::key) else {
            return;
        };
        let [_, verdicts, actions] = Group::keys(key);
        let requests = RequestCounts::of_server(ServerCounts::of(counters));
        self.add_all(first, requests);
        if let Some(verdicts) = self.find(verdicts) {
            self.add_all(verdicts, VerdictCounts::of_server(counters));
        }
        if let Some(actions) = self.find(actions) {
            self.add_all(actions, ActionCounts::of_server(counters));
        }
    }

    /// Returns the servers of the group that begins with this slot.
    pub(super) fn members(&self, first: SlotId) -> impl Iterator<Item = (SlotId, &Slot)> {
        let head = self.slot(first).map_or(END, |slot| slot.member.get());
        self.walk(head, |slot| slot.member.get())
            .take_while(move |(_, slot)| slot.group() == Some(first))
    }
}

/// The counter of requests for which persistence is switched off. Their verdict and action are always the same.
const OFF: usize = 5;

/// The counter of requests over a connection limit. Servers have no such counter.
const OVER_LIMIT: usize = 6;

fn verdict_counter(verdict: Verdict) -> usize {
    match verdict {
        Verdict::None => 0,
        Verdict::Valid | Verdict::Accepted => 1,
        Verdict::Expired => 2,
        Verdict::Old => 3,
        Verdict::Unknown => 4,
        Verdict::Down | Verdict::DownAccepted => 5,
        Verdict::Invalid => 6,
        Verdict::Forged => 7,
        // These requests are counted by [`OFF`].
        Verdict::Unused => usize::MAX,
    }
}

fn action_counter(action: ActionTaken) -> usize {
    match action {
        ActionTaken::None => 0,
        ActionTaken::Inserted => 1,
        ActionTaken::Updated => 2,
        ActionTaken::Rewritten => 3,
        ActionTaken::Prefixed => 4,
        ActionTaken::Preserved => 5,
        ActionTaken::Deleted => 6,
    }
}
