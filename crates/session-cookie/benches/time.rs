//! Time per call of each measured function, measured by criterion.

#![allow(clippy::arithmetic_side_effects, clippy::unwrap_used)]

mod subjects;

use std::time::Duration;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(600))
        .sample_size(30)
        .configure_from_args();
    for mut subject in subjects::all() {
        criterion.bench_function(&subject.name, |bencher| bencher.iter(|| (subject.run)()));
    }
    criterion.final_summary();
}
