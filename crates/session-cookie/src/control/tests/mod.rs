//! Tests of tables and of the text format.

extern crate std;

mod change;
mod file;
mod guard;
mod table;

use alloc::vec::Vec;

use super::*;

pub(super) struct Memory {
    pub(super) header: Header,
    pub(super) slots: Vec<Slot>,
}

impl Memory {
    pub(super) fn new(slots: usize) -> Self {
        let memory = Memory {
            header: Header::default(),
            slots: (0..slots).map(|_| Slot::default()).collect(),
        };
        memory.table().clear();
        memory
    }

    pub(super) fn table(&self) -> Table<'_> {
        Table::new(&self.header, &self.slots)
    }
}

pub(super) fn over(state: State, until: u64) -> Option<Override> {
    Some(Override {
        state,
        until: (until != 0).then_some(until),
    })
}
