//! Fallible allocation of owned memory. If an allocation fails, nothing has changed and an error is returned.
//!
//! `alloc`'s own functions abort the process if memory allocation fails. Clippy forbids them in this project
//! (`clippy.toml`); only this module may call them, after it has reserved the memory that they need.

#![allow(clippy::disallowed_methods)] // the memory has been reserved

use alloc::boxed::Box;
use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash};

use hashbrown::{HashMap, HashTable};

/// Memory allocation failed.
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
/// Returns an error if memory allocation fails; `elements` is then unchanged.
pub fn push<T>(elements: &mut Vec<T>, element: T) -> Result<(), OutOfMemory> {
    elements.try_reserve(1)?;
    elements.push(element);
    Ok(())
}

/// Appends copies of all elements of `more`.
///
/// # Errors
///
/// Returns an error if memory allocation fails; `elements` is then unchanged.
pub fn append<T: Copy>(elements: &mut Vec<T>, more: &[T]) -> Result<(), OutOfMemory> {
    elements.try_reserve(more.len())?;
    elements.extend_from_slice(more);
    Ok(())
}

/// Collects the elements of an iterator into a vector.
///
/// # Errors
///
/// Returns an error if memory allocation fails.
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
/// Returns an error if memory allocation fails.
pub fn with_capacity<T>(capacity: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut elements = Vec::new();
    elements.try_reserve_exact(capacity)?;
    Ok(elements)
}

/// Copies a slice.
///
/// # Errors
///
/// Returns an error if memory allocation fails.
pub fn boxed<T: Copy>(elements: &[T]) -> Result<Box<[T]>, OutOfMemory> {
    let mut copy = with_capacity(elements.len())?;
    copy.extend_from_slice(elements);
    // The length equals the capacity, so nothing is reallocated.
    Ok(copy.into_boxed_slice())
}

/// Converts a vector to a boxed slice.
///
/// # Errors
///
/// Returns an error if the vector has spare capacity and memory allocation fails.
pub fn into_boxed<T>(elements: Vec<T>) -> Result<Box<[T]>, OutOfMemory> {
    if elements.capacity() == elements.len() {
        return Ok(elements.into_boxed_slice());
    }
    let mut exact = with_capacity(elements.len())?;
    exact.extend(elements);
    Ok(exact.into_boxed_slice())
}

/// Concatenates slices.
///
/// # Errors
///
/// Returns an error if memory allocation fails.
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

/// Inserts a value into a map, replacing the value that the key had.
///
/// # Errors
///
/// Returns an error if memory allocation fails; `map` is then unchanged.
pub fn insert<K: Eq + Hash, V, S: BuildHasher>(
    map: &mut HashMap<K, V, S>,
    key: K,
    value: V,
) -> Result<(), OutOfMemory> {
    map.try_reserve(1)?;
    map.insert(key, value);
    Ok(())
}

/// Inserts an element that is equal to no element of the table. `hash` is its hash, and `hasher` returns the hash of
/// any element.
///
/// # Errors
///
/// Returns an error if memory allocation fails; `table` is then unchanged.
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
