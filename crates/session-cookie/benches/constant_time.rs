//! Checks that rejecting any wrong signature takes the same time. If the time depended on how many digits are correct, an
//! attacker could find a signature one digit at a time.
//!
//! There are two checks; the program fails if either fails:
//!
//! * callgrind counts the instructions for wrong signatures that differ from the correct one in the first digit, in the middle,
//!   in the last digit and in all digits. The counts must be equal. This does not show how long a processor takes for them.
//! * Time is measured with the method of dudect (Reparaz, Balasch, Verbauwhede: Dude, is my code constant time?, 2016): two wrong
//!   signatures are verified in random order, in the same memory, and Welch's t-test shows whether their mean times differ. The
//!   test is repeated without the longest times, which are caused by interrupts. A value above 4.5 is suspicious, and one above
//!   10 indicates a leak. A comparison that stops at the first difference is measured in the same way; if its leak is not
//!   detected, the machine is too noisy.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

mod callgrind;

use std::env;
use std::hint::black_box;
use std::process::exit;
use std::time::Instant;

use session_cookie::bytes::Buffer;
use session_cookie::keys::{Keys, Signature, Signer};
use session_cookie::session::signed::Signed;
use session_cookie::session::{Session, Stamps};

/// The length of a signature made with one key.
const DIGITS: usize = 22;

/// The positions at which signatures differ from the correct one; `None` for all positions.
const PLACES: [(&str, Option<usize>); 4] = [
    ("first", Some(0)),
    ("mid", Some(DIGITS / 2)),
    ("last", Some(DIGITS - 1)),
    ("all", None),
];

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, place, number, times] = &arguments[..] {
        return verify(place, number.parse().unwrap(), times.parse().unwrap());
    }
    let costs_the_same = [1, 2, 8].map(costs_the_same) == [true; 3];
    let takes_the_same = takes_the_same();
    exit(i32::from(!costs_the_same || !takes_the_same));
}

/// Returns a signer with `number` keys, and a value that it has signed.
fn signer(number: usize) -> (Signer, Vec<u8>) {
    let lines = (0..number).map(|number| format!("the key of number {number}\n"));
    let keys = Keys::read(lines.collect::<String>().as_bytes())
        .unwrap()
        .keys;
    let signer = keys.signer(b"route").unwrap();
    let session = Session {
        id: b"d349ca31adc862f4d7e6faa19e516d6d",
        stamps: Some(Stamps {
            last_seen: 1_556_447_041,
            first_seen: 1_556_440_041,
        }),
    };
    let mut value = Buffer::with_capacity(200).unwrap();
    signer.encode(&session, &mut value);
    (signer, value.as_bytes().to_vec())
}

/// Changes each signature of a value in one position or in all of them.
fn spoil(value: &mut [u8], place: Option<usize>) {
    let end = value.iter().rposition(|byte| *byte == b'|').unwrap() + 1;
    for signature in value[end..].chunks_mut(DIGITS + 1) {
        for (at, digit) in signature.iter_mut().take(DIGITS).enumerate() {
            if place.is_none_or(|place| place == at) {
                *digit = if *digit == b'A' { b'B' } else { b'A' };
            }
        }
    }
}

/// Verifies a wrong value `times` times. Its instructions are counted by callgrind.
fn verify(place: &str, number: usize, times: u64) {
    let (_, place) = PLACES
        .into_iter()
        .find(|(name, _)| *name == place.trim())
        .unwrap();
    let (signer, mut value) = signer(number);
    spoil(&mut value, place);
    for _ in 0..times {
        let signed = Signed::parse(black_box(&value)).unwrap();
        assert_eq!(signer.verify(&signed), Signature::Wrong);
    }
}

const TURNS: (u64, u64) = (100, 300);

fn costs_the_same(number: usize) -> bool {
    let costs = PLACES.map(|(place, _)| {
        // All command lines have the same length.
        let place = format!("{place:<5}");
        callgrind::turn(&[&place, &number.to_string()], TURNS)
    });
    let [first, ..] = costs;
    let is_same = costs.iter().all(|cost| *cost == first);
    let verdict = if is_same { "the same" } else { "NOT THE SAME" };
    println!("instructions of a wrong signature, keys: {number}: {costs:?}, {verdict}");
    is_same
}

/// The number of measured times.
const SAMPLES: usize = 1_000_000;

fn takes_the_same() -> bool {
    let (signer, right) = signer(1);
    let wrong = |place| {
        let mut value = right.clone();
        spoil(&mut value, place);
        value
    };
    let (first, last, all) = (wrong(Some(0)), wrong(Some(DIGITS - 1)), wrong(None));
    let verify = |value: &[u8]| {
        let signed = Signed::parse(value).unwrap();
        black_box(signer.verify(&signed));
    };
    // Also compares the signatures digit by digit, which is not constant-time.
    let leaks = |value: &[u8]| {
        verify(value);
        black_box(
            value
                .iter()
                .rev()
                .zip(right.iter().rev())
                .take_while(|(one, other)| one == other)
                .count(),
        );
    };
    let t_of_leak = t(&first, &last, leaks);
    println!("time of a comparison that ends early: |t| = {t_of_leak:.1}");
    if t_of_leak < LEAK {
        println!("... which is not found: the machine is too noisy");
        return false;
    }
    let pairs = [
        ("first or last digit", &first, &last),
        ("last digit or all", &last, &all),
    ];
    let mut is_the_same = true;
    for (what, one, other) in pairs {
        let t = t(one, other, verify);
        let verdict = match t {
            ..SUSPECT => "no difference",
            SUSPECT..LEAK => "perhaps a difference",
            _ => "A DIFFERENCE",
        };
        println!("time of wrong signatures, {what}: |t| = {t:.1}, {verdict}");
        is_the_same &= t < LEAK;
    }
    is_the_same
}

const SUSPECT: f64 = 4.5;
const LEAK: f64 = 10.0;

/// Statistics of the times of one signature: their number, their mean and the sum of squared differences from it (Welford).
#[derive(Clone, Copy, Default)]
struct Times {
    number: f64,
    mean: f64,
    squares: f64,
}

impl Times {
    fn add(&mut self, time: f64) {
        self.number += 1.0;
        let distance = time - self.mean;
        self.mean += distance / self.number;
        self.squares += distance * (time - self.mean);
    }

    /// Returns the square of the standard error of the mean.
    fn error(&self) -> f64 {
        self.squares / (self.number - 1.0) / self.number
    }
}

/// Returns the maximum of Welch's t for the times of two values: for all times, and for those up to certain percentiles.
fn t(one: &[u8], other: &[u8], run: impl Fn(&[u8])) -> f64 {
    let mut value = one.to_vec();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let kind = usize::from(random & 1 << 32 != 0);
        // Both values are read each time, so that their addresses do not matter.
        let mask = if kind == 0 { 0xff } else { 0 };
        for (byte, (one, other)) in value.iter_mut().zip(one.iter().zip(other)) {
            *byte = one & mask | other & !mask;
        }
        let value = black_box(&value[..]);
        let begin = Instant::now();
        run(value);
        samples.push((kind, begin.elapsed().as_nanos() as f64));
    }
    let mut sorted: Vec<f64> = samples.iter().map(|(_, time)| *time).collect();
    sorted.sort_by(f64::total_cmp);
    let longest = |share: f64| sorted[(share * (SAMPLES - 1) as f64) as usize];
    let limits = [1.0, 0.99, 0.95, 0.9, 0.75, 0.5].map(longest);
    let of_those = limits.map(|limit| {
        let mut times = [Times::default(); 2];
        for (kind, time) in samples.iter().filter(|(_, time)| *time <= limit) {
            times[*kind].add(*time);
        }
        let [one, other] = times;
        ((one.mean - other.mean) / (one.error() + other.error()).sqrt()).abs()
    });
    of_those
        .into_iter()
        .filter(|t| t.is_finite())
        .fold(0.0, f64::max)
}
