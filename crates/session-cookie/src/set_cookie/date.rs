//! Parsing of dates in `Expires`, in all forms that user agents accept (RFC 6265, section 5.1.1).

use crate::bytes::leading_decimal;

const MONTHS: [&[u8; 3]; 12] = [
    b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec",
];

/// The parts of a date found so far.
#[derive(Default)]
struct Parts {
    /// Hours, minutes and seconds.
    time: Option<[u64; 3]>,
    day: Option<u64>,
    /// Counted from 1.
    month: Option<u64>,
    year: Option<u64>,
}

/// Parses a date. Returns the seconds since the epoch, or 0 for a date before the epoch.
pub(super) fn read(text: &[u8]) -> Option<u64> {
    let mut parts = Parts::default();
    let tokens = text.split(|byte| is_delimiter(*byte));
    tokens
        .filter(|token| !token.is_empty())
        .for_each(|token| parts.take(token));
    parts.seconds()
}

fn is_delimiter(byte: u8) -> bool {
    matches!(byte, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e)
}

impl Parts {
    /// Stores a token as the first part that it can represent and that was not found yet.
    fn take(&mut self, token: &[u8]) {
        if let (None, Some(time)) = (self.time, time(token)) {
            self.time = Some(time);
        } else if let (None, Some(day)) = (self.day, number(token, 1, 2)) {
            self.day = Some(day);
        } else if let (None, Some(month)) = (self.month, month(token)) {
            self.month = Some(month);
        } else if let (None, Some(year)) = (self.year, number(token, 2, 4)) {
            self.year = Some(match year {
                70..=99 => year.saturating_add(1900),
                0..=69 => year.saturating_add(2000),
                _ => year,
            });
        }
    }

    fn seconds(&self) -> Option<u64> {
        let [hour, minute, second] = self.time?;
        let (day, month, year) = (self.day?, self.month?, self.year?);
        if !(1..=days_of(year, month)).contains(&day)
            || year < 1601
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        let days = days(year, month, day);
        let of_day = hour
            .saturating_mul(3600)
            .saturating_add(minute.saturating_mul(60))
            .saturating_add(second);
        Some(days.map_or(0, |days| days.saturating_mul(86_400).saturating_add(of_day)))
    }
}

/// Returns the number of days in a month.
fn days_of(year: u64, month: u64) -> u64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Returns the number of days from the epoch to a date of the Gregorian calendar, or `None` if the date is before the epoch.
/// Years are counted from March, so that a leap day is the last day of its year.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month.checked_add(9)?),
        _ => (year, month.checked_sub(3)?),
    };
    let leap_days = (year / 4)
        .checked_sub(year / 100)?
        .checked_add(year / 400)?;
    let in_year = month.checked_mul(153)?.checked_add(2)? / 5;
    let days = year
        .checked_mul(365)?
        .checked_add(leap_days)?
        .checked_add(in_year)?
        .checked_add(day)?;
    days.checked_sub(BEFORE_EPOCH)
}

/// The day number of 1 January 1970, counted from 1 for 1 March of the year 0.
const BEFORE_EPOCH: u64 = 719_469;

/// Parses `hh:mm:ss`, where each number has one or two digits. A non-digit and anything after it are ignored.
fn time(token: &[u8]) -> Option<[u64; 3]> {
    let mut fields = token.splitn(3, |byte| *byte == b':');
    let (hour, minute, second) = (fields.next()?, fields.next()?, fields.next()?);
    let whole = |field: &[u8]| number(field, 1, 2).filter(|_| field.iter().all(u8::is_ascii_digit));
    Some([whole(hour)?, whole(minute)?, number(second, 1, 2)?])
}

/// Parses a number of `least` to `most` digits. A non-digit and anything after it are ignored.
fn number(token: &[u8], least: usize, most: usize) -> Option<u64> {
    let (number, rest) = leading_decimal(token)?;
    let digits = token.len().saturating_sub(rest.len());
    (least..=most).contains(&digits).then_some(number)
}

/// Parses the name of a month. Only its first three letters count.
fn month(token: &[u8]) -> Option<u64> {
    let name = token.first_chunk::<3>()?;
    (1..)
        .zip(MONTHS)
        .find_map(|(number, month)| name.eq_ignore_ascii_case(month).then_some(number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_in_all_forms() {
        let read = |text: &str| read(text.as_bytes());
        for epoch in [
            "Thu, 01 Jan 1970 00:00:00 GMT",
            "Thu, 01-Jan-1970 00:00:00 GMT",
            "Thursday, 01-Jan-70 00:00:00 GMT",
            "Thu Jan  1 00:00:00 1970",
            "1 JANUARY 1970 0:0:0",
        ] {
            assert_eq!(read(epoch), Some(0), "{epoch}");
        }
        // RFC 9110, section 5.6.7
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(read(date), Some(784_111_777), "{date}");
        }
        assert_eq!(read("29 Feb 2024 23:59:59"), Some(1_709_251_199));
        assert_eq!(read("1 Mar 2100 00:00:00"), Some(4_107_542_400));
        assert_eq!(read("31 Dec 1969 23:59:59"), Some(0));
        assert_eq!(read("1 Jan 1601 00:00:00"), Some(0));
    }

    #[test]
    fn what_is_no_date() {
        for text in [
            "",
            "0",
            "-1",
            "Thu, 01 Jan 1970",
            "01 Jan 00:00:00",
            "1970 00:00:00",
            "32 Jan 1970 00:00:00",
            "31 Apr 1970 00:00:00",
            "29 Feb 2023 00:00:00",
            "29 Feb 1900 00:00:00",
            "0 Jan 1970 00:00:00",
            "1 Jan 1600 00:00:00",
            "1 Jan 1970 24:00:00",
            "1 Jan 1970 00:60:00",
            "1 Jan 1970 00:00:60",
            "1 Jan 19700 00:00:00",
            "1 Foo 1970 00:00:00",
        ] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_date_is_that_of_the_calendar(at in 0..253_402_300_800u64) {
            let date = cookie::time::OffsetDateTime::from_unix_timestamp(at as i64).unwrap();
            let (hour, minute, second) = date.to_hms();
            let text = alloc::format!(
                "{:02}-{}-{} {hour:02}:{minute:02}:{second:02}",
                date.day(), date.month(), date.year()
            );
            prop_assert_eq!(read(text.as_bytes()), Some(at));
        }

        #[test]
        fn any_text_is_read_or_not(text: alloc::vec::Vec<u8>) {
            let _ = read(&text);
        }
    }
}
