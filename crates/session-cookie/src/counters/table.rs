//! The table: slots by their key, and the lines that they have.

use core::sync::atomic::AtomicU32;

use super::counts::{sum, Count, Counters, ServerCounts, COUNTERS};
use super::leaving::Leaving;
use super::slot::{Group, Header, Line, Slot, SlotId, END};
use crate::key::{Key, Secret};
use crate::word::{then, Word};

/// The counters of servers and upstreams.
#[derive(Clone, Copy)]
pub struct Table<'z> {
    pub(super) header: &'z Header,
    pub(super) buckets: &'z [AtomicU32],
    pub(super) slots: &'z [Slot],
    lines: &'z [Line],
    /// How far the index of a slot is from that of its first line, in bits.
    shift: u32,
}

impl<'z> Table<'z> {
    /// The table in this memory, as divided by [`Layout`](super::Layout).
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

    /// Makes it an empty table, whatever the memory holds; counting begins in this second.
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

    /// The secret on which the keys depend.
    pub fn secret(&self) -> Secret {
        Secret(self.header.secret.each_ref().map(Word::get))
    }

    /// The second in which counting began.
    pub fn since(&self) -> u64 {
        self.header.since.get()
    }

    /// Whether there was room for every server so far.
    pub fn is_complete(&self) -> bool {
        self.header.incomplete.get() == 0
    }

    /// Notes that there was no room for a server.
    pub fn note_incomplete(&self) {
        self.header.incomplete.set(1);
    }

    /// Returns the line in which a worker counts the requests of a server; it needs no lock.
    pub fn line(&self, slot: SlotId, worker: usize) -> Option<&'z Line> {
        let workers = 1usize.wrapping_shl(self.shift).wrapping_sub(1);
        let first = slot.index().wrapping_shl(self.shift);
        self.lines.get(first | worker & workers)
    }

    /// Counts a request; it needs no lock.
    pub fn add(&self, slot: SlotId, worker: usize, count: Count) {
        self.add_at(slot, worker, count as usize);
    }

    pub(super) fn add_at(&self, slot: SlotId, worker: usize, counter: usize) {
        if let Some(line) = self.line(slot, worker) {
            line.add(counter, 1);
        }
    }

    /// Adds to the first line of a slot.
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

    /// Returns what all workers have counted.
    pub(super) fn counters(&self, slot: SlotId) -> Counters {
        let lines = self.lines_of(slot).iter();
        lines.fold([0; COUNTERS], |all, line| sum(all, line.get()))
    }

    /// Returns what was counted of a server; it needs no lock.
    pub fn server(&self, slot: SlotId) -> ServerCounts {
        ServerCounts::of(self.counters(slot))
    }

    /// Notes a request of a session that a draining server still has; it needs no lock. `now` is in seconds.
    pub fn note_leaving(&self, slot: SlotId, now: u64) {
        if let Some(slot) = self.slot(slot) {
            slot.leaving.note(now);
        }
    }

    /// Notes that a server begins to drain: nothing is known of what it still has.
    pub fn begin_leaving(&self, slot: SlotId) {
        if let Some(slot) = self.slot(slot) {
            slot.leaving.clear();
        }
    }

    /// Returns the requests of the sessions that a draining server still has; it needs no lock.
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

    /// Registers a server of a group, unless it is there already; `None`: there is no room. `now` is in seconds.
    pub fn register(&self, key: Key, group: Group, now: u32) -> Option<SlotId> {
        self.register_at(key, group.requests.link(), now)
    }

    /// See [`register`](Self::register); without a group for the parts of one.
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

    /// Takes a slot that is free.
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

    /// Follows links, from this one on. A loop in them ends when there were as many as slots.
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

    /// Returns how many slots are taken: the number of slots, and of those that are not free.
    pub fn usage(&self) -> (usize, usize) {
        let taken = usize::try_from(self.header.taken.get()).unwrap_or_default();
        let used = self.slots.iter().take(taken).filter(|slot| !slot.is_free());
        (self.slots.len(), used.count())
    }
}
