//! State that a worker process changes while it serves requests. A worker serves them in a single thread.

use core::cell::{Ref, RefCell, RefMut};

/// A value that is read and written by nginx's callbacks, which run sequentially.
#[derive(Default)]
pub(crate) struct WorkerCell<T>(RefCell<T>);

/// A query of a value.
///
/// # Safety
///
/// [`answer`](Self::answer) must not read or write any [`WorkerCell`].
pub(crate) unsafe trait Question<T> {
    /// The type of the answer, which holds no reference to the value.
    type Answer;

    /// Answers the query.
    fn answer(self, value: &T) -> Self::Answer;
}

impl<T> WorkerCell<T> {
    /// Returns the cell of a value.
    pub(crate) fn new(value: T) -> Self {
        WorkerCell(RefCell::new(value))
    }

    /// Answers a query at a lower cost than a guard; `None` while the value is being written.
    #[inline(always)]
    pub(crate) fn ask<Q: Question<T>>(&self, question: Q) -> Option<Q::Answer> {
        // SAFETY: the value is not being written, and no write begins before the query is answered, because `answer` accesses no
        // cell.
        let value = unsafe { self.0.try_borrow_unguarded() };
        value.ok().map(|value| question.answer(value))
    }

    /// Reads the value; `None` while it is being written.
    pub(crate) fn read(&self) -> Option<Ref<'_, T>> {
        self.0.try_borrow().ok()
    }

    /// Writes the value; `None` while it is being read or written.
    pub(crate) fn write(&self) -> Option<RefMut<'_, T>> {
        self.0.try_borrow_mut().ok()
    }
}
