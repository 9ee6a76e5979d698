//! `chaos`: disrupts a real nginx with the real module, and judges the responses to its clients.
//!
//! See README.md of this crate.

// A test program may panic if its own expectations fail.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing
)]

mod asking;
mod backend;
mod client;
mod conduct;
mod control;
mod counters;
mod history;
mod judge;
mod keys;
mod log;
mod memory;
mod nginx;
mod options;
mod plan;
mod report;
mod resolver;
mod sessions;
mod topology;
mod world;

use std::process::ExitCode;

fn main() -> ExitCode {
    let options = match options::Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("error: {error}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let outcome = runtime.block_on(conduct::run(&options));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
