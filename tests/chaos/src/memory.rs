//! The memory of a process, from /proc.

use std::collections::HashSet;
use std::{fmt, fs};

#[derive(Clone, Copy, Default)]
pub(crate) struct Memory {
    /// Anonymous memory in KiB: heap, stack, modified pages of files.
    pub(crate) private: u64,
    pub(crate) descriptors: usize,
    /// The number of mapped files of the module: each replacement is a separate file.
    pub(crate) modules: usize,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Memory {
            private,
            descriptors,
            modules,
        } = self;
        write!(
            f,
            "{private} KiB of its own, {descriptors} files open, {modules} of the module mapped"
        )
    }
}

pub(crate) fn of(process: u32, module: &str) -> Memory {
    let read = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}"));
    let private = read("status").unwrap_or_default();
    let private = private
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .and_then(|line| line.split_whitespace().next()?.parse().ok());
    Memory {
        private: private.unwrap_or_default(),
        descriptors: fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count),
        modules: read("maps")
            .unwrap_or_default()
            .lines()
            .filter(|line| line.contains(module))
            // The address range, permissions, offset, device, inode, name.
            .filter_map(|line| line.split_whitespace().nth(4))
            .collect::<HashSet<_>>()
            .len(),
    }
}
