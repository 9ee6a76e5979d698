//! Tests of valid and invalid bodies.

use std::string::String;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

fn read(body: &str) -> Option<(Target, Option<&str>)> {
    let change = Change::read(body.as_bytes()).ok()?;
    let duration = change
        .duration
        .map(|time| core::str::from_utf8(time).unwrap());
    Some((change.target, duration))
}

#[test]
fn bodies_that_are_understood() {
    for (body, target, duration) in [
        (r#"{"state":"up"}"#, Target::Up, None),
        (r#"{"state":"drain"}"#, Target::Drain, None),
        (r#"{"state":"down","for":"30m"}"#, Target::Down, Some("30m")),
        (
            r#"{"for":"1h 30m","state":"drain"}"#,
            Target::Drain,
            Some("1h 30m"),
        ),
        (r#"{"drain":true}"#, Target::Drain, None),
        (r#"{"drain":false}"#, Target::Up, None),
        (" \t\r\n{ \"drain\" : true } \n", Target::Drain, None),
    ] {
        assert_eq!(read(body), Some((target, duration)), "{body}");
    }
}

#[test]
fn bodies_that_are_not() {
    for body in [
        "",
        " ",
        "{}",
        "null",
        "true",
        "[]",
        r#""drain""#,
        r#"{"drain":"true"}"#,
        r#"{"drain":1}"#,
        r#"{"drain":null}"#,
        r#"{"drain":truetrue}"#,
        r#"{"drain":t}"#,
        r#"{"drain":TRUE}"#,
        r#"{"drain":true,}"#,
        r#"{,"drain":true}"#,
        r#"{"drain":true"#,
        r#"{"drain":true}}"#,
        r#"{"drain":true} x"#,
        r#"{"drain":true,"drain":true}"#,
        r#"{"drain":true,"drain":false}"#,
        r#"{"drain":true,"state":"drain"}"#,
        r#"{"drain":true,"for":"30m"}"#,
        r#"{"Drain":true}"#,
        r#"{"drain" true}"#,
        r#"{drain:true}"#,
        r#"{'drain':true}"#,
        r#"{"state":"draining"}"#,
        r#"{"state":"Down"}"#,
        r#"{"state":""}"#,
        r#"{"state":true}"#,
        r#"{"state":"up","for":"30m"}"#,
        r#"{"state":"up","state":"up"}"#,
        r#"{"for":"30m"}"#,
        r#"{"state":"down","for":30}"#,
        r#"{"state":"down","for":"30m","for":"30m"}"#,
        r#"{"state":"down","weight":1}"#,
        r#"{"state":["down"]}"#,
        r#"{"state":{"state":"down"}}"#,
        // Escapes are rejected even if they encode a valid word.
        r#"{"state":"\u0064own"}"#,
        r#"{"st\u0061te":"down"}"#,
        r#"{"state":"down","for":"3\u0030m"}"#,
        r#"{"state":"down","for":"30m\""}"#,
        "{\"state\":\"down\n\"}",
        "{\"state\":\"down\",\"for\":\"\u{e9}\"}",
        "\u{feff}{\"drain\":true}",
        "{\"drain\":true}\0",
        "{\u{a0}\"drain\":true}",
        "// {\n{\"drain\":true}",
    ] {
        assert_eq!(read(body), None, "{body}");
    }
    assert_eq!(Change::read(b"{\"state\":\"\xff\"}"), Err(Nonsense));
}

/// Pieces of a body that is almost valid.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => proptest::sample::select(&[
            "{", "}", ":", ",", "\"", "\"state\"", "\"for\"", "\"drain\"", "\"up\"", "\"down\"", "\"30m\"", "true", "false",
            "\\", " ", "\n", "[", "]", "null",
        ][..]).prop_map(String::from),
        1 => any::<String>(),
    ]
}

proptest! {
    #[test]
    fn whatever_is_read_means_one_thing(pieces in proptest::collection::vec(piece(), 0..12)) {
        let body = pieces.concat();
        if let Ok(change) = Change::read(body.as_bytes()) {
            // The body must contain the same in canonical form.
            let solid: Vec<u8> = body.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let has = |text: &str| solid.windows(text.len()).any(|part| part == text.as_bytes());
            let in_short = has(r#""drain":true"#) || has(r#""drain":false"#);
            let in_full = [r#""state":"up""#, r#""state":"down""#].into_iter().any(has)
                || has(r#""state":"drain""#);
            prop_assert!(in_short != in_full, "{}", body);
            prop_assert!(change.duration.is_none() || in_full && change.target != Target::Up);
            prop_assert!(change.duration.is_none_or(|time| !time.contains(&b'\\')));
        }
    }

    #[test]
    fn bytes_are_refused_without_a_panic(body in proptest::collection::vec(any::<u8>(), 0..64)) {
        prop_assert_eq!(Change::read(&body), Err(Nonsense));
    }

    #[test]
    fn white_space_and_order_do_not_matter(
        spaces in proptest::collection::vec("[ \t\r\n]{0,3}", 10),
        state_first in any::<bool>(),
        time in "[0-9hms ]{0,8}",
    ) {
        let [a, b, c, d, e, f, g, h, i, j] = <[String; 10]>::try_from(spaces).unwrap();
        let time_member = std::format!("\"for\"{a}:{b}\"{time}\"");
        let state_member = std::format!("\"state\"{c}:{d}\"drain\"");
        let (one, other) = if state_first { (state_member, time_member) } else { (time_member, state_member) };
        let body = std::format!("{e}{{{f}{one}{g},{h}{other}{i}}}{j}");
        prop_assert_eq!(read(&body), Some((Target::Drain, Some(&time[..]))));
    }
}
