//! Input that changes the state of servers: the body of a control request, and the state file.

#![cfg_attr(feature = "libfuzzer", no_main)]

use serde_json::Value;
use session_cookie::control::file::{most, read, Writer};
use session_cookie::control::guard::{is_address_or_localhost, is_named, is_own_origin};
use session_cookie::control::{Change, Entry, Target};
use session_cookie_fuzz::{fuzz_target, text, written};

/// An accepted body must be JSON and mean the same to other parsers, which use the last of two members with the same name.
fn check_change(body: &[u8]) {
    let Ok(change) = Change::read(body) else {
        return;
    };
    let json: Value = serde_json::from_slice(body).expect("JSON");
    let members = json.as_object().expect("an object");
    match members.get("drain").and_then(Value::as_bool) {
        Some(is_on) => {
            assert!(members.len() == 1 && change.duration.is_none());
            let target = if is_on { Target::Drain } else { Target::Up };
            assert_eq!(change.target, target);
        }
        None => {
            assert_eq!(members["state"], change.target.as_str());
            let duration = change
                .duration
                .map(|time| std::str::from_utf8(time).unwrap());
            assert_eq!(members.get("for").and_then(Value::as_str), duration);
            assert_eq!(members.len(), 1 + usize::from(duration.is_some()));
        }
    }
}

type Servers = Vec<(Vec<u8>, Vec<u8>, session_cookie::control::Override)>;

fn servers(text: &[u8]) -> Option<Servers> {
    let mut servers = Servers::new();
    let result = read(text, |entry| {
        servers.push((entry.upstream.to_vec(), entry.address.to_vec(), entry.over));
    });
    assert!(result.is_ok() || servers.is_empty());
    result.ok().map(|()| servers)
}

/// A file that can be read must be the same after writing and reading it again.
fn check_file(text: &[u8]) {
    let Some(known) = servers(text) else { return };
    let again = written(most(known.len()), |sink| {
        let mut writer = Writer::new(sink);
        for (upstream, address, over) in &known {
            let (upstream, address, over) = (&upstream[..], &address[..], *over);
            writer.put(Entry {
                upstream,
                address,
                over,
            });
        }
        writer.end();
    });
    assert_eq!(servers(&again), Some(known));
}

fuzz_target!(|seed: &[u8]| {
    check_change(seed);
    let text = text(seed);
    check_change(&text);
    check_file(&[b"session_sticky_control 1\n", &text[..], b"end 1\n"].concat());
    check_file(&text);

    let (host, name) = text.split_at(text.len() / 2);
    assert!(!is_address_or_localhost(host) || host.is_ascii());
    if is_named(name, host) {
        assert!(!host.is_empty() && host.len() + 3 > name.len());
    }
    if is_own_origin(host, name, true) {
        assert!(is_own_origin(host, name, false) && host.len() == name.len() + "https://".len());
    }
});
