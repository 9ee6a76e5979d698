//! Runs every fuzz target with the inputs in `seeds/`, without a fuzzer, as a regression test.

#![cfg(not(feature = "libfuzzer"))]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Declares the targets by their files, and defines a test for each.
macro_rules! targets {
    ($($name:ident $file:literal)*) => {
        const TARGETS: &[&str] = &[$(stringify!($name)),*];

        $(
            #[path = $file]
            mod $name;
        )*

        mod seeds {
            $(
                #[test]
                fn $name() {
                    crate::replay(stringify!($name), crate::$name::run);
                }
            )*
        }
    };
}

targets! {
    control "../fuzz_targets/control.rs"
    cookie "../fuzz_targets/cookie.rs"
    endpoint "../fuzz_targets/endpoint.rs"
    foreign "../fuzz_targets/foreign.rs"
    keys "../fuzz_targets/keys.rs"
    learned "../fuzz_targets/learned.rs"
    session "../fuzz_targets/session.rs"
    set_cookie "../fuzz_targets/set_cookie.rs"
    verdict "../fuzz_targets/verdict.rs"
    words "../fuzz_targets/words.rs"
}

/// Runs a target with each of its seeds. If a test fails, the last path printed is that of the failing seed.
fn replay(target: &str, run: fn(&[u8])) {
    let seeds = files(&Path::new("seeds").join(target));
    assert!(!seeds.is_empty());
    for seed in seeds {
        println!("{}", seed.display());
        run(&fs::read(&seed).expect("a seed can be read"));
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("there is the folder");
    let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn no_target_is_missing_here() {
    let names = |folder: &str| -> BTreeSet<_> {
        let stem = |file: &PathBuf| file.file_stem().map(|stem| stem.to_owned());
        files(Path::new(folder)).iter().filter_map(stem).collect()
    };
    let targets: BTreeSet<_> = TARGETS.iter().map(|target| (*target).into()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("seeds"), targets);
}
