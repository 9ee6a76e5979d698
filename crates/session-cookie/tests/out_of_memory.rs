//! Makes each allocation fail once: the caller must get an error and be able to retry.

#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

use session_cookie::bytes::Buffer;
use session_cookie::cookie::Name;
use session_cookie::keys::{Keys, Unusable};
use session_cookie::memory::{self, OutOfMemory};
use session_cookie::policy::{Policy, SameSite, Secure, Style};
use session_cookie::roster::{Member, Roster};
use session_cookie::set_cookie::{ByVariables, Template};
use session_cookie::unreachable::{Tolerance, Unreachable};

thread_local! {
    /// The number of allocations that succeed before one fails; `None` if all succeed.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
}

struct Failing;

/// Returns `true` if the next allocation is to fail.
fn fails() -> bool {
    match LEFT.get() {
        None => false,
        Some(0) => {
            LEFT.set(None);
            true
        }
        Some(left) => {
            LEFT.set(left.checked_sub(1));
            false
        }
    }
}

// SAFETY: every call is forwarded to `System` with unchanged arguments, or fails with a null pointer as the trait allows.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        // SAFETY: the caller upholds the contract of this method, which is the same for `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if fails() {
            return null_mut();
        }
        // SAFETY: the caller upholds the contract of this method, which is the same for `System`.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of this method, which is the same for `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Runs `work` repeatedly and lets each of its allocations fail once, until all succeed. Returns the number of allocations.
fn fail_each(mut work: impl FnMut() -> Result<(), OutOfMemory>) -> u32 {
    for number in 0.. {
        LEFT.set(Some(number));
        let result = work();
        let has_failed = LEFT.take().is_none();
        assert_eq!(result.is_err(), has_failed, "allocation {number}");
        if !has_failed {
            return number;
        }
    }
    0
}

#[test]
fn names_and_policies() {
    assert_eq!(fail_each(|| Name::new(b"route").map(drop)), 1);
    assert_eq!(fail_each(|| Policy::new().map(drop)), 2);
    assert_eq!(fail_each(|| Buffer::with_capacity(9).map(drop)), 1);
}

#[test]
fn keys_and_what_signs_with_them() {
    let text = b"the first key of them\nthe second key of them\nthe third key of them\n";
    let read = || {
        Keys::read(text).map(|read| read.keys).map_err(|why| {
            assert_eq!(why, Unusable::OutOfMemory(OutOfMemory));
            OutOfMemory
        })
    };
    assert_eq!(fail_each(|| read().map(drop)), 1);
    let keys = read().unwrap();
    assert_eq!(fail_each(|| keys.signer(b"route").map(drop)), 1);
}

#[test]
fn templates() {
    for style in [Style::Rfc, Style::Nginx] {
        let mut policy = Policy {
            domain: Some(memory::boxed(b"example.com").unwrap()),
            max_age: Some(120),
            secure: Secure::Auto,
            http_only: true,
            same_site: Some(SameSite::Lax),
            style,
            ..Policy::new().unwrap()
        };
        let other = memory::boxed(b"Priority=High").unwrap();
        memory::push(&mut policy.attributes, other).unwrap();
        let made = || Template::new(&policy, ByVariables::default()).map(drop);
        assert!(fail_each(made) > 5);
    }
}

#[test]
fn servers_are_known_altogether_or_not_at_all() {
    let ids = [
        &b"a"[..],
        b"b",
        b"a",
        b"d349ca31adc862f4d7e6faa19e516d6d",
        b"c",
    ];
    let mut roster = Roster::default();
    let mut known = 0;
    let allocations = fail_each(|| {
        for (peer, id) in (0..).zip(ids).skip(known) {
            let member = Member {
                peer,
                index: peer,
                backup: false,
                draining: false,
            };
            let inserted = roster.insert(id, member);
            assert_eq!(roster.id(peer).is_some(), inserted.is_ok());
            inserted?;
            known = roster.len();
        }
        Ok(())
    });
    assert!(allocations >= 4);
    let second = roster.find(b"a").and_then(|first| roster.next(first));
    assert_eq!(
        second
            .and_then(|second| roster.member(second))
            .unwrap()
            .peer,
        2
    );

    let reserved = || Roster::<u32>::default().reserve(100);
    assert_eq!(fail_each(reserved), 4);
}

#[test]
fn unreachable_servers() {
    let tolerance = Tolerance {
        max_fails: 1,
        fail_timeout: 10,
    };
    let mut servers = Unreachable::<()>::default();
    let failed = || servers.fail(b"a", tolerance, 1);
    assert_eq!(fail_each(failed), 2);
    assert!(servers.refused_until(b"a", 1, |()| false).is_some());
}
