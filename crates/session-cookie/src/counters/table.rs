//! The table: slots, found by key, and their lines.

use core::sync::atomic::{AtomicU32, Ordering};

use super::counts::{sum, Count, Counters, ServerCounts, COUNTERS};
use super::leaving::Leaving;
use super::slot::{Group, Header, Line, Slot, SlotId, END};
use crate::key::{Key, Secret};
use crate::word::{then, Word};

/// A handle to the counters of servers and upstreams.
#[derive(Clone, Copy)]
pub struct Table<'z> {
    pub(super) header: &'z Header,
    pub(super) buckets: &'z [AtomicU32],
    pub(super) slots: &'z [Slot],
    lines: &'z [Line],
    /// The index of a slot is shifted by this number of bits to get the index of its first line.
    shift: u32,
}

impl<'z> Table<'z> {
    /// Returns a handle to the table in this memory, which is divided according to [`Layout`](super::Layout).
    pub fn new(
        header: &'z Header,
        buckets: &'z [AtomicU32],
        slots: &'z [Slot],
        lines: &'z [Line],
    ) -> Self {
        let workers = lines.len().checked_div(slots.len()).unwrap_or_default();
        Table {
            header,
            buckets,
            slots,
            lines,
            shift: workers.checked_ilog2().unwrap_or_default(),
        }
    }

    /// Initializes an empty table, whatever the memory contains. Counting begins in the second `since`.
    pub fn clear(&self, secret: Secret, since: u64) {
        let header = self.header;
        self.buckets.iter().for_each(|bucket| bucket.set(END));
        for (word, value) in header.secret.iter().zip(secret.0) {
            word.set(value);
        }
        header.since.set(since);
        header.taken.set(0);
        header.hand.set(0);
        header.incomplete.set(0);
    }

    /// Returns the secret from which the keys are derived.
    pub fn secret(&self) -> Secret {
        Secret(self.header.secret.each_ref().map(Word::get))
    }

    /// Returns the second in which counting began.
    pub fn since(&self) -> u64 {
        self.header.since.get()
    }

    /// Returns whether there has been room for every server.
    pub fn is_complete(&self) -> bool {
        self.header.incomplete.get() == 0
    }

    /// Records that there was no room for a server.
    pub fn note_incomplete(&self) {
        self.header.incomplete.set(1);
    }

    /// Returns the line in which a worker counts the requests of a server. No lock is needed.
    pub fn line(&self, slot: SlotId, worker: usize) -> Option<&'z Line> {
        let workers = 1usize.wrapping_shl(self.shift).wrapping_sub(1);
        let first = slot.index().wrapping_shl(self.shift);
        self.lines.get(first | worker & workers)
    }

    /// Counts a request. No lock is needed.
    pub fn add(&self, slot: SlotId, worker: usize, count: Count) {
        self.add_at(slot, worker, count as usize);
    }

    pub(super) fn add_at(&self, slot: SlotId, worker: usize, counter: usize) {
        if let Some(line) = self.line(slot, worker) {
            line.add(counter, 1);
        }
    }

    /// Adds counts to the first line of a slot.
    pub(super) fn add_all(&self, slot: SlotId, counters: Counters) {
        if let Some(line) = self.lines_of(slot).first() {
            for (counter, number) in counters.into_iter().enumerate() {
                line.add(counter, number);
            }
        }
    }

    pub(super) fn lines_of(&self, slot: SlotId) -> &'z [Line] {
        let first = slot.index().wrapping_shl(self.shift);
        let end = first.saturating_add(1usize.wrapping_shl(self.shift));
        self.lines.get(first..end).unwrap_or_default()
    }

    /// Returns the sums over all workers.
    pub(super) fn counters(&self, slot: SlotId) -> Counters {
        let lines = self.lines_of(slot).iter();
        lines.fold([0; COUNTERS], |all, line| sum(all, line.get()))
    }

    /// Returns the counts of a server. No lock is needed.
    pub fn server(&self, slot: SlotId) -> ServerCounts {
        ServerCounts::of(self.counters(slot))
    }

    /// Records a request of a draining server's remaining sessions. No lock is needed. `now` is in seconds.
    pub fn note_leaving(&self, slot: SlotId, now: u64) {
        if let Some(slot) = self.slot(slot) {
            slot.leaving.note(now);
        }
    }

    /// Records that a server begins to drain, and clears its recorded requests. No lock is needed.
    pub fn begin_leaving(&self, slot: SlotId) {
        if let Some(slot) = self.slot(slot) {
            slot.leaving.clear();
        }
    }

    /// Records whether the configuration drains a server. If it did not before, and the server was not draining for another
    /// reason (`already`), clears its recorded requests. No lock is needed.
    pub fn note_configuration(&self, slot: SlotId, drains: bool, already: bool) {
        if let Some(slot) = self.slot(slot) {
            let did = slot.configured.swap(drains.into(), Ordering::Relaxed) != 0;
            if drains && !did && !already {
                slot.leaving.clear();
            }
        }
    }

    /// Returns the recorded requests of a draining server's remaining sessions. No lock is needed.
    pub fn leaving(&self, slot: SlotId, now: u64) -> Leaving {
        self.slot(slot)
            .map_or(Leaving::NONE, |slot| slot.leaving.get(now))
    }

    /// Returns the slot of a key.
    pub fn find(&self, key: Key) -> Option<SlotId> {
        let head = self.bucket(key)?.get();
        let mut chain = self.walk(head, |slot| slot.next.get());
        chain.find(|(_, slot)| slot.key() == key).map(|(id, _)| id)
    }

    /// Registers a server of a group unless it is registered already. Returns `None` if there is no room. `now` is in seconds.
    pub fn register(&self, key: Key, group: Group, now: u32) -> Option<SlotId> {
        self.register_at(key, group.requests.link(), now)
    }

    /// See [`register`](Self::register). For the slots of a group itself, `group` is [`END`].
    pub(super) fn register_at(&self, key: Key, group: u32, now: u32) -> Option<SlotId> {
        let wanted = now.max(1);
        if let Some(found) = self.find(key) {
            self.slot(found)?.wanted.set(wanted);
            return Some(found);
        }
        let id = self.take(wanted)?;
        let (slot, bucket) = (self.slot(id)?, self.bucket(key)?);
        for line in self.lines_of(id) {
            line.take();
        }
        slot.configured.set(0);
        slot.leaving.clear();
        slot.set_key(key);
        slot.group.set(group);
        slot.member.set(END);
        slot.next.set(bucket.get());
        if let Some(first) = SlotId::of_link(group).and_then(|first| self.slot(first)) {
            slot.member.set(first.member.get());
            then();
            first.member.set(id.link());
        }
        then();
        bucket.set(id.link());
        Some(id)
    }

    /// Takes a free slot.
    fn take(&self, wanted: u32) -> Option<SlotId> {
        let taken = self.header.taken.get();
        if let Some(slot) = self.slot(SlotId(taken)) {
            slot.wanted.set(wanted);
            then();
            self.header.taken.set(taken.wrapping_add(1));
            return Some(SlotId(taken));
        }
        let number = u32::try_from(self.slots.len()).ok()?;
        let hand = self.header.hand.get();
        let mut all = (hand..number).chain(0..hand.min(number)).map(SlotId);
        let free = all.find(|id| self.slot(*id).is_some_and(Slot::is_free))?;
        self.header.hand.set(free.link());
        self.slot(free)?.wanted.set(wanted);
        Some(free)
    }

    pub(super) fn slot(&self, id: SlotId) -> Option<&'z Slot> {
        self.slots.get(id.index())
    }

    pub(super) fn bucket(&self, Key([hash, _]): Key) -> Option<&'z AtomicU32> {
        let mask = self.buckets.len().checked_sub(1)?;
        self.buckets.get(usize::try_from(hash).ok()? & mask)
    }

    /// Follows links, beginning with `head`. The number of slots bounds the iteration, in case the links form a loop.
    pub(super) fn walk<'a>(
        &self,
        head: u32,
        next: impl Fn(&Slot) -> u32 + 'a,
    ) -> impl Iterator<Item = (SlotId, &'z Slot)> + 'a
    where
        'z: 'a,
    {
        let slots = self.slots;
        let entry = move |link| {
            let id = SlotId::of_link(link)?;
            Some((id, slots.get(id.index())?))
        };
        core::iter::successors(entry(head), move |(_, slot)| entry(next(slot))).take(slots.len())
    }

    /// Returns the number of slots, and the number of slots in use.
    pub fn usage(&self) -> (usize, usize) {
        let taken = usize::try_from(self.header.taken.get()).unwrap_or_default();
        let used = self.slots.iter().take(taken).filter(|slot| !slot.is_free());
        (self.slots.len(), used.count())
    }
}
