//! What the module keeps in the pool of a request, where it is found again however the request is redirected inside
//! nginx, which clears a module's contexts.
//!
//! A main request and its subrequests share one pool, and its list of cleanups is all that leads there. Other modules put
//! entries into it for each subrequest, and so does this one: a page with thousands of them must not walk the list for each.
//! Where a walk becomes long, an index of what is kept is made in the pool, and an entry in the list that leads to it: the
//! next walk ends there. Nearly every request has a handful of cleanups, and no index.

use core::marker::PhantomData;

use super::handle::Pool;
use super::index::{Index, Signpost};
use super::slots::{Cleanups, Entry, PoolSlot};

/// How many cleanups are walked over: more than what nearly every request has.
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

    /// [`newest`](Self::newest) where there are many cleanups.
    #[cold]
    #[inline(never)]
    fn newest_far<T: PoolSlot<'p>>(self, key: usize) -> Option<&'p T> {
        self.kept(key).next()
    }

    /// Returns the values of a type with this key, the newest first.
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

/// See [`Pool::kept`].
pub(crate) struct All<'p, T> {
    pool: Pool<'p>,
    key: usize,
    next: Next<'p>,
    /// How far the walk may still go.
    left: usize,
    /// The one that was found last.
    last: Option<&'p Entry<'p>>,
    values: PhantomData<T>,
}

/// Where the search goes on.
enum Next<'p> {
    /// In the list.
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
    /// Goes on in the index, after the one that was found last.
    fn go_on_in_index(&mut self) {
        let Some(index) = Index::of(self.pool) else {
            // Memory is short, and the walk goes on.
            self.left = usize::MAX;
            return;
        };
        self.next = Next::Chain(match self.last {
            Some(last) => last.older.get(),
            None => index.first(self.key),
        });
    }
}
