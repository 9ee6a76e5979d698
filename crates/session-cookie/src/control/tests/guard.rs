//! Tests of requests that the operator intends to send, and of requests from other sites.

use crate::control::guard::{
    is_address_or_localhost, is_json, is_named, is_own_origin, is_own_site,
};

#[test]
fn json_is_what_no_form_sends() {
    for media_type in [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json ;x",
    ] {
        assert!(is_json(media_type.as_bytes()), "{media_type}");
    }
    for media_type in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "text/plain; application/json",
        "application/json-patch+json",
        "application/jsonx",
        ";application/json",
    ] {
        assert!(!is_json(media_type.as_bytes()), "{media_type}");
    }
}

#[test]
fn other_sites_are_told_by_the_browser() {
    assert!(is_own_site(b"same-origin") && is_own_site(b"none"));
    for site in [
        "same-site",
        "cross-site",
        "",
        "None",
        "same-origin, cross-site",
    ] {
        assert!(!is_own_site(site.as_bytes()), "{site}");
    }
}

#[test]
fn an_address_is_no_name() {
    for host in [
        "127.0.0.1",
        "192.0.2.1",
        "[::1]",
        "[2001:db8::1]",
        "[::ffff:127.0.0.1]",
        "localhost",
        "LocalHost",
    ] {
        assert!(is_address_or_localhost(host.as_bytes()), "{host}");
    }
    for host in [
        "",
        "example.org",
        "127.0.0.1.example.org",
        "127.1",
        "0x7f.0.0.1",
        "0177.0.0.1",
        "2130706433",
        "127.0.0.1:80",
        "::1",
        "[::1",
        "[::1]:80",
        "[fe80::1%25eth0]",
        "[127.0.0.1]",
        "localhost.example.org",
        "notlocalhost",
        "localhost:80",
    ] {
        assert!(!is_address_or_localhost(host.as_bytes()), "{host}");
    }
    assert!(!is_address_or_localhost(b"\xff"));
}

#[test]
fn names_are_those_of_nginx() {
    for (name, host, expected) in [
        ("example.org", "example.org", true),
        ("example.org", "EXAMPLE.org", true),
        ("example.org", "www.example.org", false),
        ("example.org", "example.org.evil.test", false),
        ("*.example.org", "www.example.org", true),
        ("*.example.org", "a.b.example.org", true),
        ("*.example.org", "example.org", false),
        ("*.example.org", ".example.org", false),
        ("*.example.org", "evilexample.org", false),
        (".example.org", "example.org", true),
        (".example.org", "www.example.org", true),
        (".example.org", "evilexample.org", false),
        ("www.example.*", "www.example.org", true),
        ("www.example.*", "www.example.co.uk", true),
        ("www.example.*", "www.example", false),
        ("www.example.*", "www.example.", false),
        ("www.example.*", "www.examples.org", false),
        ("_", "example.org", false),
        ("", "example.org", false),
        ("", "", false),
        ("example.org", "", false),
    ] {
        assert_eq!(
            is_named(name.as_bytes(), host.as_bytes()),
            expected,
            "{name} {host}"
        );
    }
}

#[test]
fn an_origin_is_that_of_the_page() {
    for (origin, host, is_tls, expected) in [
        ("http://status.test", "status.test", false, true),
        ("http://status.test:8080", "status.test:8080", false, true),
        ("http://Status.test", "status.TEST", false, true),
        ("https://status.test", "status.test", false, true),
        ("https://status.test", "status.test", true, true),
        ("http://status.test", "status.test", true, false),
        ("http://[::1]:8080", "[::1]:8080", false, true),
        ("http://status.test:8081", "status.test:8080", false, false),
        ("http://status.test", "status.test:8080", false, false),
        ("http://evil.test", "status.test", false, false),
        ("http://status.test.evil.test", "status.test", false, false),
        (
            "http://status.test http://evil.test",
            "status.test",
            false,
            false,
        ),
        ("null", "status.test", false, false),
        ("", "", false, false),
        ("http://", "", false, false),
        ("ftp://status.test", "status.test", false, false),
        ("status.test", "status.test", false, false),
    ] {
        let is_own = is_own_origin(origin.as_bytes(), host.as_bytes(), is_tls);
        assert_eq!(is_own, expected, "{origin} {host}");
    }
}
