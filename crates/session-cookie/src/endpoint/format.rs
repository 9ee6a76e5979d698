//! Content negotiation: the format of the response (RFC 9110, section 12.5.1).

use crate::bytes::trim;

/// The format of the response. If a client accepts several with the same preference, the first in this list is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Format {
    /// The HTML page.
    Page,
    /// The JSON document.
    Json,
    /// Prometheus' text format.
    Prometheus,
}

/// A client's preference for a format: the quality value in thousandths, and how specific the matching media range is.
type Liking = (u16, u8);

impl Format {
    /// Returns the format named by a query parameter.
    pub fn of_name(name: &[u8]) -> Option<Self> {
        match name {
            b"html" => Some(Format::Page),
            b"json" => Some(Format::Json),
            b"prometheus" => Some(Format::Prometheus),
            _ => None,
        }
    }

    /// Returns the format that a client prefers by its `Accept` fields, or the page if it accepts none of them.
    ///
    /// With the same quality, a more specific range takes precedence: clients that append `*/*` prefer the types that
    /// they name.
    ///
    /// ```
    /// use session_cookie::endpoint::Format;
    ///
    /// let accepts = |field: &'static str| Format::accepted([field.as_bytes()].into_iter());
    /// assert_eq!(accepts("text/html,application/xml;q=0.9,*/*;q=0.8"), Format::Page);
    /// assert_eq!(accepts("application/json, text/plain, */*"), Format::Json);
    /// assert_eq!(accepts("application/openmetrics-text;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"), Format::Prometheus);
    /// ```
    pub fn accepted<'a>(fields: impl Iterator<Item = &'a [u8]>) -> Self {
        // The most specific range determines the quality of a type, whatever the order of the ranges.
        let mut likings: [Option<(u8, u16)>; 3] = [None; 3];
        for range in fields.flat_map(|field| field.split(|byte| *byte == b',')) {
            let (range, quality) = read_range(range);
            for (format, liking) in Self::ALL.iter().zip(&mut likings) {
                if let Some(closeness) = format.closeness(range) {
                    *liking = (*liking).max(Some((closeness, quality)));
                }
            }
        }
        let mut best = (Format::Page, (0, 0));
        for (format, liking) in Self::ALL.iter().zip(likings) {
            let liking: Liking = liking.map_or((0, 0), |(closeness, quality)| (quality, closeness));
            if liking.0 > 0 && liking > best.1 {
                best = (*format, liking);
            }
        }
        best.0
    }

    const ALL: [Self; 3] = [Format::Page, Format::Json, Format::Prometheus];

    /// Returns how specifically a media range names the format, if it matches.
    fn closeness(self, range: &[u8]) -> Option<u8> {
        let names: &[&[u8]] = match self {
            Format::Page => &[b"*/*", b"text/*", b"text/html"],
            Format::Json => &[b"*/*", b"application/*", b"application/json"],
            // Scrapers accept these types. Only scrapers request OpenMetrics, and they accept the text format as well.
            Format::Prometheus => &[b"", b"", b"text/plain", b"application/openmetrics-text"],
        };
        let mut closeness = (0..).zip(names);
        let (closeness, _) =
            closeness.find(|(_, name)| !name.is_empty() && range.eq_ignore_ascii_case(name))?;
        Some(closeness)
    }
}

/// Parses a media range without its parameters, and its quality in thousandths.
fn read_range(range: &[u8]) -> (&[u8], u16) {
    let mut parts = range.split(|byte| *byte == b';');
    let range = trim(parts.next().unwrap_or_default());
    let quality = parts.find_map(|part| match trim(part) {
        [b'q' | b'Q', b'=', quality @ ..] => Some(read_quality(quality)),
        _ => None,
    });
    (range, quality.unwrap_or(1000))
}

/// Parses a quality value. A malformed one counts as 0.
fn read_quality(text: &[u8]) -> u16 {
    let (whole, fraction) = match text {
        [whole @ (b'0' | b'1')] => (*whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return 0,
    };
    let mut thousandths = if whole == b'1' { 1000 } else { 0 };
    for (digit, worth) in fraction.iter().zip([100u16, 10, 1]) {
        match char::from(*digit).to_digit(10).map(u16::try_from) {
            Some(Ok(digit)) => {
                thousandths = worth.saturating_mul(digit).saturating_add(thousandths)
            }
            _ => return 0,
        }
    }
    thousandths.min(1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn accepted(fields: &[&str]) -> Format {
        Format::accepted(fields.iter().map(|field| field.as_bytes()))
    }

    #[test]
    fn browsers_get_the_page() {
        for field in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
            "*/*",
            "text/*",
            "",
            "image/png",
            "text/html;q=0",
            "application/json;q=0",
            "text/html, application/json",
        ] {
            assert_eq!(accepted(&[field]), Format::Page, "{field}");
        }
        assert_eq!(accepted(&[]), Format::Page);
    }

    #[test]
    fn programs_get_json() {
        for field in [
            "application/json",
            "Application/JSON ; charset=utf-8",
            "application/*",
            "text/html;q=0.5, application/json",
            "application/json;q=0.2, */*;q=0.1",
            "application/json;q=0.9,text/plain;q=0.899",
            "*/*;q=0.5, application/json;q=0.500",
            "application/json;q=1.000, text/html;q=0.999",
        ] {
            assert_eq!(accepted(&[field]), Format::Json, "{field}");
        }
        assert_eq!(
            accepted(&["text/plain;q=0.1", "application/json"]),
            Format::Json
        );
    }

    #[test]
    fn scrapers_get_prometheus_text() {
        for field in [
            // Prometheus 2.42 (Debian 12), 2.5, 3.0
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            "text/plain;version=0.0.4",
            "text/plain",
        ] {
            assert_eq!(accepted(&[field]), Format::Prometheus, "{field}");
        }
    }

    #[test]
    fn a_malformed_quality_is_none() {
        for quality in ["", "2", "0.0001", "1.", "a", "-1", "0.1a", "1.5", "00"] {
            let field = alloc::format!("application/json;q={quality}, text/plain;q=0.001");
            let expected = match quality {
                "1." | "1.5" => Format::Json,
                _ => Format::Prometheus,
            };
            assert_eq!(accepted(&[&field]), expected, "{quality}");
        }
    }

    #[test]
    fn a_parameter_names_a_format() {
        assert_eq!(Format::of_name(b"json"), Some(Format::Json));
        assert_eq!(Format::of_name(b"html"), Some(Format::Page));
        assert_eq!(Format::of_name(b"prometheus"), Some(Format::Prometheus));
        assert_eq!(Format::of_name(b"JSON"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_may_be_given(fields: Vec<Vec<u8>>) {
            Format::accepted(fields.iter().map(Vec::as_slice));
        }

        #[test]
        fn the_order_of_ranges_means_nothing(q in 0u16..=1000, r in 0u16..=1000, s in 0u16..=1000) {
            let range = |name: &str, q: u16| alloc::format!("{name};q={}.{:03}", q / 1000, q % 1000);
            let ranges = [range("application/json", q), range("text/plain", r), range("*/*", s)];
            let [a, b, c] = [&ranges[0][..], &ranges[1][..], &ranges[2][..]];
            prop_assert_eq!(accepted(&[a, b, c]), accepted(&[c, b, a]));
            prop_assert_eq!(accepted(&[a, b, c]), accepted(&[&[b, c, a].join(", ")]));
        }
    }
}
