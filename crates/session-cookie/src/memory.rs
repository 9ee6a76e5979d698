//! Owned memory whose allocation may fail: then nothing has changed, and the caller is told.
//!
//! `alloc`'s own functions end the process when memory is short. Clippy forbids them in the project
//! (`clippy.toml`); this is the only module that may call them, after it has reserved what they need.

#![allow(clippy::disallowed_methods)] // after what they need was reserved

use alloc::boxed::Box;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use hashbrown::{HashMap, HashTable};

/// Memory is short.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("out of memory")]
pub struct OutOfMemory;

impl From<TryReserveError> for OutOfMemory {
    fn from(_: TryReserveError) -> Self {
        OutOfMemory
    }
}

impl From<hashbrown::TryReserveError> for OutOfMemory {
    fn from(_: hashbrown::TryReserveError) -> Self {
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

/// Returns an empty vector with the capacity for a number of elements.
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
    // As long as its capacity: nothing is allocated again.
    Ok(copy.into_boxed_slice())
}

/// Makes a slice of a vector.
///
/// # Errors
///
/// It has more capacity than elements, and memory is short.
pub fn into_boxed<T>(elements: Vec<T>) -> Result<Box<[T]>, OutOfMemory> {
    if elements.capacity() == elements.len() {
        return Ok(elements.into_boxed_slice());
    }
    let mut exact = with_capacity(elements.len())?;
    exact.extend(elements);
    Ok(exact.into_boxed_slice())
}

/// Joins slices to one.
///
/// # Errors
///
/// Memory is short.
pub fn concat<T: Copy>(pieces: &[&[T]]) -> Result<Box<[T]>, OutOfMemory> {
    let length = pieces
        .iter()
        .fold(0, |length: usize, piece| length.saturating_add(piece.len()));
    let mut joined = with_capacity(length)?;
    pieces
        .iter()
        .for_each(|piece| joined.extend_from_slice(piece));
    Ok(joined.into_boxed_slice())
}

/// Sets the value of a key in a map.
///
/// # Errors
///
/// Memory is short; `map` is as it was.
pub fn insert<K: Eq + Hash, V, S: BuildHasher>(
    map: &mut HashMap<K, V, S>,
    key: K,
    value: V,
) -> Result<(), OutOfMemory> {
    map.try_reserve(1)?;
    map.insert(key, value);
    Ok(())
}

/// Adds an element, which is equal to none of a table, under its hash; `hasher` tells those of others.
///
/// # Errors
///
/// Memory is short; `table` is as it was.
pub fn insert_unique<T>(
    table: &mut HashTable<T>,
    hash: u64,
    element: T,
    hasher: impl Fn(&T) -> u64,
) -> Result<(), OutOfMemory> {
    table.try_reserve(1, &hasher)?;
    table.insert_unique(hash, element, hasher);
    Ok(())
}
