//! Instructions of each subject, with callgrind: the slope between two runs of this program, in which its
//! start cancels out.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod subjects;

use std::env;
use std::process::Command;

const FEW: u64 = 1_000;
const MANY: u64 = 3_000;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, name, times] = &arguments[..] {
        run(name, times.parse().unwrap());
        return;
    }

    println!("{:<44} {:>12}", "", "instructions");
    for subject in subjects::all() {
        let cost = (counted(&subject.name, MANY) - counted(&subject.name, FEW)) / (MANY - FEW);
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

/// Runs this program under callgrind.
fn counted(name: &str, times: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args([name, &times.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.lines()
        .find_map(|line| line.split("Collected : ").nth(1))
        .and_then(|count| count.trim().parse().ok())
        .unwrap()
}
