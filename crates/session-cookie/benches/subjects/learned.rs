//! The table of learned sessions, with different numbers of sessions.

use std::cell::OnceCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::AtomicU32;

use session_cookie::learned::{Header, Key, Layout, Secret, ServerId, Slot, Table, Tick, Timeout};

use super::{add, Subject, ID};

/// The distance between consecutively used sessions, a prime: memory is accessed in no particular order.
const STRIDE: u32 = 7_919;

/// A measured function, which is passed the number of the turn.
type Function = Box<dyn Fn(&Table<'_>, u32)>;

/// A full table.
struct Full {
    header: Header,
    buckets: Vec<AtomicU32>,
    slots: Vec<Slot>,
}

impl Full {
    fn new(sessions: u32) -> Self {
        let bytes = (1..).map(|kilobytes| kilobytes << 10);
        let layout = bytes
            .filter_map(Layout::of)
            .find(|layout| layout.slots >= sessions as usize)
            .unwrap();
        let full = Full {
            header: Header::default(),
            buckets: (0..layout.buckets).map(|_| AtomicU32::new(0)).collect(),
            slots: (0..sessions).map(|_| Slot::default()).collect(),
        };
        full.table().clear(Secret([1, 2]));
        for session in 0..sessions {
            let key = key(session);
            full.table()
                .learn(key, &server(), Tick::from_millis(0), timeout());
        }
        full
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.header, &self.buckets, &self.slots)
    }
}

fn server() -> ServerId {
    ServerId::new(ID.as_bytes()).unwrap()
}

fn timeout() -> Timeout {
    Timeout::from_millis(600_000)
}

fn key(session: u32) -> Key {
    Key::new(&Secret([1, 2]), &session.to_le_bytes())
}

/// Adds the functions of a table, and one that does nothing, for comparison.
pub(super) fn learned(subjects: &mut Vec<Subject>) {
    add(subjects, "learned key/26 bytes", || {
        let session = black_box(b"0123456789abcdef0123456789");
        black_box(Key::new(black_box(&Secret([1, 2])), session));
    });
    for sessions in [10_u32, 100_000, 1_000_000] {
        // created on first use, because it takes a while
        let full = Rc::new(OnceCell::new());
        let mut run = |name: &str, run: Function| {
            let full = Rc::clone(&full);
            let mut turn = 0_u32;
            add(subjects, format!("learned {name}/{sessions}"), move || {
                let full = full.get_or_init(|| Full::new(sessions));
                turn = turn.wrapping_add(STRIDE);
                run(&full.table(), turn);
            });
        };
        let now = || black_box(Tick::from_millis(1_000));
        run(
            "nothing",
            Box::new(move |table, turn| {
                black_box((table.capacity(), key(turn % sessions), now()));
            }),
        );
        run(
            "find",
            Box::new(move |table, turn| {
                let key = key(turn % sessions);
                assert!(black_box(table.find(key, now(), timeout())).is_some());
            }),
        );
        run(
            "learn kept",
            Box::new(move |table, turn| {
                let key = key(turn % sessions);
                black_box(table.learn(key, &server(), now(), timeout()));
            }),
        );
        run(
            "learn new",
            Box::new(move |table, turn| {
                let key = key(sessions.wrapping_add(turn));
                black_box(table.learn(key, &server(), now(), timeout()));
            }),
        );
    }
}
