//! Owned memory whose allocation may fail: then nothing has changed, and the caller is told.
//!
//! `alloc`'s own functions end the process when memory is short. Clippy forbids them in the project
//! (`clippy.toml`); this is the only module that may call them, after it has reserved what they need.

#![allow(clippy::disallowed_methods)]

use alloc::boxed::Box;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;

/// Memory is short.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("out of memory")]
pub struct OutOfMemory;

impl From<TryReserveError> for OutOfMemory {
    fn from(_: TryReserveError) -> Self {
        OutOfMemory
    }
}

/// Appends one element.
///
/// # Errors
///
/// Memory is short; `elements` is as it was.
pub fn push<T>(elements: &mut Vec<T>, element: T) -> Result<(), OutOfMemory> {
    elements.try_reserve(1)?;
    elements.push(element);
    Ok(())
}

/// Appends copies of all `more`.
///
/// # Errors
///
/// Memory is short; `elements` is as it was.
pub fn append<T: Copy>(elements: &mut Vec<T>, more: &[T]) -> Result<(), OutOfMemory> {
    elements.try_reserve(more.len())?;
    elements.extend_from_slice(more);
    Ok(())
}

/// Collects the elements of an iterator into a vector.
///
/// # Errors
///
/// Memory is short.
pub fn collect<T>(elements: impl IntoIterator<Item = T>) -> Result<Vec<T>, OutOfMemory> {
    let elements = elements.into_iter();
    let mut collected = with_capacity(elements.size_hint().0)?;
    for element in elements {
        push(&mut collected, element)?;
    }
    Ok(collected)
}

/// Returns an empty vector with room for `capacity` elements.
///
/// # Errors
///
/// Memory is short.
pub fn with_capacity<T>(capacity: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut elements = Vec::new();
    elements.try_reserve_exact(capacity)?;
    Ok(elements)
}

/// Copies a slice.
///
/// # Errors
///
/// Memory is short.
pub fn boxed<T: Copy>(elements: &[T]) -> Result<Box<[T]>, OutOfMemory> {
    let mut copy = with_capacity(elements.len())?;
    copy.extend_from_slice(elements);
    // As long as it has room for: nothing is allocated again.
    Ok(copy.into_boxed_slice())
}
