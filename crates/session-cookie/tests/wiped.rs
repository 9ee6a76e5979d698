//! Checks that no part of a key remains in the memory of a process that has read and dropped it. The memory is read from outside,
//! as in a core dump: it belongs to a child process running the same program.

#![cfg(target_os = "linux")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs::{read_to_string, File};
use std::hint::black_box;
use std::io::{stdin, BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

use hmac::{Hmac, KeyInit, Mac};
use session_cookie::bytes::Buffer;
use session_cookie::keys::{Keys, Signer};
use session_cookie::session::signed::Signed;
use session_cookie::session::{Session, Stamps};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// An allocator that never reuses or overwrites freed memory.
struct Keeping;

// SAFETY: memory is allocated by `System` with unchanged arguments. `dealloc` does nothing, so no block is used twice.
unsafe impl GlobalAlloc for Keeping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller upholds the contract of this method, which is the same for `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Keeping = Keeping;

/// Set in the environment of the process whose memory is read.
const IS_READ: &str = "SESSION_COOKIE_TEST_IS_READ";

/// Names the emulator that runs this program if the system cannot run it directly.
const RUN_BY: &str = "SESSION_COOKIE_TEST_RUN_BY";

const READY: &str = "ready to be read";

/// The lengths of the keys. The digest is used for keys longer than a SHA-256 block. There are enough keys to make a vector grow.
const LENGTHS: [usize; 6] = [24, 80, 16, 64, 65, 33];

/// Returns a byte of a key. The keys are computed so that they do not appear in the program itself.
fn key_byte(length: usize, at: usize) -> u8 {
    let letters = b"etaoinshrdlucmfwypvbgkjqxz";
    letters[(length + at * at) % letters.len()]
}

#[test]
fn nothing_is_left_of_keys() {
    if env::var_os(IS_READ).is_some() {
        read_and_drop_keys();
        println!("{READY}");
        stdin().lines().next();
        return;
    }
    let mut process = this_program()
        .args(["--exact", "nothing_is_left_of_keys", "--nocapture"])
        .env(IS_READ, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let output = BufReader::new(process.stdout.take().unwrap());
    let mut lines = output.lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains(READY)));
    let memory = memory(&process);
    drop(process.stdin.take());
    lines.for_each(drop);
    assert!(process.wait().unwrap().success());

    assert!(is_in(&memory, READY.as_bytes()));
    let found: Vec<_> = LENGTHS
        .into_iter()
        .flat_map(traces)
        .filter(|(_, bytes)| is_in(&memory, bytes))
        .map(|(what, _)| what)
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}

fn this_program() -> Command {
    let program = env::current_exe().unwrap();
    let Some(emulator) = env::var_os(RUN_BY) else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.arg(program);
    command
}

fn read_and_drop_keys() {
    let length = LENGTHS.iter().map(|length| length + 1).sum();
    let mut text = Zeroizing::new(Vec::with_capacity(length));
    for length in LENGTHS {
        text.extend((0..length).map(|at| key_byte(length, at)));
        text.push(b'\n');
    }
    let keys = Keys::read(&text).unwrap().keys;
    let signer = keys.signer(b"route").unwrap();
    // Unoptimized code copies states around for each MAC.
    if !cfg!(debug_assertions) {
        use_keys(&keys, &signer);
    }
    black_box((keys, signer));
}

fn use_keys(keys: &Keys, signer: &Signer) {
    let session = Session {
        id: &keys.id(0, b"192.0.2.1:80"),
        stamps: Some(Stamps {
            last_seen: 1_556_447_041,
            first_seen: 1_556_440_041,
        }),
    };
    let mut value = Buffer::with_capacity(200).unwrap();
    signer.encode(&session, &mut value);
    black_box(signer.verify(&Signed::parse(value.as_bytes()).unwrap()));
}

/// Returns the contents of the writable memory of a process.
fn memory(process: &Child) -> Vec<Vec<u8>> {
    let of_process = |file: &str| format!("/proc/{}/{file}", process.id());
    let memory = File::open(of_process("mem")).unwrap();
    let maps = read_to_string(of_process("maps")).unwrap();
    let writable = maps.lines().filter(|line| line.contains(" rw"));
    let read = writable.filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(end - start).unwrap()];
        memory.read_exact_at(&mut bytes, start).ok()?;
        Some(used_pages(&bytes))
    });
    read.flatten().collect()
}

/// Returns the parts of a memory region between pages of zeros, of which an emulator has many.
fn used_pages(memory: &[u8]) -> Vec<Vec<u8>> {
    const PAGE: usize = 4096;
    let is_used = |page: &&[u8]| **page != [0; PAGE];
    let pages: Vec<_> = memory.chunks(PAGE).collect();
    let parts = pages.chunk_by(|page, next| is_used(page) == is_used(next));
    let used = parts.filter(|part| part.first().is_some_and(is_used));
    used.map(<[_]>::concat).collect()
}

fn is_in(memory: &[Vec<u8>], bytes: &[u8]) -> bool {
    let finder = memchr::memmem::Finder::new(bytes);
    memory.iter().any(|part| finder.find(part).is_some())
}

/// Returns the byte sequences that would reveal the key of this length or the key derived from it, each with a description.
fn traces(length: usize) -> Vec<(String, Vec<u8>)> {
    let key: Vec<_> = (0..length).map(|at| key_byte(length, at)).collect();
    let mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let derived = mac.chain_update(b"\0signature of cookie route").finalize();
    let mut traces = traces_of(&key);
    traces.extend(traces_of(&derived.into_bytes()));
    for (what, _) in &mut traces {
        what.push_str(&format!(", key of {length} bytes"));
    }
    traces
}

fn traces_of(key: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut traces = vec![("key".to_owned(), key[..16].to_vec())];
    let digest = Sha256::digest(key);
    let used = if key.len() > 64 { &digest } else { key };
    for (pad, pass) in [(0x36, "inner"), (0x5c, "outer")] {
        let mut block = [pad; 64];
        block
            .iter_mut()
            .zip(used)
            .for_each(|(byte, key)| *byte ^= key);
        traces.push((format!("{pass} block"), block[..16].to_vec()));
        // as words in the byte order of the processor
        let in_words = |bytes: &[u8]| -> Vec<u8> {
            bytes
                .chunks(4)
                .flat_map(|word| word.iter().rev())
                .copied()
                .collect()
        };
        traces.push((format!("{pass} block in words"), in_words(&block[..16])));
        for (number, pair) in state(&block).chunks(2).enumerate() {
            for pair in [[pair[0], pair[1]], [pair[1], pair[0]]] {
                let bytes = pair.map(u32::to_ne_bytes).concat();
                traces.push((format!("{pass} state, pair {number}"), bytes));
            }
        }
    }
    traces
}

/// Returns the SHA-256 state after one block.
fn state(block: &[u8; 64]) -> [u32; 8] {
    let mut state = [
        0x6a09_e667,
        0xbb67_ae85,
        0x3c6e_f372,
        0xa54f_f53a,
        0x510e_527f,
        0x9b05_688c,
        0x1f83_d9ab,
        0x5be0_cd19,
    ];
    sha2::block_api::compress256(&mut state, &[*block]);
    state
}
