//! Allocation of slots for new sessions.

use super::chain::{link_to, Chains};
use super::header::{Header, Returned};
use super::slot::{Slot, State};
use super::time::{Tick, Timeout};
use crate::word::{then, Word};

/// The number of steps that the clock hand makes for a new session.
const STEPS: u32 = 16;

/// A slot that is in no chain.
pub(super) struct Vacancy<'z> {
    pub(super) index: u32,
    pub(super) slot: &'z Slot,
    /// Whether the hand may pass this slot soon, so the reference bit of the new session has to be set.
    pub(super) before_hand: bool,
    /// Whether a live session was removed from the slot.
    pub(super) dropped: bool,
}

impl<'z> Vacancy<'z> {
    fn new((index, slot): (u32, &'z Slot)) -> Self {
        Vacancy {
            index,
            slot,
            before_hand: false,
            dropped: false,
        }
    }
}

/// Takes a slot. Returns `None` only if the table has no slots. If the process is killed before the slot is linked, the clock
/// hand recovers the slot.
pub(super) fn take<'z>(
    header: &Header,
    chains: &Chains<'z>,
    now: Tick,
    timeout: Timeout,
) -> Option<Vacancy<'z>> {
    returned(header, chains)
        .or_else(|| fresh(header, chains))
        .or_else(|| by_hand(header, chains, now, timeout))
}

/// Frees a slot that is no longer in any chain.
pub(super) fn give_back(header: &Header, index: u32, slot: &Slot) {
    let list = header.returned();
    slot.set_state(State::EMPTY);
    slot.next.set(list.first);
    then();
    header.set_returned(Returned {
        first: link_to(index),
        number: list.number.saturating_add(1),
    });
}

/// Takes the slot that was freed last. The hand only moves while the list is empty, so it never takes a slot that is in the list.
fn returned<'z>(header: &Header, chains: &Chains<'z>) -> Option<Vacancy<'z>> {
    let list = header.returned();
    let (index, slot) = chains.follow(list.first)?;
    if !slot.state().is_empty() {
        // The memory is corrupt. The clock hand recovers the remaining slots of the list.
        header.set_returned(Returned::default());
        return None;
    }
    header.set_returned(Returned {
        first: slot.next.get(),
        number: list.number.saturating_sub(1),
    });
    then();
    Some(Vacancy {
        before_hand: true,
        ..Vacancy::new((index, slot))
    })
}

/// Takes the next slot that was never used.
fn fresh<'z>(header: &Header, chains: &Chains<'z>) -> Option<Vacancy<'z>> {
    let link = link_to(header.taken.get());
    let (index, slot) = chains.follow(link)?;
    header.taken.set(link);
    Some(Vacancy::new((index, slot)))
}

/// A candidate slot, and its state when it was examined.
#[derive(Clone, Copy)]
struct Seen<'z> {
    index: u32,
    slot: &'z Slot,
    state: State,
}

impl<'z> Seen<'z> {
    fn new((index, slot): (u32, &'z Slot)) -> Self {
        let state = slot.state();
        Seen { index, slot, state }
    }

    /// Returns `true` if the session in the slot has not expired and was used since the hand last passed it.
    fn is_in_use(&self, now: Tick, timeout: Timeout) -> bool {
        self.state.is_touched() && self.state.is_alive(now, timeout)
    }
}

/// Takes the slot at which the clock hand stops, and removes its session from its chain.
fn by_hand<'z>(
    header: &Header,
    chains: &Chains<'z>,
    now: Tick,
    timeout: Timeout,
) -> Option<Vacancy<'z>> {
    let mut oldest: Option<Seen<'_>> = None;
    for _ in 0..STEPS {
        let at_hand = chains
            .follow(link_to(header.hand.get()))
            .or_else(|| chains.follow(link_to(0)))?;
        let seen = Seen::new(at_hand);
        header.hand.set(link_to(seen.index));
        if !seen.is_in_use(now, timeout) {
            return Some(vacate(header, chains, seen, now, timeout));
        }
        seen.slot.set_state(seen.state.untouched());
        let is_older =
            |other: Seen<'_>| now.since(seen.state.used()) > now.since(other.state.used());
        if oldest.is_none_or(is_older) {
            oldest = Some(seen);
        }
    }
    // Among equals, as left by a fast flood of new sessions, the first: the hand has not passed it for the longest time.
    let least_used = elsewhere(header, chains)
        .chain(oldest)
        .min_by_key(|seen| (seen.is_in_use(now, timeout), seen.state.used().since(now)));
    Some(vacate(header, chains, least_used?, now, timeout))
}

/// Slots ahead of the hand that are far apart and that the hand has not just passed. Sessions learned in a row are adjacent, so
/// unused sessions may exist elsewhere even if the hand meets only sessions in use.
fn elsewhere<'z>(header: &Header, chains: &Chains<'z>) -> impl Iterator<Item = Seen<'z>> {
    let (chains, hand) = (*chains, header.hand.get());
    let slots = u32::try_from(chains.slots.len()).unwrap_or(u32::MAX);
    let ahead = slots.saturating_sub(STEPS);
    let distance = (ahead / STEPS).max(1);
    (0..STEPS.min(ahead)).filter_map(move |step| {
        let index = (hand.checked_rem(slots)?).wrapping_add(step.wrapping_mul(distance));
        let index = index.checked_rem(slots)?;
        chains.follow(link_to(index)).map(Seen::new)
    })
}

/// Removes the session from a slot.
fn vacate<'z>(
    header: &Header,
    chains: &Chains<'z>,
    seen: Seen<'z>,
    now: Tick,
    timeout: Timeout,
) -> Vacancy<'z> {
    let Seen { index, slot, state } = seen;
    let entry = chains.linked(index, slot);
    let dropped = entry.is_some() && state.is_alive(now, timeout);
    if dropped {
        header.dropped.set(header.dropped.get().saturating_add(1));
    }
    if let Some(entry) = entry {
        entry.unlink();
        then();
    }
    Vacancy {
        dropped,
        ..Vacancy::new((index, slot))
    }
}
