//! Finds the resource of a request in its path.

use memchr::memmem;

/// A resource below the location of the status page. Names are as in the path, and may be percent-encoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource<'a> {
    /// The location itself.
    Root,
    /// `upstreams`: all upstreams.
    Upstreams,
    /// `upstreams/NAME`
    Upstream(&'a [u8]),
    /// `upstreams/NAME/servers`
    Servers(&'a [u8]),
    /// `upstreams/NAME/servers/ID`
    Server {
        /// The name of the upstream.
        upstream: &'a [u8],
        /// The ID or the address of the server.
        server: &'a [u8],
    },
    /// `upstreams/NAME/explain`
    Explain(&'a [u8]),
}

/// The path between the location and the names.
const UPSTREAMS: &[u8] = b"/upstreams/";

impl<'a> Resource<'a> {
    /// Returns the resource of a request target, without its query, or `None` if there is no such resource.
    ///
    /// The path of the location is not known, since a regular expression may define it. The first `/upstreams/`
    /// therefore counts, and a path without one denotes the location itself. nginx selects the location, and its access
    /// rules, by the decoded path: if that contains an earlier `/upstreams/`, there is no such resource.
    ///
    /// ```
    /// use session_cookie::endpoint::Resource;
    ///
    /// let server = Resource::Server { upstream: b"app", server: b"unix:%2Fa" };
    /// assert_eq!(Resource::of(b"/status/upstreams/app/servers/unix:%2Fa?x"), Some(server));
    /// assert_eq!(Resource::of(b"/status"), Some(Resource::Root));
    /// assert_eq!(Resource::of(b"/status/upstreams/app/what"), None);
    /// ```
    pub fn of(target: &'a [u8]) -> Option<Self> {
        let path = memchr::memchr2(b'?', b'#', target).and_then(|end| target.get(..end));
        let path = path.unwrap_or(target);
        let Some(start) = memmem::find(path, UPSTREAMS) else {
            return Some(if path.ends_with(b"/upstreams") {
                Resource::Upstreams
            } else {
                Resource::Root
            });
        };
        let (location, names) = path.split_at_checked(start)?;
        if hides_upstreams(location) {
            return None;
        }
        let names = names.get(UPSTREAMS.len()..)?;
        let names = names.strip_suffix(b"/").unwrap_or(names);
        let mut names = names.split(|byte| *byte == b'/');
        let mut next = || names.next();
        let resource = match (next()?, next(), next(), next()) {
            (b"", None, ..) => Resource::Upstreams,
            (b"", ..) => return None,
            (name, None, ..) => Resource::Upstream(name),
            (name, Some(b"servers"), None, _) => Resource::Servers(name),
            (name, Some(b"explain"), None, _) => Resource::Explain(name),
            (upstream, Some(b"servers"), Some(server), None) if !server.is_empty() => {
                Resource::Server { upstream, server }
            }
            _ => return None,
        };
        Some(resource)
    }
}

/// Returns whether a text contains [`UPSTREAMS`] once it is decoded.
fn hides_upstreams(text: &[u8]) -> bool {
    memchr::memchr(b'%', text).is_some()
        && (0..text.len()).any(|start| {
            let mut rest = text.get(start..).unwrap_or_default();
            UPSTREAMS
                .iter()
                .all(|byte| take_decoded(&mut rest) == Some(*byte))
        })
}

/// Takes the next byte, which may be percent-encoded.
fn take_decoded(text: &mut &[u8]) -> Option<u8> {
    let (first, rest) = text.split_first()?;
    let digit = |byte: &u8| u8::try_from(char::from(*byte).to_digit(16)?).ok();
    if let (b'%', [high, low, behind @ ..]) = (first, rest) {
        if let (Some(high), Some(low)) = (digit(high), digit(low)) {
            *text = behind;
            return Some(high << 4 | low);
        }
    }
    *text = rest;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn of(target: &str) -> Option<Resource<'_>> {
        Resource::of(target.as_bytes())
    }

    #[test]
    fn each_resource_has_its_path_with_and_without_a_slash_at_its_end() {
        let all = [
            ("/s", Resource::Root),
            ("/s/upstreams", Resource::Upstreams),
            ("/s/upstreams/a", Resource::Upstream(b"a")),
            ("/s/upstreams/a/servers", Resource::Servers(b"a")),
            ("/s/upstreams/a/explain", Resource::Explain(b"a")),
            (
                "/s/upstreams/a/servers/b",
                Resource::Server {
                    upstream: b"a",
                    server: b"b",
                },
            ),
        ];
        for (path, resource) in all {
            for end in ["", "/", "?", "?/upstreams/x", "/?a=b#c", "#/upstreams/x"] {
                assert_eq!(of(&format!("{path}{end}")), Some(resource), "{path}{end}");
            }
        }
    }

    #[test]
    fn what_is_no_resource_is_none() {
        let none = [
            "//",
            "/a/b",
            "/a/b",
            "/a//servers",
            "a/what",
            "a/servers/b/c",
            "a/servers//",
            "a/servers//b",
            "a/explain/b",
            "a/servers/unix:/run/a",
            "/servers/a",
        ];
        for names in none {
            assert_eq!(of(&format!("/s/upstreams/{names}")), None, "{names}");
        }
    }

    #[test]
    fn the_first_of_several_counts() {
        let none = [
            "/s/upstreams/a/upstreams/b",
            "/s/upstreams/a/upstreams/b/servers/c",
            "/s/upstreams%2Fa/upstreams/b",
            "/s%2fupstreams%2fa/upstreams/b",
            "/s/%75pstream%73/a/upstreams/b",
        ];
        for path in none {
            assert_eq!(of(path), None, "{path}");
        }
        for path in [
            "/s%2Fup%zz/upstreams/a",
            "/s%2/upstreams/a",
            "/%/upstreams/a",
        ] {
            assert_eq!(of(path), Some(Resource::Upstream(b"a")), "{path}");
        }
        let server = Resource::Server {
            upstream: b"a",
            server: b"unix:%2Fupstreams%2Fb",
        };
        assert_eq!(
            of("/s/upstreams/a/servers/unix:%2Fupstreams%2Fb"),
            Some(server)
        );
        assert_eq!(of("/upstreams"), Some(Resource::Upstreams));
        assert_eq!(of("/myupstreams/a"), Some(Resource::Root));
        assert_eq!(of(""), Some(Resource::Root));
    }

    proptest! {
        #[test]
        fn names_that_are_encoded_are_found(
            location in "/?[ -~&&[^?#]]{0,20}",
            upstream in "[ -~&&[^?#/]]{1,12}",
            server in "[ -~&&[^?#/]]{1,12}",
        ) {
            prop_assume!(upstream != "upstreams" && server != "upstreams");
            let target = format!("{location}/upstreams/{upstream}/servers/{server}");
            let (upstream, server) = (upstream.as_bytes(), server.as_bytes());
            prop_assert_eq!(of(&target), Some(Resource::Server { upstream, server }));
        }

        #[test]
        fn any_bytes_may_be_given(target: Vec<u8>) {
            Resource::of(&target);
        }
    }
}
