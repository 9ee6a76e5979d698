//! Tests of complete and damaged texts.

use proptest::prelude::*;

use super::*;
use crate::bytes::Buffer;
use crate::control::file::{most, read, Damaged, Writer};

type Servers = Vec<(Vec<u8>, Vec<u8>, Override)>;

fn written(servers: &Servers) -> Vec<u8> {
    let mut text = Buffer::with_capacity(most(servers.len())).unwrap();
    let mut writer = Writer::new(&mut text);
    for (upstream, address, over) in servers {
        let (upstream, address, over) = (upstream, address, *over);
        writer.put(Entry {
            upstream,
            address,
            over,
        });
    }
    writer.end();
    text.as_bytes().to_vec()
}

fn parsed(text: &[u8]) -> Result<Servers, Damaged> {
    let mut servers = Servers::new();
    let result = read(text, |entry| {
        servers.push((entry.upstream.to_vec(), entry.address.to_vec(), entry.over));
    });
    assert!(result.is_ok() || servers.is_empty());
    result.map(|()| servers)
}

fn example() -> Servers {
    [
        (&b"app"[..], &b"127.0.0.1:8080"[..], over(State::Drain, 0)),
        (b"app", b"[::1]:8080", over(State::Down, 1_764_271_300)),
        (b"b c%\n", b"unix:/run/b \xff.sock", over(State::Down, 0)),
    ]
    .map(|(upstream, address, over)| (upstream.to_vec(), address.to_vec(), over.unwrap()))
    .to_vec()
}

#[test]
fn a_line_is_a_server() {
    let text = written(&example());
    let expected = "session_sticky_control 1\n\
        drain 0 app 127.0.0.1:8080\n\
        down 1764271300 app [::1]:8080\n\
        down 0 b%20c%25%0a unix:/run/b%20%ff.sock\n\
        end 3\n";
    assert_eq!(text, expected.as_bytes());
    assert_eq!(parsed(&text), Ok(example()));
    assert_eq!(parsed(&written(&Servers::new())), Ok(Servers::new()));
}

#[test]
fn a_part_of_a_text_is_none() {
    let text = written(&example());
    for end in 0..text.len() {
        assert!(parsed(&text[..end]).is_err(), "{end}");
    }
    for (text, line) in [
        (&b""[..], 1),
        (b"\n", 1),
        (b"session_sticky_control 2\nend 0\n", 1),
        (b"session_sticky_control 1\n", 2),
        (b"session_sticky_control 1\nend 1\n", 2),
        (b"session_sticky_control 1\nend 0\n\n", 2),
        (b"session_sticky_control 1\nend 0\nend 0\n", 2),
        (b"session_sticky_control 1\nend +0\n", 2),
        (b"session_sticky_control 1\ndrain 0 app\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain 0 app a b\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain 0  a\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain  app a\nend 1\n", 2),
        (b"session_sticky_control 1\nup 0 app a\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain 0 app a%2\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain 0 app a%zz\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain 0 app a%+2\nend 1\n", 2),
        (b"session_sticky_control 1\ndrain 0 app a\"\nend 1\n", 2),
        (
            b"session_sticky_control 1\ndrain 99999999999999999999 app a\nend 1\n",
            2,
        ),
        (b"session_sticky_control 1\r\nend 0\r\n", 1),
    ] {
        assert_eq!(
            parsed(text),
            Err(Damaged(line)),
            "{:?}",
            core::str::from_utf8(text)
        );
    }
    let long = std::format!(
        "session_sticky_control 1\ndrain 0 {} b\nend 1\n",
        "a".repeat(MAX_NAMES)
    );
    assert_eq!(parsed(long.as_bytes()), Err(Damaged(2)));
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 1..MAX_NAMES / 2)
}

proptest! {
    #[test]
    fn whatever_was_said_is_read_again(
        servers in proptest::collection::vec((name(), name(), any::<bool>(), 0..1_u64 << 56), 0..6),
    ) {
        let servers: Servers = servers.into_iter().map(|(upstream, address, is_down, until)| {
            let state = if is_down { State::Down } else { State::Drain };
            (upstream, address, over(state, until).unwrap())
        }).collect();
        let text = written(&servers);
        prop_assert!(text.len() <= most(servers.len()));
        prop_assert_eq!(parsed(&text), Ok(servers));
    }

    #[test]
    fn whatever_is_read_can_be_written(at in 0..200_usize, byte in any::<u8>(), text in any::<Option<Vec<u8>>>()) {
        let mut text = text.unwrap_or_else(|| written(&example()));
        if let Some(place) = text.get_mut(at) {
            *place = byte;
        }
        if let Ok(servers) = parsed(&text) {
            prop_assert_eq!(parsed(&written(&servers)), Ok(servers));
        }
    }
}
