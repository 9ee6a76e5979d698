//! Values that the module keeps in the pool of a request. Unlike a module's context, they survive internal redirects.
//!
//! They are entries in the pool's cleanup list, which a main request shares with its subrequests. This module and others add
//! entries for each subrequest, so walking the whole list each time would be slow for a page with thousands of subrequests. After
//! a long walk, the module therefore builds an index of its entries in the pool, and adds an entry that points to the index; the
//! next walk ends at that entry. Nearly all requests have only a few cleanups and need no index.

use core::marker::PhantomData;

use super::handle::Pool;
use super::index::{Index, Signpost};
use super::slots::{Cleanups, Entry, PoolSlot};

/// How many cleanups a walk visits before it uses the index: more than nearly any request has.
const FAR: usize = 16;

impl<'p> Pool<'p> {
    /// Returns the newest value of a type with this key.
    #[inline(always)]
    pub(crate) fn newest<T: PoolSlot<'p>>(self, key: usize) -> Option<&'p T> {
        let mut cleanups = self.cleanups();
        for _ in 0..FAR {
            let Some(entry) = cleanups.next()? else {
                continue;
            };
            if let Some(value) = entry.value_of(key) {
                return Some(value);
            }
            if entry.value::<Signpost>().is_some() {
                break;
            }
        }
        self.newest_far(key)
    }

    /// [`newest`](Self::newest) for a long cleanup list.
    #[cold]
    #[inline(never)]
    fn newest_far<T: PoolSlot<'p>>(self, key: usize) -> Option<&'p T> {
        self.kept(key).next()
    }

    /// Returns the values of a type with this key, newest first.
    pub(crate) fn kept<T: PoolSlot<'p>>(self, key: usize) -> All<'p, T> {
        All {
            pool: self,
            key,
            next: Next::Cleanups(self.cleanups()),
            left: FAR,
            last: None,
            values: PhantomData,
        }
    }
}

/// The iterator of [`Pool::kept`].
pub(crate) struct All<'p, T> {
    pool: Pool<'p>,
    key: usize,
    next: Next<'p>,
    /// How many more cleanups the walk visits.
    left: usize,
    /// The entry found last.
    last: Option<&'p Entry<'p>>,
    values: PhantomData<T>,
}

/// Where the search continues.
enum Next<'p> {
    /// In the cleanup list.
    Cleanups(Cleanups<'p>),
    /// In a chain of the index.
    Chain(Option<&'p Entry<'p>>),
}

impl<'p, T: PoolSlot<'p>> Iterator for All<'p, T> {
    type Item = &'p T;

    fn next(&mut self) -> Option<&'p T> {
        loop {
            let entry = match &mut self.next {
                Next::Cleanups(cleanups) if cleanups.is_empty() => return None,
                Next::Cleanups(_) if self.left == 0 => {
                    self.go_on_in_index();
                    continue;
                }
                Next::Cleanups(cleanups) => {
                    self.left = self.left.wrapping_sub(1);
                    match cleanups.next()? {
                        Some(entry) => entry,
                        None => continue,
                    }
                }
                Next::Chain(entry) => {
                    let found = (*entry)?;
                    *entry = found.older.get();
                    found
                }
            };
            if let Some(Signpost(index)) = entry.value() {
                self.next = Next::Chain(index.first(self.key));
            } else if let Some(value) = entry.value_of(self.key) {
                self.last = Some(entry);
                return Some(value);
            }
        }
    }
}

impl<'p, T: PoolSlot<'p>> All<'p, T> {
    /// Continues in the index, after the entry found last.
    fn go_on_in_index(&mut self) {
        let Some(index) = Index::of(self.pool) else {
            // Memory is short: walk the rest of the list.
            self.left = usize::MAX;
            return;
        };
        self.next = Next::Chain(match self.last {
            Some(last) => last.older.get(),
            None => index.first(self.key),
        });
    }
}
