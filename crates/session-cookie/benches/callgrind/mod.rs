//! Counts the instructions of this program with callgrind.

use std::env;
use std::process::Command;

/// Returns the number of instructions of one turn. It is the slope between runs of this program with `few` and with `many` turns,
/// so the cost of starting cancels out. The program is called with `arguments` and the number of turns.
pub(crate) fn turn(arguments: &[&str], (few, many): (u64, u64)) -> u64 {
    let counted = |turns| counted(arguments, turns);
    let turns = many - few;
    // Rounds: the cost of starting varies slightly.
    (counted(many) - counted(few) + turns / 2) / turns
}

fn counted(arguments: &[&str], turns: u64) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().unwrap())
        .args(arguments)
        .arg(turns.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text.lines()
        .find_map(|line| line.split("Collected : ").nth(1))
        .and_then(|count| count.trim().parse().ok())
        .unwrap()
}
