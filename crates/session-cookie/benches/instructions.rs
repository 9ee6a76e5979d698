//! Instructions per call of each measured function, counted by callgrind.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod callgrind;
mod subjects;

use std::env;

const TURNS: (u64, u64) = (1_000, 3_000);

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, name, times] = &arguments[..] {
        run(name, times.parse().unwrap());
        return;
    }

    println!("{:<44} {:>12}", "", "instructions");
    for subject in subjects::all() {
        let cost = callgrind::turn(&[&subject.name], TURNS);
        println!("{:<44} {cost:>12}", subject.name);
    }
}

fn run(name: &str, times: u64) {
    let mut subject = subjects::all()
        .into_iter()
        .find(|subject| subject.name == name)
        .unwrap();
    for _ in 0..times {
        (subject.run)();
    }
}
