//! The table of learned sessions, against their number.

use std::cell::OnceCell;
use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::AtomicU32;

use session_cookie::learned::{Header, Key, Layout, Secret, ServerId, Slot, Table, Tick, Timeout};

use super::{add, Subject, ID};

/// A prime: the sessions of a table in an order that its memory knows nothing of.
const STRIDE: u32 = 7_919;

/// What is measured, with the number of a turn.
type Function = Box<dyn Fn(&Table<'_>, u32)>;

/// A table that is full.
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

/// The functions of a table, without and with what they find.
pub(super) fn learned(subjects: &mut Vec<Subject>) {
    add(subjects, "learned key/26 bytes", || {
        let session = black_box(b"0123456789abcdef0123456789");
        black_box(Key::new(black_box(&Secret([1, 2])), session));
    });
    for sessions in [10_u32, 100_000, 1_000_000] {
        // made when it is needed: it takes a while
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
